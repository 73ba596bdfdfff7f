"""NIR graphs, as files and in memory."""

import contextlib
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import mutations
import nir
import numpy as np

from fuzz_readers.damage import Attempt, equal
from neurosim.export.nir import file_io, from_nir, to_nir
from neurosim.export.nir.file_io import NirError
from neurosim.network import Network, NetworkError, Population, Weights, learned


def nir_file(folder: Path) -> Attempt:
    """An exported graph of which the file is damaged."""
    made = Network.chain(3, [Population("a", 2, 100, dv=40), Population("b", 2, 90)])
    weights = Weights(
        (np.array([[1, 2], [3, -4], [5, 6]], np.int8), np.array([[7, 8], [9, 1]], np.int8)),
        (np.zeros(2, np.int16),) * 2,
    )
    file = folder / "a.nir"
    file_io.write(file, to_nir.to_graph(*learned(made, weights), {"seed": 3}).graph)
    whole = file.read_bytes()
    wanted = from_nir.as_run(from_nir.read(file))

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = from_nir.read(file)
            if found.remarks or not found.exact:
                return "read"
            run = from_nir.as_run(found)
        except (NirError, NetworkError):
            return "refused"
        return "same" if run[0] == wanted[0] and equal(run[1], wanted[1]) else "WRONG: exact"

    return attempt


NUMBERS = (0.0, 1.0, -1.0, 0.5, 1e-3, 1e-30, 1e30, 1e-308, 1e300, 1e308, float("inf"), float("nan"))


SIZES = (0, 1, 2, 3, 5)


def nir_graph(folder: Path) -> Attempt:
    """A graph in memory of any nodes, edges and numbers."""

    def values(numbers: random.Random, *shape: int) -> Any:
        if numbers.random() < 0.03:
            shape = (*shape, 2)
        array = np.full(shape, numbers.choice((1.0, 0.5, 2.0, 0.01)))
        if numbers.random() < 0.1:
            array[...] = numbers.choice(NUMBERS)
        if array.size and numbers.random() < 0.1:
            array.flat[numbers.randrange(array.size)] = numbers.choice(NUMBERS)
        return array.astype(numbers.choice((*[np.float64] * 20, np.float32, np.int64)))

    def node(numbers: random.Random, size: int) -> Any:
        other = size if numbers.random() < 0.95 else numbers.choice(SIZES)
        kinds: list[tuple[int, Callable[[], Any]]] = [
            (1, lambda: nir.Input(np.array([numbers.choice((*[size] * 9, 10**12, -1, 1 << 40))]))),
            (1, lambda: nir.Output(np.array([size]))),
            (8, lambda: nir.Linear(values(numbers, other, size))),
            (4, lambda: nir.Affine(values(numbers, other, size), values(numbers, other))),
            (4, lambda: nir.Delay(values(numbers, numbers.choice((size, 1))) * 1e-4)),
            (2, lambda: nir.Flatten({"input": np.array([size])}, 0)),
            (8, lambda: nir.LIF(*(values(numbers, size) for _ in range(5)))),
            (4, lambda: nir.IF(*(values(numbers, size) for _ in range(3)))),
            (8, lambda: nir.CubaLIF(*(values(numbers, size) for _ in range(7)))),
            (1, lambda: nir.Threshold(values(numbers, size))),
        ]
        makers, weights = [make for _, make in kinds], [weight for weight, _ in kinds]
        return numbers.choices(makers, weights)[0]()

    def graph(numbers: random.Random) -> Any:
        size = numbers.choice((2, 3))
        nodes = {"in": nir.Input(np.array([size]))}
        count = numbers.choice((1, 2, 3, 5, 8, 40))
        for place in range(count):
            with contextlib.suppress(Exception):  # nir refuses it itself
                nodes[f"n{place}"] = node(numbers, size)
        nodes["last"] = nir.LIF(*(np.full(size, 0.01) for _ in range(5)))
        names = list(nodes)
        way = list(pairwise(names))
        extra = [
            (numbers.choice(names), numbers.choice(names))
            for _ in range(numbers.choice((0, 0, 0, count // 2)))
        ]
        if numbers.random() < 0.02:
            extra.append(("in", "nowhere"))
        return nir.NIRGraph(nodes, way + extra, type_check=False)

    def attempt(numbers: random.Random) -> str:
        try:
            made = graph(numbers)
        except Exception:
            return "refused"
        try:
            found = from_nir.of_graph(made, clip=numbers.random() < 0.5)
        except (NirError, NetworkError):
            return "refused"
        if not all(np.isfinite([row.wanted, row.got]).all() for row in found.rows):
            return "WRONG: registers that are no numbers"
        return "read"

    return attempt


READERS = {"nir-file": nir_file, "nir-graph": nir_graph}
