"""Delta rule: a readout that learns from its own error.

    dW_kj = sum over samples of err_k * trace_j      err = onehot - softmax, in 8 bits

Local to the readout's core: the error from its own scores and the label, the trace from the spikes that
arrive. The paper names it as future work (section 7). neurosim/kernels/rules/delta.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from learning.rules.rule import Rule, RunSettings
from neurosim.population.rules import Signal


@dataclass(frozen=True)
class Delta(Rule):
    """Delta rule on the readout: errors times traces of its input spikes."""

    name: str = "delta"
    settings: ClassVar = frozenset({"output_rate"})
    signal: ClassVar = Signal.ERROR

    def check(self, settings: RunSettings) -> None:
        if settings.sigma_bias:
            raise ValueError(
                f"sigma_bias {settings.sigma_bias} with output_rule 'delta': the readout's biases learn "
                f"from their own error; use --sigma-bias 0 and --bias-rate"
            )


DELTA = Delta()
