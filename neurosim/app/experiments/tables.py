"""Tables of results in Markdown."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.storage import write_atomically

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], float | None], str]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def spread(values: Sequence[float], form: str) -> str:
    """Mean, and the standard deviation where there are several."""
    text = format(float(np.mean(values)), form)
    return text if len(values) == 1 else f"{text} ± {format(float(np.std(values, ddof=1)), form)}"


def cell(rows: Sequence[Row], of: Callable[[Row], float | None], form: str) -> str:
    """Mean and standard deviation of what some rows have; "-" where none has it."""
    values = [value for value in map(of, rows) if value is not None]
    return spread(values, form) if values else "-"


def _percent(key: str) -> Callable[[Row], float | None]:
    return lambda row: 100 * row[key] if row.get(key) is not None else None


def _sum(key: str) -> Callable[[Row], float | None]:
    return lambda row: float(sum(row[key])) if row.get(key) is not None else None


def _plain(key: str) -> Callable[[Row], float | None]:
    return lambda row: row.get(key)


COLUMNS: tuple[Column, ...] = (
    ("accuracy %", _percent("accuracy"), ".2f"),
    ("dead classes", _plain("dead_classes"), ".1f"),
    ("silent neurons", _sum("silent"), ".1f"),
    ("clipped weights", _plain("clipped"), ".0f"),
    ("saturated registers", _plain("saturated"), ".0f"),
    ("hidden spikes per sample", lambda row: float(sum(row["spikes"][:-1])), ".0f"),
    ("activation sparsity %", _percent("activation_sparsity"), ".2f"),
    ("connection sparsity %", _percent("connection_sparsity"), ".2f"),
    ("effective synaptic operations", _plain("synaptic_operations"), ",.0f"),
    ("all synaptic operations", _plain("all_operations"), ",.0f"),
    ("estimated µJ per sample", _plain("energy_uj"), ".2f"),
    ("sample passes in training", _plain("sample_passes"), ",.0f"),
)


def comparison(
    rows: dict[str, list[Row]],
    swept: dict[str, list[list[float]]],
    agreed: dict[str, Any],
    data: str,
    folders: Sequence[Path],
) -> str:
    """The whole comparison."""
    main = markdown(
        ["method", *(name for name, _, _ in COLUMNS)],
        [
            [method, *(cell(some, of, form) for _, of, form in COLUMNS)]
            for method, some in rows.items()
        ],
    )
    classes = len(next(iter(rows.values()))[0]["by_class"])
    by_class = markdown(
        ["accuracy % of class", *map(str, range(classes))],
        [
            [
                method,
                *(spread([100 * r["by_class"][c] for r in some], ".1f") for c in range(classes)),
            ]
            for method, some in rows.items()
        ],
    )
    parts = [
        f"# {', '.join(str(folder) for folder in folders)} beside the float reference",
        f"Data: {data}, test samples. Mean ± standard deviation over seeds where there are several.",
        main,
        "Sparsity, synaptic operations: NeuroBench's definitions, inputs left out of the activations. "
        "Energy is an estimate (energies of one operation of Davies et al. 2018 times what the chip "
        "emulator counted, without static power), not a measurement. "
        "A sample pass is one forward pass of one network; BPTT's also has a backward pass.",
        by_class,
    ]
    parts += _agreement(agreed)
    for register, curve in swept.items():
        cells = [[f"{bits:.0f}" for bits, _ in curve], [f"{100 * a:.2f}" for _, a in curve]]
        parts.append(markdown([f"bits of {register}", *cells[0]], [["accuracy %", *cells[1]]]))
    return "\n\n".join(parts) + "\n"


def _agreement(agreed: dict[str, Any]) -> list[str]:
    """Agreement of chip and float twin for the same weights and perturbations."""
    spikes = markdown(
        ["layer", "neuron steps", "spikes", "differing", "first step that differs"],
        [
            [
                name,
                f"{layer['cells']:,}",
                f"{layer['spikes']:,}",
                f"{layer['differing']:,}",
                "-" if layer["first_step"] is None else str(layer["first_step"]),
            ]
            for name, layer in agreed["spikes"].items()
        ],
    )
    fitness = agreed["fitness"]
    opening = ["Chip and float64 twin, same weights:", spikes]
    if fitness is None:
        return opening
    return [
        *opening,
        f"Fitness of the same perturbed members on both: Spearman {fitness['spearman']:.5f}, same "
        f"better side in {100 * fitness['sign']:.1f} % of pairs, largest difference "
        f"{fitness['largest']:.4f} standard deviations.",
    ]


def write(path: Path, text: str) -> None:
    """Write a page."""
    write_atomically(path, text.encode())
