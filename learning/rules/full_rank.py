"""Full-rank evolution strategies: how large is noise of its own on every weight?

The paper's "vanilla ES" (section 2.4, equation 2), on the same chip and from the same generator.
"""


def scale(sigma: float, unit: int, factor_std: int) -> int:
    """What noise 1 adds to u, so that a weight's noise has standard deviation `sigma` LSB."""
    return round(sigma * unit / factor_std)
