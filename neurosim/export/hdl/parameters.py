"""Parameters of a hardware core: sizes and registers, as JSON and as Verilog, and conventions of the files.

layers(network)       each layer by name, for the manifest
parameters(...)       the same and what the chip shares, for params.json; `verilog` makes params.vh
conventions(seed)     packing, fixed point and generator, in words
"""

from collections.abc import Mapping
from math import gcd
from typing import Any

from neurosim.export.hdl import capabilities
from neurosim.export.memory_images import ImageError
from neurosim.kernels.neurons.integration import STATES_PER_SUM
from neurosim.network import Network
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.layout import source_words
from neurosim.population.state import padded

BLOCK = 128
"""Random bits of one call of the generator."""
NO_LEARNING: Mapping[str, int] = {
    "RULE": 0,
    "RANK": 1,
    "FRACTION_BITS": 0,
    "MOMENTUM_BITS": 0,
    "SUM_BITS": 8,
    "RATE_BITS": 48,
    "WINDOW": 0,
    "TRACE_BITS": 8,
    "LARGEST": 1,
}
"""Parameters of the rule for a core that only infers, whose SCALE is 0 for each layer."""
MOST_ADDERS = 8
"""Synapses of a source that a clock adds to the sums; chosen here, a power of two."""
REGISTERS = ("du", "dv", "vth_mant", "bias_exp")


def layers(network: Network) -> list[dict[str, Any]]:
    """Each layer's sizes and registers, by name; ImageError where the core lacks one (`capabilities`)."""
    capabilities.check(network)
    found = []
    for index, (connection, population) in enumerate(network.layers):
        described: dict[str, Any] = {
            "name": population.name,
            "sources": network.sizes[connection.source],
            "neurons": population.neurons,
            "weight_bits": connection.weight_bits,
            "weight_exp": connection.weight_exp,
            "current_shift": connection.current_shift,
        }
        described["adders"] = adders(population.neurons)
        for register in REGISTERS:
            described[register] = int(population.each(register)[0])
        described["row_blocks"] = source_words(network, index) * 64 // BLOCK
        described["rounding_blocks"] = padded(population.neurons) * 16 // BLOCK
        found.append(described)
    return found


def adders(neurons: int) -> int:
    """Synapses to a layer that share a word of memory and meet a spike in one clock."""
    return gcd(neurons, MOST_ADDERS)


def parameters(
    network: Network, steps: int, seed: int, score: ReadoutSpec, learning: Mapping[str, Any]
) -> dict[str, Any]:
    """Names of params.vh -> integers, or a list with one a layer.

    learning  RULE, RANK, SCALE, FRACTION_BITS, MOMENTUM_BITS, SUM_BITS, RATE_BITS, WINDOW, TRACE_BITS,
              LARGEST (learning/golden.py; `NO_LEARNING` where the core only infers)
    """
    if score.membrane and steps > STATES_PER_SUM:
        raise ImageError(
            f"samples of {steps} steps with a membrane readout; the scores of hardware/ have 32 bits, which "
            f"hold sums of up to {STATES_PER_SUM} steps: use fewer steps, or readout count"
        )
    described = layers(network)
    found: dict[str, Any] = {
        "LAYERS": len(described),
        "INPUTS": described[0]["sources"],
        "CLASSES": described[-1]["neurons"],
        "WIDTH": max(described[0]["sources"], *(layer["neurons"] for layer in described)),
        "STEPS": steps,
        "SEED": seed,
        "MEMBRANE": int(score.membrane),
        "READOUT_MULTIPLIER": score.multiplier,
        "READOUT_SHIFT": score.shift,
    }
    for name in described[0]:
        if name != "name":
            found[name.upper()] = [layer[name] for layer in described]
    return {**found, "SCALE": [0] * len(described), **learning}


def verilog(values: Mapping[str, Any]) -> str:
    """params.vh: local parameters to include in a module; lists are 32 bits a layer, layer 0 lowest."""
    lines = [
        "// Sizes and registers of one network; a list has 32 bits a layer, layer 0 lowest.",
        "/* verilator lint_off UNUSEDPARAM */",
    ]
    for name, value in values.items():
        if isinstance(value, list):
            fields = ", ".join(f"32'd{one}" for one in reversed(value))
            lines.append(f"localparam [32*{len(value)}-1:0] {name} = {{{fields}}};")
        elif name == "SEED":
            lines.append(f"localparam [63:0] {name} = 64'h{value:x};")
        else:
            lines.append(f"localparam {name} = {value};")
    return "\n".join([*lines, "/* verilator lint_on UNUSEDPARAM */"]) + "\n"


def conventions(seed: int) -> dict[str, Any]:
    """How to read the files, for the manifest."""
    return {
        "packing": "a line is a word, and a row is fields / word of them, the first fields first; field k of "
        "a word is at bits k * bits and up; two's complement",
        "endianness": "little: field 0 in the lowest bits, the last digits of a line",
        "fixed_point": {
            "weights": "Q8.0; one unit adds 2^current_shift to u",
            "state": "Q8.FRACTION_BITS; weight = (state + half) >> FRACTION_BITS",
            "u, v": "Q24.0; saturate at +-(2^23 - 1)",
            "threshold": "vth_mant << 6",
            "bias": "Q13.0 << bias_exp",
            "rates": "32 fraction bits",
            "fitness": "10 fraction bits, base-2 logarithm",
        },
        "generator": {
            "name": "Philox4x32-10",
            "seed": seed,
            "key": [seed & 0xFFFFFFFF, seed >> 32],
            "counter": ["block", "stream << 16 | layer", "pair", "generation"],
            "streams": {"A": 0, "B": 1, "rounding": 4, "bias_rounding": 5, "event_aligned": 9},
            "first_block": {
                "A": "rank * ceil(neurons / 128)",
                "B": "rank * row_blocks",
                "rounding": "source * rounding_blocks, pair 0, 16 bits a neuron",
                "bias_rounding": "0, pair 0, 16 bits a neuron",
                "event_aligned": "step * ceil(neurons / 128)",
            },
            "bits": "bit i of a block is bit i % 32 of its word i // 32",
        },
    }
