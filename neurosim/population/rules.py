"""Learning signals: what the update of a parameter is accumulated from.

    FITNESS  one shaped fitness per direction, times the noise of the direction
    CREDIT   one neuron credit per pair and neuron, times the noise on the neuron's current
    ERROR    the readout's own errors, times traces of its input spikes (delta rule)
    NONE     the parameter stays as it is

A learning rule (learning/rules) chooses one signal; `NoiseSpec` says which noise it is multiplied by.
"""

from collections.abc import Sequence
from enum import Enum

from neurosim.network import NetworkError


class Signal(Enum):
    """Learning signal of a parameter."""

    FITNESS = "fitness"
    CREDIT = "credit"
    ERROR = "error"
    NONE = "none"


def check_signals(signals: Sequence[Signal], parameters: int) -> tuple[Signal, ...]:
    """One signal a parameter, checked: errors belong to the last one, neuron credit to the others."""
    if len(signals) != parameters:
        raise NetworkError(
            f"{len(signals)} learning signals for {parameters} parameters; give one each"
        )
    if Signal.ERROR in signals[:-1] or Signal.CREDIT in signals[-1:]:
        raise NetworkError(
            f"learning signals are {[signal.value for signal in signals]}; 'error' is for the readout, "
            f"which alone has a label, and 'credit' for the layers before it"
        )
    return tuple(signals)
