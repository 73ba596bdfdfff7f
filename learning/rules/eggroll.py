"""EGGROLL: how large is low-rank noise on a layer's weights?

    E = scale * sum_r A_r B_r^T / sqrt(rank)      every weight moves by sigma, whatever the rank

Sarkar et al., arXiv 2511.16652, section 4; paper section 2.5, equation 3. The noise is drawn and the
update made in neurosim/kernels/noise/weight_noise.py and consolidate.py.
"""

from math import sqrt


def scale(sigma: float, unit: int, factor_std: int, rank: int) -> int:
    """What noise 1 adds to u, so that a weight's noise has standard deviation `sigma` LSB.

    unit        u of one LSB            factor_std  standard deviation of a noise number
    """
    return round(sigma * unit / (factor_std**2 * sqrt(rank)))
