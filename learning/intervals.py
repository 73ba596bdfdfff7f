"""Confidence interval of an accuracy: Wilson's score interval for a share of independent samples.

    centre +- half = (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927). Unlike the
normal approximation it stays within 0 and 1 and holds for few samples and accuracies near 1.
"""

from math import sqrt

Z_95 = 1.959964
"""Quantile of the normal distribution for 95 %."""


def wilson(right: int, samples: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of the share of `right` answers among `samples`: low and high, each 0..1."""
    if not 0 <= right <= samples or samples < 1:
        raise ValueError(
            f"{right} right answers of {samples} samples; needed is 0..samples, from 1"
        )
    share, z2 = right / samples, z * z
    scale = 1 + z2 / samples
    centre = (share + z2 / (2 * samples)) / scale
    half = z * sqrt(share * (1 - share) / samples + z2 / (4 * samples * samples)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def of_accuracy(accuracy: float, samples: int) -> tuple[float, float]:
    """`wilson` of an accuracy, a share 0..1 of `samples`."""
    return wilson(round(accuracy * samples), samples)


def text(accuracy: float, samples: int) -> str:
    """An accuracy and its interval for people: '97.78 % (95 % interval 95.7 to 98.9)'."""
    low, high = of_accuracy(accuracy, samples)
    return f"{100 * accuracy:.2f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})"
