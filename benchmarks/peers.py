"""Benchmark beside other implementations on the same processor, in one run.

    python benchmarks/peers.py [--rounds N] [--pairs N] [--json]

Evaluating a population of 2312-128-10, ten steps, rank 1, spikes in 6.7 % of the inputs: this evaluator,
the same arithmetic as a plain Numba loop and in plain NumPy (their fitness is compared with the chip's),
and float EGGROLL in PyTorch (batched low-rank forward; its members share their samples). The chip beside
plain NumPy is `benchmarks/chip.py`'s. Each way has the processor to itself in turn, round after round.
"""

import argparse
import json
import statistics
from collections.abc import Callable

import chip as one_chip
import numba
import numpy as np
from numba import prange

from hostref import evolution
from hostref.backend import torch
from hostref.benchmark import random_samples
from hostref.settings import BenchmarkSettings, EvolutionSettings
from neurosim.app.experiments.speed import CLASSES, INPUTS, WEIGHTS, Case, random_frames
from neurosim.chip.emulator import Chip
from neurosim.data.frames import pack, unpack
from neurosim.kernels import readout
from neurosim.kernels.generator import INPUT_FACTOR, OUTPUT_FACTOR, Field
from neurosim.kernels.noise import weight_noise
from neurosim.population.batch import Batch

HIDDEN, STEPS = 128, 10
PAIRS, BATCH = 4096, 8
LOOP_SHARE, NUMPY_SHARE, FLOAT_SHARE = 16, 256, 16
"""The slower ways have one of so many pairs: their time is in proportion."""
FLOAT_BLOCKS = (16, 64, 256)
"""Which blocks of pairs are PyTorch's fastest depends on the machine: 16 on one, 256 on another."""
DECAY, TOP = 400, (1 << 23) - 1


def factors(chip, pairs):
    """A (pair, neuron) and B (pair, source) of both layers, as the chip draws them: ±1."""
    drawn = []
    for layer, (sources, neurons) in enumerate(((INPUTS, HIDDEN), (HIDDEN, CLASSES))):
        of_layer = []
        for stream, count in ((OUTPUT_FACTOR, neurons), (INPUT_FACTOR, sources)):
            words = -(-count // 128) * 2
            bits = np.zeros((pairs, words), np.uint64)
            for pair in range(pairs):
                field = Field(stream, layer, pair, 0, chip.seed)
                weight_noise.draw_noise(bits[pair], 0, words, 0, words, 0, False, field)
            ones = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")[:, :count]
            of_layer.append(2 * ones.astype(np.int32) - 1)
        drawn.append(of_layer)
    return drawn


def decayed(v):
    return np.sign(v) * ((np.abs(v) * (4096 - DECAY)) >> 12)


def plain_numpy(weights, noise, scales, thresholds, frames, groups, pairs):
    """Scores (pair, member, place, class): the output's membrane summed over steps; pair by pair."""
    scores = np.zeros((pairs, 2, groups.shape[1], CLASSES), np.int64)
    for pair in range(pairs):
        x = frames[groups[pair]]  # (place, step, input)
        currents = (x @ weights[0]) << 7
        (a, b), (a_out, b_out) = ((f[pair] for f in of_layer) for of_layer in noise)
        felt = scales[0] * (x @ b)[..., None] * a
        for member, sign in enumerate((1, -1)):
            v = np.zeros((len(x), HIDDEN), np.int64)
            out = np.zeros((len(x), CLASSES), np.int64)
            for t in range(STEPS):
                v = np.clip(decayed(v) + currents[:, t] + sign * felt[:, t], -TOP, TOP)
                spikes = v > thresholds[0]
                v[spikes] = 0
                arriving = (spikes @ weights[1]) << 7
                arriving += sign * scales[1] * (spikes @ b_out)[:, None] * a_out
                out = np.clip(decayed(out) + arriving, -TOP, TOP)
                out[out > thresholds[1]] = 0
                scores[pair, member] += out
    return scores


@numba.njit(parallel=True)
def plain_loop(w0, w1, a0, b0, a1, b1, s0, s1, e0, e1, frames, groups, pairs):
    """The same as loops: what one writes first, with all pairs in parallel."""
    scores = np.zeros((pairs, 2, groups.shape[1], w1.shape[1]), np.int64)
    for pair in prange(pairs):
        for place in range(groups.shape[1]):
            sample = groups[pair, place]
            v = np.zeros((2, w0.shape[1]), np.int64)
            out = np.zeros((2, w1.shape[1]), np.int64)
            for t in range(frames.shape[1]):
                current = np.zeros(w0.shape[1], np.int64)
                drive = 0
                for j in range(w0.shape[0]):
                    if frames[sample, t, j]:
                        drive += b0[pair, j]
                        for k in range(w0.shape[1]):
                            current[k] += w0[j, k]
                for member in range(2):
                    sign = 1 - 2 * member
                    arriving = np.zeros(w1.shape[1], np.int64)
                    drive_out = 0
                    for k in range(w0.shape[1]):
                        kept = (abs(v[member, k]) * (4096 - DECAY)) >> 12
                        kept = kept if v[member, k] >= 0 else -kept
                        now = kept + (current[k] << 7) + sign * s0 * a0[pair, k] * drive
                        now = min(max(now, -TOP), TOP)
                        if now > e0:
                            now = 0
                            drive_out += b1[pair, k]
                            for c in range(w1.shape[1]):
                                arriving[c] += w1[k, c]
                        v[member, k] = now
                    for c in range(w1.shape[1]):
                        kept = (abs(out[member, c]) * (4096 - DECAY)) >> 12
                        kept = kept if out[member, c] >= 0 else -kept
                        now = kept + (arriving[c] << 7) + sign * s1 * a1[pair, c] * drive_out
                        now = min(max(now, -TOP), TOP)
                        now = 0 if now > e1 else now
                        out[member, c] = now
                        scores[pair, member, place, c] += now
    return scores


def fitness(chip, scores, labels):
    """(pair, member) of scores (pair, member, place, class) and labels (pair, place)."""
    spec, powers, logs = chip.readout_spec, readout.exp2_table(), readout.log2_table()
    found, count = np.zeros(scores.shape[:2], np.int64), scores[..., 0].size
    by_class = np.ascontiguousarray(scores.reshape(count, CLASSES).T, np.int32).reshape(-1)
    logits, (tops, totals) = np.zeros(by_class.size, np.int64), np.zeros((2, count), np.int64)
    readout.softmax(
        by_class, count, CLASSES, spec.multiplier, spec.shift, powers, logits, tops, totals
    )
    for lane, (pair, member, place) in enumerate(np.ndindex(scores.shape[:3])):
        label = int(labels[pair, place])
        found[pair, member] += readout.log_likelihood(
            logits, count, lane, label, tops, totals, logs
        )
    return found


def ways(pairs: int) -> dict[str, tuple[Callable[[], object], int]]:
    """Every way of evaluating, and its member-samples."""
    of_loop, of_numpy, of_float = (
        pairs // share for share in (LOOP_SHARE, NUMPY_SHARE, FLOAT_SHARE)
    )
    samples = random_frames()
    case = Case(WEIGHTS.model_copy(update={"pairs": pairs, "batch": BATCH}), samples)
    chip, ask = case.chip, case.evolution.ask(0)
    groups = np.repeat(ask.samples, pairs // len(ask.samples), axis=0)
    weights = [part.astype(np.int64) for part in chip.weights().mantissas]
    scales = [int(scale) for scale in chip.spec.scale]
    thresholds = [int(p.vth_mant) << 6 for p in chip.network.populations]
    dense = unpack(samples).astype(np.uint8)
    noise = factors(chip, of_loop)
    (a0, b0), (a1, b1) = noise

    def this():
        return chip.evaluate(Batch(samples, ask.samples), ask.pairs, 0)

    def loop():
        return plain_loop(*weights, a0, b0, a1, b1, *scales, *thresholds, dense, groups, of_loop)

    small = {int(sample): dense[sample].astype(np.int32) for sample in np.unique(groups[:of_numpy])}
    places = np.array(sorted(small))
    local = np.searchsorted(places, groups[:of_numpy])
    shown = np.stack([small[int(sample)] for sample in places])
    narrow = [part.astype(np.int32) for part in weights]

    def plain():
        return plain_numpy(narrow, noise, scales, thresholds, shown, local, of_numpy)

    wanted = this().fitness
    labels = samples.labels[groups]
    assert np.array_equal(fitness(chip, loop(), labels[:of_loop]), wanted[:of_loop])
    assert np.array_equal(fitness(chip, plain(), labels[:of_numpy]), wanted[:of_numpy])

    torch.set_num_threads(numba.get_num_threads())
    return {
        "this evaluator": (this, 2 * pairs * BATCH),
        "a plain Numba loop": (loop, 2 * of_loop * BATCH),
        "plain NumPy": (plain, 2 * of_numpy * BATCH),
        **{
            f"PyTorch, float, blocks of {block}": (in_float(of_float, block), 2 * of_float * 64)
            for block in FLOAT_BLOCKS
            if block <= of_float
        },
    }


def in_float(pairs: int, block: int) -> Callable[[], object]:
    """Float EGGROLL in PyTorch, `block` pairs at a time."""
    settings = EvolutionSettings(rank=1, pairs=pairs, batch=64, block=block, readout="membrane")
    model = evolution.build(settings, INPUTS, CLASSES, "cpu")
    run = evolution.Evolution(settings, model, evolution.strategy_of(settings))
    x, y = run.batch(random_samples(BenchmarkSettings(batch=64), 64, torch.device("cpu")))
    return lambda: run.evaluate(x, y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="a multiple of 256")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    timed = ways(arguments.pairs)
    described, weights, spikes = one_chip.case()
    chip, batch = (
        Chip.from_weights(described, weights),
        pack(spikes, np.zeros(len(spikes), np.uint8)),
    )
    chips = {
        "the chip, 1,024 samples": (lambda: chip.run(batch), len(spikes)),
        "plain NumPy, 8 samples": (
            lambda: [one_chip.plain_numpy(weights, one) for one in spikes[:8]],
            8,
        ),
    }
    rates = {name: [] for name in (*timed, *chips)}
    for index in range(arguments.rounds + 1):
        for name, (work, count) in (*timed.items(), *chips.items()):
            rate = count / one_chip.seconds(work)
            if index:
                rates[name].append(rate)
    rows = []
    for group, what in ((timed, "member-samples/s"), (chips, "samples/s")):
        first = next(iter(group))
        for name in group:
            ratios = [a / b for a, b in zip(rates[first], rates[name], strict=True)]
            middle = statistics.median(rates[name])
            rows.append(
                {"way": name, "rate": middle, "of": what, "slower": statistics.median(ratios)}
            )
    threads = numba.get_num_threads()
    if arguments.json:
        print(json.dumps({"threads": threads, "rounds": arguments.rounds, "ways": rows}))
        return
    print(
        f"{INPUTS}-{HIDDEN}-{CLASSES}, {STEPS} steps, {threads} threads, medians of {arguments.rounds}"
    )
    for row in rows:
        print(
            f"{row['way']:<26} {row['rate']:12,.0f} {row['of']:<16} {row['slower']:8.1f} times slower"
        )


if __name__ == "__main__":
    main()
