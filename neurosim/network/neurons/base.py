"""Description of a neuron model: its own registers, beside those that every population has."""

from dataclasses import Field
from typing import Any, ClassVar, Protocol


class NeuronModel(Protocol):
    """A frozen dataclass; its fields are integers, written to JSON beside `name`.

    name     in JSON, and in the registry of kernels (neurosim/kernels/neurons/registry.py)
    keyword  option of a layer in `--layers` that chooses the model; empty where there is none
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    keyword: ClassVar[str]

    def registers(self) -> tuple[int, ...]:
        """The own registers as the kernel reads them: int32, thresholds in units of v, decays 0..4096."""
        ...

    @classmethod
    def for_threshold(cls, vth_mant: int) -> "NeuronModel":
        """The model that `keyword` stands for, in a layer of this threshold."""
        ...
