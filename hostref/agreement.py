"""Agreement of chip and float network: spikes by layer, and fitness of population members.

Both sides are arrays; this module runs no network.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class LayerAgreement(NamedTuple):
    """Spikes of one layer, compared cell by cell.

    cells       neuron steps compared
    spikes      of them spiking in the reference
    differing   of them different
    share       differing / cells
    first_step  the earliest step in which any differs, or None
    samples     samples in which any differs
    """

    cells: int
    spikes: int
    differing: int
    share: float
    first_step: int | None
    samples: int


class FitnessAgreement(NamedTuple):
    """Fitness of the same members on both sides.

    spearman    rank correlation over all members
    sign        share of pairs whose better side is the same (ties on either side left out)
    largest     largest absolute difference after both were scaled to standard deviation 1
    mean        mean absolute difference, scaled alike
    """

    spearman: float
    sign: float
    largest: float
    mean: float


def agree(
    reference: Sequence[ArrayLike] | NDArray, other: Sequence[ArrayLike] | NDArray
) -> list[LayerAgreement]:
    """Compare spikes (..., sample, step, neuron) layer by layer."""
    if len(reference) != len(other):
        raise ValueError(
            f"{len(reference)} layers against {len(other)}; compare runs of one network"
        )
    return [
        _layer(np.asarray(a) > 0, np.asarray(b) > 0) for a, b in zip(reference, other, strict=True)
    ]


def _layer(reference: NDArray[np.bool_], other: NDArray[np.bool_]) -> LayerAgreement:
    if reference.shape != other.shape:
        raise ValueError(f"spikes are {reference.shape} and {other.shape}; needed is one shape")
    wrong = reference != other
    steps = np.flatnonzero(
        wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != wrong.ndim - 2))
    )
    return LayerAgreement(
        cells=wrong.size,
        spikes=int(reference.sum()),
        differing=int(wrong.sum()),
        share=float(wrong.mean()),
        first_step=int(steps[0]) if steps.size else None,
        samples=int(wrong.any(axis=(-1, -2)).sum()),
    )


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    flat = np.asarray(values).ravel()
    _, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return (last - (counts - 1) / 2)[inverse]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation; nan where one side has a single value."""
    left, right = (r - r.mean() for r in (ranks(a), ranks(b)))
    norm = np.sqrt((left**2).sum() * (right**2).sum())
    return float((left * right).sum() / norm) if norm > 0 else float("nan")


def compare_fitness(reference: ArrayLike, other: ArrayLike) -> FitnessAgreement:
    """Compare fitness (pair, side) in any units, each normalised to mean 0 and standard deviation 1."""
    a, b = np.asarray(reference, np.float64), np.asarray(other, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2:
        raise ValueError(f"fitness is {a.shape} and {b.shape}; needed is (pair, 2) on both sides")
    difference = np.abs(_standard(a) - _standard(b))
    better = np.sign(a[:, 0] - a[:, 1]) * np.sign(b[:, 0] - b[:, 1])
    decided = better[better != 0]
    return FitnessAgreement(
        spearman(a, b),
        float((decided > 0).mean()) if decided.size else float("nan"),
        float(difference.max()),
        float(difference.mean()),
    )


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(values.std())
    return (values - values.mean()) / (spread if spread > 0 else 1.0)
