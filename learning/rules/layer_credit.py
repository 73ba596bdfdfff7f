"""Credit by error for every hidden layer of a graph: event-aligned noise, and an error of each layer's own.

    E_k   from a local readout, from the layers above, or from both        the setting `feedback`
    c_ik  = E_k * (e_k(+) - e_k(-))                                         as in error_credit, layer by layer

neurosim/population/layer_credit.py has the ways; docs/notes/layers.md what was measured.
"""

from dataclasses import dataclass
from typing import ClassVar

from learning.rules.error_credit import ErrorCredit
from learning.rules.rule import RunSettings


@dataclass(frozen=True)
class LayerCredit(ErrorCredit):
    """Credit of each neuron of any hidden layer times its noise on the current."""

    name: str = "layer-credit"
    settings: ClassVar = frozenset(
        {
            "noise_period",
            "feedback",
            "local_share",
            "local_pool",
            "readouts",
            "noise_share",
            "window_share",
            "target_rate",
            "homeostasis_rate",
        }
    )

    def check(self, settings: RunSettings) -> None:
        self._check_method(settings)
        if settings.output_rule != "delta":
            raise ValueError(
                f"feedback {settings.feedback!r} with output_rule {settings.output_rule!r}: readouts learn "
                f"from their own errors; use --output-rule delta"
            )
        if settings.noise != "rademacher":
            raise ValueError(
                f"feedback {settings.feedback!r} with noise {settings.noise!r}: members of a layer carry "
                f"one bit a neuron and step; use --noise rademacher"
            )
        if settings.homeostasis_rate != 1 and not settings.target_rate:
            raise ValueError(
                f"homeostasis_rate {settings.homeostasis_rate!r} with target_rate 0: there is no rate to "
                f"move biases towards; give a --target-rate, such as 0.05"
            )


LAYER_CREDIT = LayerCredit()
