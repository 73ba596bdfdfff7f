"""`neurosim import`: a NIR graph as a network of the chip, and as a run."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.cli import needs


class Import(BaseModel):
    """Bring a NIR graph to the chip: exact if it is ours, else the nearest registers and a table of errors.

    With --run it becomes a run folder of generation 0, for evaluate, run, map, export and train --resume.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: tyro.conf.Positional[Path]
    """NIR graph"""
    run: Path | None = None
    """folder for the run; without it, only the table is printed"""
    data: str | None = None
    """data set of the run; by default the exported run's, else digits"""
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    """time bins of a sample; by default the exported run's, else 10"""
    pool: Annotated[int, Field(ge=1, le=256)] | None = None
    """join pixels POOL x POOL; by default the exported run's, else 1"""
    readout: Literal["membrane", "count"] | None = None
    """the output's membrane or its spikes; by default the exported run's, else count"""
    recipe: str | None = None
    """settings for training on; by default the exported run's, else paper for count, for membrane fast
    with one dense hidden layer, eggroll where the chip emulator alone runs the graph, else deep"""
    generations: Annotated[int, Field(ge=1, lt=1 << 32)] | None = None
    """generations of further training"""
    pairs: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    """pairs of members in a generation of further training; by default the recipe's"""
    groups: Annotated[int, Field(ge=1)] | None = None
    """groups of these pairs; by default the recipe's"""
    dt: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4
    """seconds a step, for graphs of others"""
    clip: bool = False
    """clip values that a register cannot hold, and list them, instead of refusing the graph"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


class ImportRefused(ValueError):
    """A request that does not fit the graph."""


def needed(arguments: Import) -> list[needs.Need]:
    return [needs.NIR]


def run(arguments: Import) -> int:
    from neurosim.app.cli.texts import plain
    from neurosim.export.nir import from_nir

    found = from_nir.read(arguments.file, arguments.dt, arguments.clip)
    remarks = list(found.remarks)
    if arguments.run is not None:
        remarks += _make_run(arguments, arguments.run, found)
    if arguments.as_json:
        results = {
            "exact": found.exact,
            "populations": {p.name: p.neurons for p in found.network.populations},
            "connections": [c.name for c in found.network.connections],
            "registers": [row._asdict() for row in found.rows],
            "remarks": remarks,
            "run": None if arguments.run is None else str(arguments.run),
        }
        print(json.dumps(results))
        return 0
    _show(found)
    lines = remarks + ([f"run folder {arguments.run}"] if arguments.run else [])
    print("\n".join(plain(line) for line in lines))
    return 0


def _make_run(arguments: Import, path: Path, found: Any) -> list[str]:
    """Write the run folder; returns what is to be said about it."""
    from learning.config import Config, DataAbout
    from learning.fitting import chosen, without_shift
    from learning.record import Checkpoint
    from learning.run_folder import RunFolder
    from learning.settings import network as described_by
    from learning.training import chip_of, emulator_notice
    from neurosim.app.cli.arguments import load_settings
    from neurosim.export.nir.from_nir import as_run
    from neurosim.network import NetworkError
    from neurosim.population.state import state_of

    network, weights = as_run(found)
    recipe, settings = _settings(arguments, found.run, network)
    data = load_settings(settings, arguments.as_json)
    settings = without_shift(settings, data.sensor)
    inputs, classes = network.inputs[0].size, network.populations[-1].neurons
    if (inputs, classes) != (data.train.inputs, data.classes):
        raise ImportRefused(
            f"the graph has {inputs} inputs and {classes} outputs, the data {settings.data!r} "
            f"{data.train.inputs} and {data.classes}; choose others with --data and --pool"
        )
    given = None if described_by(settings, inputs, classes) == network else network
    state = state_of(weights, settings.fraction_bits, settings.momentum_bits > 0)
    about = DataAbout(data.class_names, data.sensor, data.window_us)
    config = Config(settings, data.key, inputs, classes, given, about)
    RunFolder.create(path, config, Checkpoint(state, weights, 0, 0.0)).close()
    try:
        chip_of(config, state)
    except NetworkError as reason:
        return [f"train --resume will refuse this network: {reason}"]
    notice = emulator_notice(config)
    said = [] if recipe is None else [f"train --resume: {chosen(settings, recipe)}"]
    return [*said, f"train --resume: {notice}"] if notice else said


def _settings(
    arguments: Import, run: dict[str, Any] | None, network: Any
) -> tuple[str | None, Any]:
    """Settings: the given ones, then the exported run's, then a recipe's; registers are the network's own.

    Also the recipe; None where the exported run's settings replace it.
    """
    from learning.fitting import recipe_for, settings_for
    from learning.recipes import RECIPES
    from learning.settings import DATA, Settings
    from neurosim.population.emulated import why_emulated

    shown = ("data", "steps", "pool", "readout")
    kept = {n: v for n, v in (run or {}).get("settings", {}).items() if n in Settings.model_fields}
    asked = {
        name: getattr(arguments, name)
        for name in (*shown, "generations", "pairs", "groups")
        if getattr(arguments, name) is not None
    }
    readout = {"readout": "count", **kept, **asked}["readout"]
    recipe = arguments.recipe or recipe_for(network, readout)
    if recipe not in RECIPES:
        raise ImportRefused(f"recipe is {recipe!r}; allowed are {', '.join(RECIPES)}")
    if len(network.populations) == 1:
        raise ImportRefused("the graph has one population; a run needs a hidden layer before it")
    fixed = settings_for(network, readout, recipe)
    carried = (*DATA, "readout")
    # rules of a run on another network need not run here
    other = why_emulated(network) or not (network.is_dense_chain or network.readouts[1:])
    if arguments.recipe is not None or other:
        kept = {name: kept[name] for name in carried if name in kept}
    own = {name: fixed[name] for name in ("vth_mant", "du", "dv")}
    if network.is_dense_chain:
        own["hidden"] = fixed["hidden"]
    settings = Settings.model_validate({**fixed, **kept, **asked, **own})
    return recipe if set(kept) <= {*carried} else None, settings


def _show(found: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from neurosim.app.cli.texts import cell

    console = Console()
    if not found.rows:
        parts = ", ".join(f"{cell(p.name)} {p.neurons}" for p in found.network.populations)
        state = "was exported" if found.exact else "stands in the graph"
        console.print(f"every register as it {state}: {parts}")
        return
    columns = ("node", "register", "values", "wanted", "got", "error", "rms error")
    table = Table(title="registers nearest to the graph, and the value furthest off")
    for column in columns:
        left = column in ("node", "register")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for row in found.rows:
        table.add_row(
            cell(row.node),
            row.register,
            f"{row.values:,}",
            f"{row.wanted:.6g}",
            f"{row.got:.0f}",
            f"{100 * row.error:.2f} %",
            f"{100 * row.rms:.2f} %",
        )
    console.print(table)
    for row in found.rows:
        if row.clipped:
            print(f"node {row.node!r}, {row.register} held at its end: {'; '.join(row.clipped)}")
