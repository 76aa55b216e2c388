"""A PyTorch module on rows of numbers: forward, and back by autograd; left as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from math import prod
from threading import RLock
from typing import Any

import numpy as np

from .curvature import Array

WHO = "TorchFeatures"
DTYPES = ("float32", "float64")
# Two threads that share a module would each restore the mode that the other has set.
_modes = RLock()


def import_torch() -> Any:
    """PyTorch, or what to install."""
    try:
        return import_module("torch")
    except ImportError as error:
        raise ImportError(
            f'{WHO} needs PyTorch, which is not installed: pip install "skinfluence[torch]".'
        ) from error


class RunningModule:
    """A module in evaluation mode.

    Parameters
    ----------
    torch : module
    module : torch.nn.Module
    shape : tuple of int, optional
        Of one row.
    device : torch.device
    dtype : torch.dtype
    """

    def __init__(self, torch: Any, module: Any, shape: Any, device: Any, dtype: Any) -> None:
        self.torch, self.module, self.shape = torch, module, shape
        self.device, self.dtype = device, dtype

    def features(self, rows: Array) -> Array:
        """Outputs of dense rows, flattened, in the dtype of the rows: (rows, d_out)."""
        torch = self.torch
        kept = torch.float32 if rows.dtype == np.float32 else torch.float64
        with torch.no_grad():
            return np.asarray(self._outputs(self._tensor(rows)).to(device="cpu", dtype=kept))

    def input_gradients(self, rows: Array, cotangents: Array, size: int) -> Array:
        """(m, rows, d_in) of cotangents (m, rows, d_out), for rows that are one batch.

        One pass forward of as many copies of the rows as ``size`` allows, and then back for as many
        cotangents at a time; with a single row all of them go at once.
        """
        m, n_rows = cotangents.shape[:2]
        copies = max(1, min(m, size // n_rows))
        with self.torch.inference_mode(False), self.torch.enable_grad():
            leaf = self._tensor(np.tile(rows, (copies, 1))).requires_grad_()
            outputs = self._outputs(leaf.clone())  # a module may write into what it is given
            parts = [
                self._back(leaf, outputs, cotangents[start : start + copies])
                for start in range(0, m, copies)
            ]
        return np.concatenate(parts)

    def _back(self, leaf: Any, outputs: Any, cotangents: Array) -> Array:
        flat = self._tensor(cotangents.reshape(-1, cotangents.shape[2])).to(outputs.dtype)
        gradient = None
        if outputs.requires_grad:
            gradient = self.torch.autograd.grad(
                outputs[: len(flat)], leaf, flat, retain_graph=True, allow_unused=True
            )[0]
        if gradient is None:
            raise ValueError(
                f"{WHO} got a module ({self._name}) whose output does not follow its input: "
                "autograd has no gradient, as after detach, argmax, torch.no_grad or a detour "
                "through NumPy. Take these out of its forward method, or ask with space='model'."
            )
        slopes = np.asarray(gradient[: len(flat)].cpu().to(self.torch.float64))
        return slopes.reshape(*cotangents.shape[:2], -1)

    def _tensor(self, rows: Array) -> Any:
        """A copy: NumPy's own memory would be open to modules that write into their input."""
        return self.torch.tensor(rows, device=self.device, dtype=self.dtype)

    def _outputs(self, flat: Any) -> Any:
        shape = (flat.shape[1],) if self.shape is None else self.shape
        if prod(shape) != flat.shape[1]:
            raise ValueError(
                f"{WHO} got rows of {flat.shape[1]} features for input_shape={shape}; needed are "
                f"{prod(shape)}. Pass the shape of one row, without that of the batch."
            )
        try:
            outputs = self.module(flat.reshape(-1, *shape))
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(
                f"{WHO} got rows of {flat.shape[1]} features, which its module ({self._name}) does "
                f"not take as a tensor of shape {(len(flat), *shape)}: {error} Needed are rows as "
                "the module was trained on; input_shape says how one row is shaped."
            ) from error
        return self._checked(outputs, len(flat))

    def _checked(self, outputs: Any, n_rows: int) -> Any:
        if not isinstance(outputs, self.torch.Tensor):
            raise TypeError(
                f"{WHO} got a module ({self._name}) that returns {type(outputs).__name__}; needed "
                "is one tensor. Wrap it in a module whose forward picks the tensor of features."
            )
        if outputs.ndim == 0 or len(outputs) != n_rows:
            raise ValueError(
                f"{WHO} got a module ({self._name}) that returns a tensor of shape "
                f"{tuple(outputs.shape)} for {n_rows} rows; needed is the row as first axis."
            )
        return outputs.reshape(n_rows, -1)

    @property
    def _name(self) -> str:
        return type(self.module).__name__


@contextmanager
def running(module: Any, shape: Any, device: Any, dtype: Any) -> Iterator[RunningModule]:
    """A module where, and in what, it is to run, for the time of a ``with`` block."""
    torch = import_torch()
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"{WHO} got a module of type {type(module).__name__}; needed is a torch.nn.Module. "
            "Wrap a function in a class with a forward method."
        )
    place, kind = _device(torch, device), _dtype(torch, dtype)
    floating = [each for each in _tensors(module) if each.is_floating_point()]
    if kind is None:
        kind = floating[0].dtype if floating else torch.get_default_dtype()
    elif any(each.dtype != kind for each in floating):
        module = deepcopy(module).to(dtype=kind)
    if any(each.device != place for each in _tensors(module)):
        module = deepcopy(module).to(device=place)
    with _modes:
        modes = [(part, part.training) for part in module.modules()]
        try:
            module.eval()
            yield RunningModule(torch, module, shape, place, kind)
        finally:
            for part, training in modes:
                part.training = training


def _tensors(module: Any) -> list[Any]:
    return [*module.parameters(), *module.buffers()]


def _device(torch: Any, device: Any) -> Any:
    try:
        return torch.empty(0, device=device).device  # with its number, as those of parameters
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(
            f"{WHO} got device={device!r}, which PyTorch does not have here: {error} Needed is the "
            "name of a device, such as 'cpu'."
        ) from error


def _dtype(torch: Any, dtype: Any) -> Any:
    if dtype is None:
        return None
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"{WHO} got dtype={dtype!r}; needed is one of {list(DTYPES)}, or None.")
    return getattr(torch, name)
