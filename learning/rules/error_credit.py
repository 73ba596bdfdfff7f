"""Credit by error: event-aligned noise, and a credit for each neuron from the errors of the readout.

    fitness  c_ik = f_i                             one integer per pair, the same for all neurons
    error    c_ik = feedback_k * (e_k(+) - e_k(-))  feedback error times change of the trace of neuron k

A fitness that all neurons share has the variance of the noise of all of them. Here the core of the readout
sends its errors (8 bits per class and sample, as for the delta rule); every neuron weights them by its own
outgoing synapses and multiplies by the change that the noise made to its own spikes. Forward passes only, and
no derivative of the neuron. neurosim/kernels/rules/error_credit.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from learning.rules.event_aligned import EventAligned
from learning.rules.rule import RunSettings
from neurosim.population.rules import Signal


@dataclass(frozen=True)
class ErrorCredit(EventAligned):
    """Credit of each neuron times its noise on the current."""

    name: str = "error-credit"
    settings: ClassVar = frozenset({"noise_period", "noise_window"})
    signal: ClassVar = Signal.CREDIT

    def check(self, settings: RunSettings) -> None:
        self._check_method(settings)
        if len(settings.hidden) != 1:
            raise ValueError(
                f"credit 'error' with {len(settings.hidden)} hidden layers: the readout's errors reach "
                f"the layer before it; use one hidden layer, --feedback, or --credit fitness"
            )
        if settings.output_rule not in ("delta", "frozen"):
            raise ValueError(
                f"credit 'error' with output_rule {settings.output_rule!r}: the members have no fitness, so "
                f"the readout learns from its errors or not at all; use --output-rule delta or frozen"
            )

    def _check_method(self, settings: RunSettings) -> None:
        """Raise ValueError unless the noise is on currents, of antithetic pairs with a sample each."""
        if settings.method != "event-aligned":
            raise ValueError(
                f"credit 'error' with method {settings.method!r}: only noise on the current of a neuron "
                f"can be credited to it; use --method event-aligned, or --recipe eggroll for noise on weights"
            )
        super().check(settings)
        if settings.estimator != "antithetic":
            raise ValueError(
                f"credit 'error' with estimator {settings.estimator!r}: the credit of a neuron compares "
                f"+noise and -noise of one pair; use --estimator antithetic, or --credit fitness"
            )


ERROR_CREDIT = ErrorCredit()
