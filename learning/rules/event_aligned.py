"""Event-aligned perturbations: how large is noise on a neuron's current, and what does it need?

    input_k(t) += scale * xi_k(t)        dW = sum over directions of f * sum_t xi(t) x(t)^T

The noise is the neurons', so the samples decide which weights it stands for; each pair needs one
sample of its own (its f belongs to those spikes alone). neurosim/kernels/rules/event_aligned.py.
"""


def scale(sigma: float, unit: int, factor_std: int) -> int:
    """What noise 1 adds to u; `sigma` is in weight LSB, as if one more synapse of that size spiked."""
    return round(sigma * unit / factor_std)


def fault(batch: int, sigma_bias: float) -> str | None:
    """Why the rule cannot work with these settings, or None."""
    if batch != 1:
        return (
            f"batch {batch} with method 'event-aligned': a pair's noise belongs to one sample; "
            f"use --batch 1 and more --groups"
        )
    if sigma_bias:
        return (
            f"sigma_bias {sigma_bias} with method 'event-aligned': biases learn from the noise on the "
            f"current; use --sigma-bias 0 and --bias-rate"
        )
    return None
