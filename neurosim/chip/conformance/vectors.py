"""Conformance with recordings of other emulators: every file of a folder, by its format.

    check_file(path)       one recording
    check_folder(folder)   every npz file of a folder

A file matches if u, v and the spikes are equal in every step and every neuron, and the weights came
out as recorded. Nothing else counts as a match. A format is a module with `recognises` and `check`, and
an entry in FORMATS.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from neurosim.chip.conformance import convolution, dense_layer, weight_table
from neurosim.chip.conformance.recorded import Outcome, Recorded, VectorError
from neurosim.network import NetworkError


class Format(NamedTuple):
    """recognises: is a file of this format?  check: its outcome, from its name and content."""

    recognises: Callable[[Recorded], bool]
    check: Callable[[str, Recorded], Outcome]


FORMATS = {
    "weight table": Format(weight_table.recognises, weight_table.check),
    "convolution": Format(convolution.recognises, convolution.check),
    "dense layer": Format(dense_layer.recognises, dense_layer.check),
}
"""The first that recognises a file checks it."""


def check_folder(folder: Path) -> Iterator[Outcome]:
    """The outcome of every recording in `folder`, by name."""
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise VectorError(f"{folder}: no .npz files of recorded steps in this folder")
    for path in files:
        yield check_file(path)


def check_file(path: Path) -> Outcome:
    """The outcome of one recording; never raises for what is in the file."""
    try:
        file = Recorded(path)
        form = next(form for form in FORMATS.values() if form.recognises(file))
        return form.check(path.name, file)
    except (VectorError, NetworkError) as error:
        return Outcome(path.name, "", "unchecked", "", str(error))
    except Exception as error:  # an unknown file may raise anything
        why = f"not understood: {type(error).__name__}: {error}"
        return Outcome(path.name, "", "unchecked", "", why)
