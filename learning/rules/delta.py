"""The delta rule: what does a readout need to learn from its own error?

    dW_kj = sum over samples of err_k * trace_j      err = onehot - softmax, in 8 bits

Local to the readout's core: the error from its own scores and the label, the trace from the spikes that
arrive. The paper names it as future work (section 7). neurosim/kernels/rules/delta.py.
"""


def fault(sigma_bias: float) -> str | None:
    """Why the rule cannot work with these settings, or None."""
    if sigma_bias:
        return (
            f"sigma_bias {sigma_bias} with output_rule 'delta': the readout's biases then learn from "
            f"their own error; use --sigma-bias 0 and --bias-rate"
        )
    return None
