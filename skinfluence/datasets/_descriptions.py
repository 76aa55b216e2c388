"""The DESCR texts of the data sets."""

from __future__ import annotations

SPAMBASE = """\
Spambase
--------
4,601 e-mails received at Hewlett-Packard Labs, 57 numeric columns: the frequencies of 48 words
and of 6 characters, in percent of all words or characters, and the average, longest and total
length of runs of capital letters. Target: 1 spam (1,813 rows), 0 not spam (2,788 rows).

The rows are in the original order, which is sorted by class: shuffle before splitting. The
e-mails that are not spam come from one person's files, so that the words 'george' and '650' mark
them. The columns have the names of R's package kernlab.

Source: M. Hopkins, E. Reeber, G. Forman, J. Suermondt, Hewlett-Packard Labs. Spambase, UCI
Machine Learning Repository, 1999. https://doi.org/10.24432/C53G6X
Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/
"""

MNIST17 = """\
MNIST, 1s against 7s (a small part)
-----------------------------------
Handwritten digits, 28 x 28 grey levels from 0 (paper) to 1 (ink). Training rows: the first 750
ones and the first 750 sevens of MNIST's 60,000 training images. Test rows: the first 200 of each
of the 10,000 test images. Both parts are in MNIST's order, which mixes the digits.

Source: Y. LeCun, C. Cortes, C. J. C. Burges. The MNIST database of handwritten digits, made from
the Special Databases 1 and 3 of NIST.
Licence: CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/
Changes: a selection of the images, and grey levels divided by 255.
"""

MNIST = """\
MNIST
-----
Handwritten digits, 28 x 28 grey levels from 0 (paper) to 1 (ink): 60,000 training and 10,000
test images in the original order. Koh & Liang (2017) train on the first 55,000.

Source: Y. LeCun, C. Cortes, C. J. C. Burges. The MNIST database of handwritten digits.
Licence, as commonly given: CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/
"""

DOGFISH = """\
Dog against fish
----------------
Photographs of two ImageNet classes, 900 + 900 for training and 300 + 300 for testing, as many as
in section 5.1 of Koh & Liang (2017) but not the same photographs. Target: 1 fish (tench,
n01440764), 0 dog (English springer, n02102040).

The features are the 1,280 averages of the last layer of an ImageNet-trained EfficientNet-Lite0
at 224 x 224. They stand in for the paper's frozen Inception v3. The network is not part of the
data: no gradient leads from the features back to the pixels. The pixels are centre crops of
64 x 64 x 3, in the same row order.

Source: J. Deng et al. (2009), O. Russakovsky et al. (2015), ImageNet, by way of the subset
Imagenette (J. Howard).
Terms: non-commercial research and education only. The photographers keep their rights, and
people can be seen: publish neither the photographs nor figures that show them.
"""

DIABETES130 = """\
Diabetes 130-US hospitals: readmission within 30 days
-----------------------------------------------------
101,766 hospital encounters, coded as in section 5.3 of Koh & Liang (2017): 8 counts and one
indicator for each level of 31 categorical columns (one indicator only where a column has two
levels), 127 columns. Target: 1 readmitted within 30 days (11,357 rows), 0 not. The split is the
paper's: 10,000 + 10,000 training rows, all others for testing.

24 training rows have the value 1 in the column 'age_[0-10)', 3 of them are readmitted. The
paper's experiment drops 20 of the 21 that are not (it keeps the last one).

Beware: the indicators are collinear (rank 95 of 127 on the training rows) and two columns are
constant, so that the Hessian of an unregularised model is singular. 71,518 patients make up the
rows: rows of one patient can be on both sides of the split.

Source: B. Strack et al. Impact of HbA1c Measurement on Hospital Readmission Rates. BioMed
Research International, 781670, 2014. UCI Machine Learning Repository,
https://doi.org/10.24432/C5230J
Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/
"""

ENRON1 = """\
Enron1
------
Word counts of 5,172 e-mails, 4,137 for training (1,203 spam) and 1,035 for testing (297 spam),
the sizes of section 5.4 of Koh & Liang (2017). Target: 1 spam, 0 not (ham). The 3,362 columns
are lower-cased words of two or more letters a-z, without English stop words, in at least 11
training e-mails. 178 e-mails repeat an earlier one. Counts above 255 are stored as 255.

Source: V. Metsis, I. Androutsopoulos, G. Paliouras. Spam Filtering with Naive Bayes - Which
Naive Bayes? CEAS 2006. The folder "Enron1" of their preprocessed collection.
Terms: freely distributed for research, without an explicit licence. The e-mails are real
people's.
"""

NEWSGROUPS20 = """\
20 Newsgroups
-------------
Word counts of 18,846 posts to 20 newsgroups, split by date into 11,314 for training and 7,532
for testing. Headers, footers and quotes are removed. The columns are words of two or more
letters a-z, without English stop words, in at least 3 training posts. Counts above 255 are
stored as 255. Some hundred rows are empty: nothing of those posts is left.

Source: K. Lang. NewsWeeder: Learning to filter netnews. ICML 1995; J. Rennie's version "by
date". Licence, as given by the UCI Machine Learning Repository: CC BY 4.0,
https://creativecommons.org/licenses/by/4.0/
"""
