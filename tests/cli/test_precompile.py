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


PLAN = """
import base64, pickle, sys
from learning.recipes import RECIPES
from neurosim.app import precompile

config = precompile.placeholder(RECIPES[sys.argv[1]][1])
for one in precompile.kernels_of(config):
    print(base64.b64encode(pickle.dumps(one)).decode())
"""
WORKER = """
import base64, pickle, sys
from neurosim.app.precompile import kernel_of
for line in sys.stdin:
    assert kernel_of(pickle.loads(base64.b64decode(line)).identity) is not None
print("found")
"""


def run(script, *arguments, **more):
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("recipe", ["fast", "eggroll", "deep", "recurrent"])
def test_a_training_calls_the_kernels_that_were_planned(recipe):
    lines = run(SCRIPT, recipe, env=command.environment()).splitlines()
    assert lines[-2:] == ["late", "extra"]


@pytest.mark.parametrize("recipe", ["fast", "eggroll", "deep", "recurrent"])
def test_every_planned_kernel_is_found_by_another_process(recipe, tmp_path):
    """Where nothing was compiled yet: the plan alone is made, no kernel is compiled."""
    empty = {**command.environment(), "NEUROSIM_CACHE": str(tmp_path)}
    wanted = run(PLAN, recipe, env=empty)
    assert len(wanted.splitlines()) > 10
    assert run(WORKER, env=empty, input=wanted) == "found\n"
