"""`neurosim compare`: what did integer, forward-only, on-chip learning cost, and what did it save?"""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict, Field

FOLDER, RESULT = "compare", "compare.json"
"""Where in a run folder a comparison goes, and the file that holds all of it."""


class Compare(BaseModel):
    """One table and one set of pictures for runs of `neurosim train`, beside the float reference.

    Parts that are done are kept in the output folder, so that a comparison that was stopped goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """run folders of one network and one data set; several (say, of different seeds) are averaged"""
    data: str | None = None
    """data set; by default the one the runs were trained on"""
    out: Path | None = None
    """where table, pictures and finished parts go; by default FOLDER/compare"""
    seeds: Annotated[int, Field(ge=1)] = 1
    """trainings of each float method"""
    bits: tuple[Annotated[int, Field(ge=2, le=8)], ...] = (8, 6, 4, 3)
    """weight bits that the BPTT weights are brought to the chip with"""
    bptt_epochs: Annotated[int, Field(ge=1)] = 20
    """epochs of float BPTT"""
    bptt_shift: Annotated[int, Field(ge=0, le=8)] = 1
    """pixels by which BPTT's training samples are moved; 0 shows them as they are"""
    bptt_learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    """learning rate of float BPTT"""
    float_generations: Annotated[int, Field(ge=1)] = 100
    """generations of float EGGROLL"""
    float_pairs: Annotated[int, Field(ge=1)] = 256
    """pairs of float EGGROLL"""
    search_samples: Annotated[int, Field(ge=1)] = 2000
    """validation samples that the scale search looks at"""
    sweeps: bool = True
    """sweep the widths of weights, membranes and decays"""
    device: str = "cpu"
    """where the float reference runs: auto, cpu, cuda or cuda:N"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Compare) -> int:
    from learning.record import RunError, read_checkpoint, read_config, weights_sha256
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.cli.bptt import use_threads
    from neurosim.app.cli.progress import progress
    from neurosim.app.experiments import methods, pictures, tables
    from neurosim.app.experiments.store import Store

    if not arguments.folders:
        raise RunError("no run folder; give one or more, as `neurosim train` leaves them")
    use_threads(arguments.threads)
    config = read_config(arguments.folders[0])
    settings = config.settings
    data = load_data(settings, arguments.data, arguments.as_json)
    out = arguments.out or arguments.folders[0] / FOLDER
    work = methods.plan(arguments, config, data, Store(out / "parts"))
    rows: dict[str, list[methods.Row]] = {}
    with progress("part", len(work), arguments.as_json) as tell:
        for done, part in enumerate(work):
            tell(done, part.name)
            for row in part.rows():
                rows.setdefault(row["method"], []).append(row)
        tell(len(work), "done")
    swept = (
        methods.sweeps(arguments, config, data, Store(out / "parts")) if arguments.sweeps else {}
    )
    agreed = methods.agreement(arguments, config, data, Store(out / "parts"))
    text = tables.comparison(rows, swept, agreed, data.name, arguments)
    pictures.write_comparison(out, rows, swept)
    tables.write(out / "compare.md", text)
    checkpoints = [read_checkpoint(folder)[1] for folder in arguments.folders]
    result = {
        "data": data.name,
        "weights_sha256": [weights_sha256(checkpoint.weights) for checkpoint in checkpoints],
        "rows": rows,
        "sweeps": swept,
        "agreement": agreed,
        "out": str(out),
    }
    tables.write(out / RESULT, json.dumps(result))
    print(json.dumps(result) if arguments.as_json else f"{text}\nwritten to {out}")
    return 0
