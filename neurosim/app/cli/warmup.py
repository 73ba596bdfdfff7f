"""`neurosim warmup`: compile every kernel now, so that no later command waits for the compiler.

The smallest generation of every rule, and a sample on the chip itself: types alone decide what is compiled.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import BaseModel, ConfigDict


class Warmup(BaseModel):
    """Fill the cache of compiled kernels (NEUROSIM_CACHE, else the user's cache folder)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Warmup) -> int:
    from neurosim.app.cli.progress import progress
    from neurosim.kernels.compilation import CACHE_FOLDER, NO_CACHE
    from neurosim.network import NetworkError

    if CACHE_FOLDER is None:
        raise NetworkError(
            f"compiled kernels cannot be kept ({NO_CACHE}); set NEUROSIM_CACHE to a folder of your own"
        )
    began = time.perf_counter()
    with progress("step", len(STEPS), arguments.as_json) as tell:
        for index, (name, step) in enumerate(STEPS.items()):
            tell(index, name)
            step()
        tell(len(STEPS), "done")
    files = list(Path(CACHE_FOLDER).rglob("*.nb?"))  # compiled kernels and their indices
    facts: dict[str, Any] = {
        "folder": CACHE_FOLDER,
        "seconds": round(time.perf_counter() - began, 3),
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
    }
    if arguments.as_json:
        print(json.dumps(facts))
    else:
        print(
            f"{facts['files']} files, {facts['bytes'] / 1e6:.1f} MB in {CACHE_FOLDER}, "
            f"{facts['seconds']:.1f} s"
        )
    return 0


def _data() -> None:
    from neurosim.data import datasets

    datasets.load("digits")


def _learning() -> None:
    from learning.recipes import RECIPES
    from learning.settings import Settings
    from learning.training import Training, start
    from neurosim.data import datasets

    small = {"hidden": (20,), "pairs": 8, "groups": 8, "generations": 1, "validation_samples": 8}
    for settings in (
        *(settings for _, settings in RECIPES.values()),
        Settings(method="full-rank"),
    ):
        one = settings.model_copy(update=small)
        data = datasets.load(one.data, steps=one.steps, pool=one.pool, options=one.data_options)
        training = Training(start(one, data), data)
        training.step()


def _chip() -> None:
    import numpy as np

    from neurosim.chip.emulator import Chip, Probe
    from neurosim.data.frames import pack
    from neurosim.network import Network, Population, Weights

    network = Network.chain(
        16, [Population("hidden", 16, vth_mant=60), Population("output", 2, vth_mant=60)]
    )
    shapes = ((16, 16), (16, 2))
    weights = Weights(
        tuple(np.ones(shape, np.int8) for shape in shapes),
        tuple(np.zeros(neurons, np.int16) for _, neurons in shapes),
    )
    frames = pack(np.ones((2, 3, 16), np.uint8), np.zeros(2, np.uint8))
    Chip.from_weights(network, weights).run(frames, [Probe("hidden", "v")])


STEPS = {"camera and data": _data, "learning": _learning, "chip": _chip}
"""The compilations, in turn."""
