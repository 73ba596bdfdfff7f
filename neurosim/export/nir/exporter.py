"""NIR export: the graph of a trained network, written to a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.network import Network, Weights, learned


def write(
    network: Network, weights: Weights, about: dict[str, Any], path: Path
) -> tuple[Sequence[str], dict[str, str]]:
    """Write the graph; remarks about it, and the type of each node by name.

    Raises NirMissing without the package nir, and NirError where the graph cannot hold the network.
    """
    from neurosim.export.nir import file_io, to_nir

    file_io.library()
    exported = to_nir.to_graph(*learned(network, weights), about)
    file_io.write(path, exported.graph)
    return exported.remarks, {n: type(node).__name__ for n, node in exported.graph.nodes.items()}
