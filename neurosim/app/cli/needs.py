"""Optional packages that commands need: looked for before a command starts, without importing them."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import NamedTuple


class Need(NamedTuple):
    """A package by the name it is imported by and the name people know, what needs it, and its extra."""

    package: str
    title: str
    what: str
    extra: str


class NeedError(ImportError):
    """A package is not installed. The message names it, what needs it, and the extra that brings it."""


REFERENCE = Need("torch", "PyTorch", "the float reference", "reference")
NIR = Need("nir", "the package nir", "NIR graphs", "nir")
CAMERA = Need("dv_processing", "dv-processing", "a camera", "camera")
CLUSTER = Need("distributed", "dask", "--cluster", "cluster")
TENSORBOARD = Need("tensorboardX", "tensorboardX", "--tensorboard", "tensorboard")


def check(needs: Iterable[Need]) -> None:
    """Raise NeedError for the first package that is not there."""
    for need in needs:
        if not _is_there(need.package):
            verb = "needs" if not need.what.endswith("s") else "need"
            raise NeedError(
                f"{need.what} {verb} {need.title}, which is not installed; install the extra: "
                f'pip install "neurosim-eggroll[{need.extra}]"'
            )


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
