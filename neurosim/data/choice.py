"""Options of a data set that commands and settings share, as a checked model."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from neurosim.data.sets.base import Options


class DataChoice(BaseModel):
    """Options of a data set; None is the data set's own choice (docs/data.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    camera: Literal["nmnist", "ncaltech101", "cifar10dvs"] | None = None
    """simulated camera that images are shown to; by default N-MNIST's"""
    sensor: str | None = None
    """divide the sensor into WIDTHxHEIGHT cells (48x36), or set the number of channels (64)"""
    crop: str | None = None
    """part of the sensor: WIDTHxHEIGHT in its middle, or WIDTHxHEIGHT+LEFT+TOP"""
    window: Annotated[int, Field(ge=1, le=1 << 40)] | None = None
    """microseconds that are cut into bins, later events being left out; by default the data set's"""
    bins: Literal["time", "count"] | None = None
    """bins of equal time (by default), or of an equal count of events"""
    holdout: str | None = None
    """speaker whose recordings are the test set, instead of the official split"""
    skip: Annotated[int, Field(ge=1)] | None = None
    """leave out the first SKIP training images of an .npz file, such as those that a test set shows"""
    partial: bool = False
    """take an incomplete data set as it is"""

    @property
    def data_options(self) -> Options:
        """The same as `Options` of the data package."""
        return Options(*(getattr(self, name) for name in Options._fields))
