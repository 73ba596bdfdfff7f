"""Float step of a neuron model: the spike, the reset, and the variable that it has beside u and mem."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from hostref.backend import Tensor
from hostref.rounding import Rounding


class Fired(NamedTuple):
    """spikes 0 or 1; carried: mem after the reset; own: the model's variable in the next step."""

    spikes: Tensor
    carried: Tensor
    own: Tensor


class Neuron(Protocol):
    """The float step of one population's neurons."""

    def fire(
        self, mem: Tensor, threshold: Tensor, own: Tensor, slope: float, rounding: Rounding | None
    ) -> Fired:
        """One step, from `mem` before the reset; own is 0 at rest; the spike has a surrogate gradient."""
        ...


class FloatModel(NamedTuple):
    """A neuron model in real numbers.

    neuron    of a description, and of the unit of each neuron: how many units of the chip's u are 1.0
    rescaled  of a description: the same for a threshold `new` in place of `old`; None where no register of
              the model depends on it
    """

    neuron: Callable[[Any, Tensor], Neuron]
    rescaled: Callable[[Any, int, int], Any] | None = None
