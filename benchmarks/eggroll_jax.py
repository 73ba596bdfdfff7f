"""EGGROLL of a convolutional network, beside float EGGROLL in JAX on the same processor, in one run.

    pip install jax
    python benchmarks/eggroll_jax.py [--pairs N] [--rounds N] [--json]

JAX computes as HyperscaleES does (arXiv 2511.16652): every member draws A and B from its key, a layer is
x W + (x B) A^T, members are mapped over and compiled, and the update is the sum of fitness A B^T. A
convolution multiplies the patches of its windows. Rates in member-samples per second of processor time, one
thread each; a generation includes the update. JAX takes its fastest block of members.
"""

import argparse
import json
import os
import statistics
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
import jax
import jax.numpy as jnp
import numpy as np

from learning.evolution import Evolution
from learning.layered import is_readout, layered_chip, layered_network
from learning.recipes import RECIPES
from neurosim import threads
from neurosim.data import datasets
from neurosim.data.frames import unpack
from neurosim.population.batch import Batch

LAYERS = "conv 12 5x5 stride 2 pad 2, conv 24 3x3 stride 2 pad 1, dense 128"
WINDOWS = ((5, 2, 2), (3, 2, 1))
SHAPES = ((5 * 5 * 2, 12), (3 * 3 * 12, 24), (24 * 81, 128), (128, 10))
STEPS, BETA, SIGMA, BATCH = 10, 0.9, 0.1, 8
BLOCKS = (8, 32)


def patches(x, kernel, stride, padding):
    """The windows of maps (sample, y, x, channel): (sample, y, x, row)."""
    return jax.lax.conv_general_dilated_patches(
        x,
        (kernel, kernel),
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def factors(key, number, member):
    """A (column, rank) and B (row, rank) of a layer of one member; pairs share them with opposite signs."""
    rows, columns = SHAPES[number]
    own = jax.random.fold_in(jax.random.fold_in(key, number), member // 2)
    drawn = jax.random.normal(own, (rows + columns, 1))
    sign = jnp.where(member % 2 == 0, SIGMA, -SIGMA)
    return drawn[rows:] * sign, drawn[:rows]


def scores(weights, key, member, x):
    """Output of one member on samples x (step, sample, y, x, channel)."""
    noise = [factors(key, number, member) for number in range(len(SHAPES))]
    count = x.shape[1]

    def layer(number, spikes):
        a, b = noise[number]
        return spikes @ weights[number] + (spikes @ b) @ a.T

    def step(state, now):
        *v, out, total = state
        for number in range(3):
            now = (
                patches(now, *WINDOWS[number]) if number < len(WINDOWS) else now.reshape(count, -1)
            )
            v[number] = BETA * v[number] + layer(number, now)
            now = (v[number] > 1).astype(jnp.float32)
            v[number] = v[number] * (1 - now)
        out = BETA * out + layer(3, now)
        return (*v, out, total + out), None

    rest = [
        jnp.zeros((count, *shape)) for shape in ((17, 17, 12), (9, 9, 24), (128,), (10,), (10,))
    ]
    (*_, total), _ = jax.lax.scan(step, tuple(rest), x)
    return total


@jax.jit
def fitness_of_block(weights, key, members, x, labels):
    """Log-likelihoods of some members, (member,)."""

    def one(member):
        return jnp.take_along_axis(
            jax.nn.log_softmax(scores(weights, key, member, x)), labels[:, None], axis=1
        ).sum()

    return jax.vmap(one)(members)


@jax.jit
def updated(weights, key, members, fitness):
    """Weights moved along the sum of fitness A B^T."""
    found = []
    for number, matrix in enumerate(weights):
        a, b = jax.vmap(lambda member, number=number: factors(key, number, member))(members)
        found.append(matrix + 1e-3 * jnp.einsum("n,nir,njr->ij", fitness, b, a) / len(members))
    return found


def in_jax(block, pairs, x, labels):
    """A generation of 2 x pairs members, so many at a time."""
    numbers = np.random.default_rng(0)
    weights = [
        jnp.asarray(numbers.normal(0, 2.5 / shape[0] ** 0.5, shape), jnp.float32)
        for shape in SHAPES
    ]
    key = jax.random.key(0)

    def generation():
        found = [
            fitness_of_block(weights, key, jnp.arange(first, first + block), x, labels)
            for first in range(0, 2 * pairs, block)
        ]
        fitness = jnp.concatenate(found)
        shaped = (fitness - fitness.mean()) / (fitness.std() + 1e-8)
        for matrix in updated(weights, key, jnp.arange(2 * pairs), shaped):
            matrix.block_until_ready()

    return generation


def ours(pairs, data):
    """A generation on the general executor, in integers."""
    settings = RECIPES["eggroll"][1].model_copy(
        update={"layers": LAYERS, "pairs": pairs, "groups": 1, "batch": BATCH}
    )
    network = layered_network(settings, data)
    chip = layered_chip(settings, network, None)
    outputs = is_readout(network)
    evolution = Evolution(settings, len(data.train.labels), len(outputs), outputs)
    ask = evolution.ask(0)

    def generation():
        batch = Batch(data.train, ask.samples)
        update = evolution.tell(0, chip.evaluate(batch, ask.pairs, 0))
        chip.apply_update(update.coefficients, ask.pairs, 0, update.rates, batch)

    return generation


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", type=int, default=256)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    threads.use(1)
    data = datasets.load("digits")
    dense = unpack(data.train)[:BATCH].reshape(BATCH, STEPS, 2, 34, 34)
    x = jnp.asarray(dense.transpose(1, 0, 3, 4, 2), jnp.float32)
    labels = jnp.asarray(data.train.labels[:BATCH].astype(np.int32))
    ways = {"this evaluator": ours(given.pairs, data)}
    blocks = [block for block in BLOCKS if 2 * given.pairs % block == 0]
    ways |= {f"JAX, blocks of {block}": in_jax(block, given.pairs, x, labels) for block in blocks}
    rates = {name: [] for name in ways}
    for index in range(given.rounds + 1):
        for name, generation in ways.items():
            began = time.process_time()
            generation()
            if index:  # the first round compiles
                rates[name].append(2 * given.pairs * BATCH / (time.process_time() - began))
    found = {name: statistics.median(rate) for name, rate in rates.items()}
    first = found["this evaluator"]
    if given.json:
        print(json.dumps(found))
        return
    for name, rate in found.items():
        print(
            f"{name:<20} {rate:10,.0f} member-samples/s, this evaluator is {first / rate:.1f} times"
        )


if __name__ == "__main__":
    main()
