"""Recipes: named and versioned settings. The numbers of a version never change.

    fast       event-aligned noise, credit by error, delta rule: the default
    deep       the same for several hidden layers of any kind: an error for each of them
    convolution
               deep, four times as many generations of half as many samples, noise in every second step
    recurrent  deep for sequences: more time steps, a longer memory, smaller steps of weights
    best       the rules of fast, six times as many generations, smaller steps
    eggroll    EGGROLL alone, on both layers
    paper      the paper's choices where they are known: spike count, centred ranks, 100 generations

A recipe gives the defaults of the command line; every setting that is given replaces the recipe's.
"""

from learning.settings import Settings

_BY_ERROR = Settings(
    method="event-aligned",
    output_rule="delta",
    credit="error",
    pairs=2048,
    groups=1024,
    batch=1,
    shift=1,
    vth_mant=1024,
    sigma=512,
    noise_window=2048,
    learning_rate=0.3,
    final_learning_rate=0,
    schedule="linear",
)

_DEEP = Settings(
    method="event-aligned",
    output_rule="delta",
    credit="error",
    feedback="gate-local",
    generations=2000,
    pairs=512,
    groups=256,
    batch=1,
    shift=1,
    bias_rate=0,
    learning_rate=0.12,
    final_learning_rate=0,
    output_rate=2,
    schedule="linear",
)

RECIPES: dict[str, tuple[int, Settings]] = {
    "eggroll": (
        3,
        Settings(generations=10000, learning_rate=0.25, final_learning_rate=0, schedule="linear"),
    ),
    "paper": (
        4,
        Settings(
            generations=100,
            pairs=8192,
            groups=256,
            batch=32,
            readout="count",
            shaping="rank",
            vth_mant=256,
            sigma=32,
            sigma_output=40,
            sigma_bias=8,
            final_noise=0.2,
            momentum_bits=2,
            temperature=2,
            final_temperature=0.0625,
            learning_rate=2.5,
            final_learning_rate=0.3,
        ),
    ),
    "fast": (2, _BY_ERROR),
    "deep": (1, _DEEP),
    "convolution": (
        1,
        _DEEP.model_copy(
            update={"generations": 8000, "pairs": 256, "groups": 128, "noise_period": 2}
        ),
    ),
    "recurrent": (
        1,
        _DEEP.model_copy(update={"steps": 25, "shift": 0, "dv": 200, "learning_rate": 0.06}),
    ),
    "best": (1, _BY_ERROR.model_copy(update={"generations": 6000, "learning_rate": 0.1})),
}
"""Name -> (version, settings)."""
DEFAULT = "fast"
"""Recipe of `neurosim train` where --recipe is not given."""


def known(name: str) -> str:
    """`name`, or a ValueError that lists the recipes there are."""
    if name not in RECIPES:
        raise ValueError(f"recipe {name!r} is not known; allowed are {', '.join(RECIPES)}")
    return name
