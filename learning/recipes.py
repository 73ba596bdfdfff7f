"""Which settings are known to work? Named and versioned: a recipe's numbers stay what they were.

    eggroll  EGGROLL alone, on both layers: the default
    paper    the paper's choices where they are known: spike count, centred ranks, 100 generations
    fast     event-aligned noise, and the readout's own error: the most accuracy for the time

A recipe is where the command line starts; every setting given beside it replaces the recipe's.
"""

from learning.settings import Settings

RECIPES: dict[str, tuple[int, Settings]] = {
    "eggroll": (1, Settings()),
    "paper": (
        1,
        Settings(
            generations=100,
            pairs=4096,
            batch=16,
            rank=4,
            readout="count",
            shaping="rank",
            learning_rate=4.0,
        ),
    ),
    "fast": (
        1,
        Settings(
            method="event-aligned",
            output_rule="delta",
            pairs=4096,
            groups=1024,
            batch=1,
            sigma=256,
            learning_rate=0.5,
            final_learning_rate=0.01,
        ),
    ),
}
"""Name -> version and settings."""
