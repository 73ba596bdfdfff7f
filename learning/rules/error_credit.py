"""Credit by error: who tells a neuron what its event-aligned noise was worth?

    fitness  c_ik = f_i                          one integer a pair, the same for all neurons
    error    c_ik = blame_k * (e_k(+) - e_k(-))  the readout's errors, and what the noise did to neuron k

With a fitness that all share, the noise of 127 other neurons is in what a neuron is told. Here the core
of the readout sends its errors (8 bits a class and sample, as the delta rule has them); every neuron
weighs them by its own outgoing weights and multiplies by what its noise changed in its own spikes.
Still forward passes only, and no derivative of the neuron. neurosim/kernels/rules/error_credit.py.
"""


def fault(method: str, hidden: int, output_rule: str, estimator: str) -> str | None:
    """Why the rule cannot work with these settings, or None."""
    if method != "event-aligned":
        return (
            f"credit 'error' with method {method!r}: only the noise of a neuron can be told apart; "
            f"use --method event-aligned"
        )
    if hidden != 1:
        return (
            f"credit 'error' with {hidden} hidden layers: the readout's errors reach the layer before it; "
            f"use one hidden layer, or --credit fitness"
        )
    if output_rule == "same":
        return (
            "credit 'error' with output_rule 'same': the readout learns from its errors, not from noise; "
            "use --output-rule delta"
        )
    if estimator != "antithetic":
        return (
            f"credit 'error' with estimator {estimator!r}: a neuron is told what +noise and -noise changed "
            f"in its own spikes; use --estimator antithetic, or --credit fitness"
        )
    return None
