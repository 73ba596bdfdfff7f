"""What the simulator runs: a folder of memory images through the Verilog chip, every number compared.

simulate.py starts it; IMAGES in the environment names the folder.
"""

import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.utils import get_sim_time

from neurosim.export import memory_images

RUN, DRAW, FADE, VOTE, MEASURE, MOVE = 2, 3, 4, 5, 6, 7
"""Commands of hardware/chip.v."""


class Bench:
    """The chip, and the images it is held against."""

    def __init__(self, dut):
        self.dut = dut
        self.images = memory_images.read(Path(os.environ["IMAGES"]))
        self.parameters = self.images.manifest["parameters"]
        self.steps, self.layers = self.parameters["STEPS"], range(self.parameters["LAYERS"])

    def clock(self):
        """Clocks since the simulation began."""
        return get_sim_time("step") // 2

    def core(self, layer):
        return self.dut.layers[layer].core

    async def begin(self):
        dut = self.dut
        for port in ("go", "frame_write", "noisy", "minus", "pair", "generation", "label"):
            getattr(dut, port).value = 0
        Clock(dut.clk, 2, unit="step").start()
        dut.reset.value = 1
        await self.clocks(3)
        dut.reset.value = 0

    async def clocks(self, count):
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    async def start(self, command, **ports):
        self.dut.command.value = command
        for port, value in ports.items():
            getattr(self.dut, port).value = int(value)
        self.dut.go.value = 1
        await RisingEdge(self.dut.busy)
        self.dut.go.value = 0

    async def do(self, command, **ports):
        await self.start(command, **ports)
        await FallingEdge(self.dut.busy)

    async def show(self, rows):
        """Fill the frame buffer with rows of 0/1 (step, input)."""
        self.dut.frame_write.value = 1
        for t, row in enumerate(rows):
            self.dut.frame_step.value = t
            self.dut.frame.value = int("".join(map(str, reversed(row.tolist()))), 2)
            await RisingEdge(self.dut.clk)
        await RisingEdge(self.dut.clk)
        self.dut.frame_write.value = 0

    def rows(self, memory, like):
        """A memory of the chip as the image `like` is laid out: (row, field)."""
        entry = self.images.manifest["files"][f"{like}.mem"]
        lines = [f"{memory[row].value.to_unsigned():x}" for row in range(entry["rows"])]
        return memory_images.unpack(lines, entry["fields"], entry["bits"], entry["signed"])

    def same(self, found, name):
        """Every number of an image equals what was found."""
        wanted = self.images.array(name)
        found = np.asarray(found).reshape(wanted.shape)
        wrong = np.argwhere(found != wanted)
        assert not len(wrong), (
            f"{name}: {len(wrong)} of {wanted.size} differ, first at {wrong[0].tolist()}: "
            f"{found[tuple(wrong[0])]}, recorded is {wanted[tuple(wrong[0])]}"
        )
        print(f"{name}: {wanted.size:,} values equal")


@cocotb.test()
async def inference(dut):
    """Every spike and every membrane of every sample."""
    bench = Bench(dut)
    await bench.begin()
    stimulus, begun = bench.images.array("stim"), bench.clock()
    spikes, membranes = [[] for _ in bench.layers], [[] for _ in bench.layers]
    for first in range(0, len(stimulus), bench.steps):
        await bench.show(stimulus[first : first + bench.steps])
        await bench.start(RUN, noisy=0)
        for _ in range(bench.steps):
            await RisingEdge(dut.stepped)
            for layer in bench.layers:
                core, neurons = bench.core(layer), range(bench.parameters["NEURONS"][layer])
                fired = core.spikes.value.to_unsigned()
                spikes[layer].append([fired >> k & 1 for k in neurons])
                membranes[layer].append([core.v[k].value.to_signed() for k in neurons])
        await FallingEdge(dut.busy)
    samples = len(stimulus) // bench.steps
    print(f"inference: {samples} samples, {(bench.clock() - begun) // samples:,} clocks a sample")
    for layer in bench.layers:
        bench.same(spikes[layer], f"spikes_L{layer}")
        bench.same(membranes[layer], f"v_L{layer}")


@cocotb.test()
async def generation(dut):
    """Noise, fitness, directions and new weights of one generation."""
    from learning.shaping import coefficients

    bench = Bench(dut)
    await bench.begin()
    about = bench.images.manifest["learning"]
    dut.generation.value = about["generation"]
    labels = bench.images.array("learning_labels")[:, 0].reshape(about["groups"], -1)
    shape = (*labels.shape, bench.steps, bench.parameters["INPUTS"])
    samples = bench.images.array("learning_stim").reshape(shape)
    each = about["pairs"] // about["groups"]

    begun = bench.clock()
    fitness, drawn = [], [{"A": [], "B": []} for _ in bench.layers]
    wanted = [len(bench.images.array(f"perturbation_A_L{layer}")) for layer in bench.layers]
    for pair in range(about["pairs"]):
        await bench.do(DRAW, pair=pair)
        for layer in bench.layers:
            if len(drawn[layer]["A"]) < wanted[layer]:
                note_bits(bench, layer, drawn[layer])
        members = [0, 0]
        for place in range(about["batch"]):
            await bench.show(samples[pair // each, place])
            for minus in (0, 1):
                label = labels[pair // each, place]
                await bench.do(RUN, noisy=1, minus=minus, label=label)
                members[minus] += dut.value.value.to_signed()
        fitness.append(members)
    runs = 2 * about["batch"] * about["pairs"]
    print(f"rehearsal: {runs} runs, {(bench.clock() - begun) // runs:,} clocks a run")
    for layer in bench.layers:
        bench.same(drawn[layer]["A"], f"perturbation_A_L{layer}")
        bench.same(drawn[layer]["B"], f"perturbation_B_L{layer}")
    bench.same(fitness, "fitness")
    worth = coefficients(np.array(fitness), about["groups"], about["shaping"], "antithetic")
    bench.same(worth, "coefficients")

    begun = bench.clock()
    await bench.do(FADE)
    for pair, coefficient in enumerate(worth):
        if coefficient:
            await bench.do(DRAW, pair=pair)
            await bench.do(VOTE, coefficient=coefficient)
    await bench.do(MEASURE)
    totals = dut.totals.value.to_unsigned()
    assert [totals >> 64 * layer & (1 << 64) - 1 for layer in bench.layers] == about["totals"]
    bits = bench.parameters["RATE_BITS"]
    await bench.do(MOVE, rates=sum(rate << bits * k for k, rate in enumerate(about["rates"])))
    print(f"update: {len(worth)} pairs, {bench.clock() - begun:,} clocks")
    fraction = bench.parameters["FRACTION_BITS"]
    for layer in bench.layers:
        core = bench.core(layer)
        state = bench.rows(core.synapses, f"new_state_L{layer}")
        bench.same(state, f"new_state_L{layer}")
        bench.same((state + (1 << fraction >> 1)) >> fraction, f"new_weights_L{layer}")
        if bench.images.holds(f"new_momentum_L{layer}"):
            directions = core.learns.learning.directions
            bench.same(bench.rows(directions, f"new_momentum_L{layer}"), f"new_momentum_L{layer}")


def note_bits(bench, layer, drawn):
    """The bits that a core holds of the pair it drew last, a row a rank."""
    for r in range(bench.parameters["RANK"]):
        relay = bench.core(layer).learns.learning.rank[r].relay
        for side, count in (
            ("A", bench.parameters["NEURONS"][layer]),
            ("B", bench.parameters["SOURCES"][layer]),
        ):
            memory = relay.a if side == "A" else relay.b
            blocks = [memory[i].value.to_unsigned() for i in range(-(-count // 128))]
            drawn[side].append([blocks[i // 128] >> i % 128 & 1 for i in range(count)])
