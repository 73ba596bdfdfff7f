"""Neuromorphic chip emulator in integers, and learning on it without gradients.

    data = neurosim.datasets.load("digits")
    settings = neurosim.Settings(generations=100)
    training = neurosim.Training(neurosim.start(settings, data), data)
    training.run(lambda generation, metrics: None)
    training.summary()["test_accuracy"]

Importing this package loads nothing heavy: each name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learning.config import Config
    from learning.recipes import RECIPES
    from learning.record import read_checkpoint as load_run
    from learning.run_folder import RunFolder
    from learning.settings import Settings
    from learning.training import Training, start
    from neurosim.chip import profiles
    from neurosim.chip.emulator import Chip, Probe
    from neurosim.data import datasets, frames
    from neurosim.data.frames import Frames
    from neurosim.network import (
        AdaptiveLif,
        Connection,
        Conv2d,
        Dense,
        Input,
        Lif,
        Network,
        NetworkError,
        Population,
        Sparse,
        SumPool2d,
        Weights,
    )
    from neurosim.network.faults import Faults
    from neurosim.population.batch import Batch
    from neurosim.population.evaluator import Evaluator

    __version__: str

_NETWORK = (
    "AdaptiveLif",
    "Connection",
    "Conv2d",
    "Dense",
    "Input",
    "Lif",
    "Network",
    "NetworkError",
    "Population",
    "Sparse",
    "SumPool2d",
    "Weights",
)
_HOME: dict[str, tuple[str, str | None]] = {
    **{name: ("neurosim.network", name) for name in _NETWORK},
    "Batch": ("neurosim.population.batch", "Batch"),
    "Chip": ("neurosim.chip.emulator", "Chip"),
    "Config": ("learning.config", "Config"),
    "Evaluator": ("neurosim.population.evaluator", "Evaluator"),
    "Faults": ("neurosim.network.faults", "Faults"),
    "Frames": ("neurosim.data.frames", "Frames"),
    "Probe": ("neurosim.chip.emulator", "Probe"),
    "RECIPES": ("learning.recipes", "RECIPES"),
    "RunFolder": ("learning.run_folder", "RunFolder"),
    "Settings": ("learning.settings", "Settings"),
    "Training": ("learning.training", "Training"),
    "datasets": ("neurosim.data.datasets", None),
    "frames": ("neurosim.data.frames", None),
    "load_run": ("learning.record", "read_checkpoint"),
    "profiles": ("neurosim.chip.profiles", None),
    "start": ("learning.training", "start"),
}
"""Where each public name is defined: module, and name within it (None: the module itself)."""

__all__ = [
    "RECIPES",
    "AdaptiveLif",
    "Batch",
    "Chip",
    "Config",
    "Connection",
    "Conv2d",
    "Dense",
    "Evaluator",
    "Faults",
    "Frames",
    "Input",
    "Lif",
    "Network",
    "NetworkError",
    "Population",
    "Probe",
    "RunFolder",
    "Settings",
    "Sparse",
    "SumPool2d",
    "Training",
    "Weights",
    "__version__",
    "datasets",
    "frames",
    "load_run",
    "profiles",
    "start",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        found: Any = version("neurosim-eggroll")
    elif name in _HOME:
        module, attribute = _HOME[name]
        found = importlib.import_module(module)
        found = found if attribute is None else getattr(found, attribute)
    else:
        raise AttributeError(f"module 'neurosim' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
