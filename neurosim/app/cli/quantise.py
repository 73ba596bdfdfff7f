"""`neurosim quantise`: weights trained by BPTT, on the chip with 8 to 3 bits per weight."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.cli import needs

if TYPE_CHECKING:
    from neurosim.app.experiments.float_runs import Width


class Quantise(BaseModel):
    """Bring the float weights of a `neurosim bptt --run` folder to the chip, a run folder for each width."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder of `neurosim bptt`"""
    bits: Annotated[tuple[Annotated[int, Field(ge=2, le=8)], ...], Field(min_length=1)] = tuple(
        range(8, 2, -1)
    )
    """bits of a weight"""
    out: Path | None = None
    """where the run folders go, each named by its bits; by default FOLDER/quantised"""
    search_samples: Annotated[int, Field(ge=1)] = 500
    """validation samples for the search for the scales of weights"""
    search_rounds: Annotated[int, Field(ge=0, le=8)] = 1
    """times that each matrix's scale is searched; 0 rounds the largest weight to the largest mantissa"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: Quantise) -> list[needs.Need]:
    return [needs.REFERENCE]


def run(arguments: Quantise) -> int:
    from hostref import bptt
    from hostref.backend import use_threads
    from learning.record import read_config
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.cli.progress import progress
    from neurosim.app.experiments import float_runs

    use_threads(arguments.threads)
    config = read_config(arguments.folder)
    settings = bptt.settings_of(arguments.folder)
    data = load_data(config, None, arguments.as_json)
    trained = bptt.kept(arguments.folder, data)
    out = arguments.out or arguments.folder / "quantised"
    search = (arguments.search_samples, arguments.search_rounds)
    own = config.settings
    choice = float_runs.DataName(own.data, own.pool, own.data_options)
    rows: list[Width] = []
    with progress("width", len(arguments.bits), arguments.as_json) as tell:
        for bits in arguments.bits:
            tell(len(rows), f"{bits} bits")
            found, width = float_runs.at_width(trained, settings, data, bits, search)
            folder = out / f"{bits}-bits"
            summary = {
                "test_accuracy": width.accuracy,
                "validation_accuracy": width.validation,
                "weight_bits": bits,
                "share": found.share,
            }
            made = float_runs.config_of(settings, choice, data, found.network)
            float_runs.write(folder, made, found, trained, summary)
            rows.append(width._replace(folder=folder))
        tell(len(rows), "done")
    if arguments.as_json:
        widths = [{**row._asdict(), "folder": str(row.folder)} for row in rows]
        print(json.dumps({"data": data.name, "widths": widths}))
        return 0
    _show(rows, f"{data.name}, test")
    return 0


def _show(rows: "list[Width]", title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for column in ("bits", "plain, %", "best scale, %", "clipped", "zeroed", "run folder"):
        left = column == "run folder"
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(
            f"{row.bits}",
            f"{100 * row.plain:.2f}",
            f"{100 * row.accuracy:.2f}",
            f"{row.clipped:,}",
            f"{row.zeroed:,}",
            f"{row.folder}",
        )
    Console().print(table)
