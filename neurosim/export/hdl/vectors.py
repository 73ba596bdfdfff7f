"""Sizes of the recorded vectors, for the test bench hardware/bench.v."""

from collections.abc import Mapping
from typing import Any

SHOWN_PAIRS = 8
"""Pairs whose random bits are written out: enough to compare with, chosen here."""


def parameters(samples: int, learning: Mapping[str, Any] | None) -> dict[str, int]:
    """Names of vectors.vh -> integers; `learning` as in the manifest, None: the core only infers."""
    found = {"SAMPLES": samples}
    for name in ("generation", "pairs", "groups", "batch"):
        found[name.upper()] = int(learning[name]) if learning else 1
    return {
        **found,
        "SHOWN_PAIRS": min(SHOWN_PAIRS, found["PAIRS"]),
        "TEACHES": int(learning is not None),
    }
