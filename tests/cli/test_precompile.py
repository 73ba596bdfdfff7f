"""Kernels compiled ahead of a training: all that it calls, and no other."""

import subprocess
import sys

import command
import pytest

SCRIPT = """
import sys
import numpy as np
from learning.recipes import RECIPES
from learning.training import Training, start
from neurosim.app import precompile
from neurosim.data.datasets import Dataset
from neurosim.data.frames import pack
from neurosim.data.sensor import Sensor
from neurosim.kernels import compilation

small = dict(generations=2, evaluate_every=1, pairs=16, groups=8, batch=1, hidden=(20,), pool=4)
settings = RECIPES[sys.argv[1]][1].model_copy(update=small)
config = precompile.placeholder(settings)
planned = {
    kernel.__name__ for kernel, _ in compilation.planned(lambda: precompile._generation(config))
}

ask = compilation.Kernel._compile_for_args
called = set()
def note(self, *args, **kws):
    called.add(self.__name__)
    return ask(self, *args, **kws)
compilation.Kernel._compile_for_args = note

spikes = np.random.default_rng(0).random((40, settings.steps, config.inputs)) < 0.1
frames = pack(spikes.astype(np.uint8), (np.arange(40) % 10).astype(np.uint16))
names = tuple("0123456789")
data = Dataset("none", frames, frames, frames, names, Sensor(8, 8, 2), settings.steps, 300_000, "")
training = Training(start(settings, data), data)
training.run(lambda generation, record: None)
training.summary()
print("late", *sorted(called - planned))
print("extra", *sorted(planned - called))
"""


@pytest.mark.parametrize("recipe", ["fast", "eggroll", "deep"])
def test_a_training_calls_the_kernels_that_were_planned(recipe):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, recipe],
        capture_output=True,
        text=True,
        env=command.environment(),
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["late", "extra"]
