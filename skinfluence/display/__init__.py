"""Pictures of what explainers answer, in the manner of scikit-learn's displays.

A display holds arrays; ``from_explainer`` and ``from_estimator`` make one, ``plot`` draws it and
returns it. matplotlib is imported when one is drawn.
"""

from .diagnostics_plot import DiagnosticsDisplay
from .feature_influence import FeatureInfluenceDisplay
from .influence_images import InfluenceImagesDisplay
from .influence_scatter import InfluenceScatterDisplay
from .label_flips import LabelFlipMatrixDisplay
from .refit_agreement import RefitAgreementDisplay
from .suspect_curve import SuspectCurveDisplay
from .top_influence import TopInfluenceDisplay

__all__ = [
    "DiagnosticsDisplay",
    "FeatureInfluenceDisplay",
    "InfluenceImagesDisplay",
    "InfluenceScatterDisplay",
    "LabelFlipMatrixDisplay",
    "RefitAgreementDisplay",
    "SuspectCurveDisplay",
    "TopInfluenceDisplay",
]
