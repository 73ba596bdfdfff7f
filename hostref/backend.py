"""PyTorch, where it is installed, and the device that is used.

Every module of `hostref` imports torch from here, so that a missing PyTorch has one error message.
"""

from typing import Literal

import numpy as np


class ReferenceMissing(ImportError):
    """PyTorch is not installed."""


try:
    import torch
except ImportError as error:
    raise ReferenceMissing(
        "the float reference needs PyTorch, which is not installed; install the extra: "
        'pip install "neurosim-eggroll[reference]"'
    ) from error

Precision = Literal["float32", "float64"]
Tensor = torch.Tensor

__all__ = [
    "DeviceError",
    "Precision",
    "ReferenceMissing",
    "Tensor",
    "choose",
    "generator",
    "precision",
    "torch",
    "use_threads",
]


class DeviceError(ValueError):
    """The wanted device does not exist."""


def use_threads(threads: int | None) -> None:
    """Let PyTorch use this many threads, or as many as it finds."""
    if threads is not None:
        torch.set_num_threads(threads)


def choose(device: str) -> torch.device:
    """The device called `device`: "cpu", "cuda", "cuda:1", or "auto" (CUDA where there is one)."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(
            f"device is {device!r}; allowed are auto, cpu, cuda and cuda:N"
        ) from error
    if chosen.type not in ("cpu", "cuda"):
        raise DeviceError(f"device is {device!r}; allowed are auto, cpu, cuda and cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= _cuda_devices():
        raise DeviceError(
            f"device is {device!r}, but PyTorch {torch.__version__} finds {_cuda_devices()} CUDA "
            f"devices; use --device cpu, or install a PyTorch built for CUDA and its driver"
        )
    return chosen


def _cuda_devices() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def precision(name: Precision) -> torch.dtype:
    """The dtype called `name`."""
    return {"float32": torch.float32, "float64": torch.float64}[name]


def generator(device: torch.device, *fields: int) -> torch.Generator:
    """A generator for these fields (seed, generation, block ...): same fields, same numbers."""
    state = np.random.SeedSequence(fields).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(state >> np.uint64(1)))
