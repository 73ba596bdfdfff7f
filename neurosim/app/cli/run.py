"""`neurosim run`: one sample on the chip emulator, with raster, membranes and cost."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import BaseModel, ConfigDict, Field

PROBE = re.compile(
    r"^(?P<population>[^.\[\]]+)\.(?P<what>u|v|current)(\[(?P<neurons>[0-9,:]+)\])?$"
)
SHOWN_NEURONS = 8
"""Traces of a probe without neurons; chosen here: more cannot be distinguished in a picture."""


class Run(BaseModel):
    """Show a raster, membrane traces and the cost of one sample (docs/chip.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    data: str | None = None
    """data set; by default the one the run was trained on"""
    split: Literal["train", "validation", "test"] = "test"
    """which part of the data"""
    sample: Annotated[int, Field(ge=0)] = 0
    """number of the sample in it"""
    probe: tuple[str, ...] = ()
    """traces to draw, by default the output's v: population.u, .v or .current, with [1,5] or [0:4] for
    some of its neurons"""
    picture: Path | None = None
    """where to draw; by default sample-SAMPLE.png in the run folder"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


class RunError(ValueError):
    """A sample or probe that is not there."""


def run(arguments: Run) -> int:
    import numpy as np

    from learning.record import read_checkpoint
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.experiments.answers import faults_of
    from neurosim.app.experiments.training_cost import training_estimate
    from neurosim.app.report.run_picture import run_png
    from neurosim.chip import energy
    from neurosim.chip.emulator import Chip, Probe, pipelined
    from neurosim.data import frames
    from neurosim.storage import write_atomically

    config, checkpoint = read_checkpoint(arguments.folder)
    settings = config.settings
    layers, steps = config.network().depth, settings.steps
    network = pipelined(config.network(), steps + layers)
    output = network.populations[network.output].name
    first = network.depths[output]
    probes = [_probe(text, network) for text in arguments.probe or (f"{output}.v",)]
    data = load_data(config, arguments.data, arguments.as_json)
    chosen = getattr(data, arguments.split)
    if arguments.sample >= len(chosen.labels):
        raise RunError(
            f"sample {arguments.sample} of {data.name}, {arguments.split}; "
            f"there are 0..{len(chosen.labels) - 1}"
        )
    one = chosen._replace(
        bits=np.concatenate(
            [
                chosen.bits[[arguments.sample]],
                np.zeros((1, layers, chosen.bits.shape[2]), np.uint64),
            ],
            axis=1,
        ),
        labels=chosen.labels[[arguments.sample]],
    )
    faults = faults_of(config, checkpoint.generation)
    chip = Chip.from_weights(network, checkpoint.weights, faults=faults)
    recording = chip.run(one, [*probes, Probe(output, "v")])
    if settings.readout == "membrane":
        scores = recording.probed[-1][0, first : first + steps].sum(axis=0)
    else:
        scores = recording.spikes[output][0, first : first + steps].sum(axis=0, dtype=np.int64)
    label, prediction = int(one.labels[0]), int(np.argmax(scores))
    spikes = {"input": frames.unpack(one)[0]} | {n: s[0] for n, s in recording.spikes.items()}
    traces = {
        f"{p.population}.{p.what}[{n}]": values[0, :, i]
        for p, values in zip(probes, recording.probed, strict=False)
        for i, n in enumerate(p.neurons or ())
    }
    title = (
        f"{data.name}, {arguments.split} sample {arguments.sample}: "
        f"{config.class_names[label]}, classified as {config.class_names[prediction]}"
    )
    path = arguments.picture or arguments.folder / f"sample-{arguments.sample}.png"
    thresholds = {
        f"{p.name}.v[{n}]": int(p.each("vth_mant")[n]) << 6
        for p in network.populations
        for n in range(p.neurons)
        if p.each("vth_mant")[n] << 6
        <= 4 * max((int(abs(t).max()) for t in traces.values()), default=0)
    }
    write_atomically(path, run_png(spikes, traces, title, thresholds))
    estimates = {
        costs.name: energy.of_recording(recording, chip.placement, costs)  # type: ignore[arg-type]
        for costs in energy.PRESETS.values()
    }
    if arguments.as_json:
        print(
            json.dumps(
                {
                    "data": data.name,
                    "split": arguments.split,
                    "sample": arguments.sample,
                    "label": label,
                    "prediction": prediction,
                    "scores": scores.tolist(),
                    "counters": recording.counters.total(),
                    "estimates": {
                        name: {
                            "inference_pj": whole.total_pj,
                            "step_pj": step.total_pj,
                            "inference_ns": whole.time_ns,
                            "label": whole.label,
                        }
                        for name, (whole, step) in estimates.items()
                    },
                    "picture": str(path),
                }
            )
        )
        return 0
    print(title)
    _show(recording, estimates, steps + layers)
    trained = training_estimate(
        settings, network, chip.placement, recording.counters.total(), steps + layers
    )
    if trained is not None:
        joules = trained.total_pj / 1e12
        print(f"training, if every sample costs what this one does: {joules:.3g} J")
        print(f"  {trained.label}")
    print(f"spikes and traces are drawn in {path}")
    return 0


def _probe(text: str, network: Any) -> Any:
    from neurosim.chip.emulator import Probe

    found = PROBE.match(text)
    if not found or found["population"] not in {p.name for p in network.populations}:
        raise RunError(
            f"probe {text!r}; needed is NAME.u, NAME.v or NAME.current, with [1,5] or [0:4] for some "
            f"neurons; names are {[p.name for p in network.populations]}"
        )
    size = network.sizes[found["population"]]
    neurons = list(range(min(size, SHOWN_NEURONS if size > 16 else size)))
    if found["neurons"]:
        neurons = []
        for part in found["neurons"].split(","):
            first, _, last = part.partition(":")
            if not first or (":" in part and not last):
                raise RunError(f"probe {text!r}: give neurons as 1,5 or 0:4")
            neurons += list(range(int(first), int(last))) if last else [int(first)]
    return Probe(found["population"], found["what"], tuple(neurons))  # type: ignore[arg-type]


def _show(recording: Any, estimates: Any, steps: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for name, (whole, step) in estimates.items():
        table = Table(title=f"estimated cost by {name}'s constants", title_justify="left")
        for column in ("operation", "a sample", "nJ", "a step", "nJ "):
            table.add_column(column, justify="left" if column == "operation" else "right")
        for row, each in zip(whole.rows, step.rows, strict=True):
            if row.number:
                table.add_row(
                    row.operation,
                    f"{row.number:,.0f}",
                    f"{row.pj / 1000:.2f}",
                    f"{each.number:,.1f}",
                    f"{each.pj / 1000:.2f}",
                )
        table.add_row(
            "static power", "", f"{whole.static_pj / 1000:.2f}", "", f"{step.static_pj / 1000:.2f}"
        )
        table.add_row(
            "[bold]total",
            f"{whole.time_ns / 1000:.1f} us",
            f"[bold]{whole.total_pj / 1000:.2f}",
            f"{step.time_ns / 1000:.2f} us",
            f"[bold]{step.total_pj / 1000:.2f}",
        )
        console.print(table)
        console.print(f"[dim]{whole.label}[/]")
    counted = recording.counters.total()
    utilities = {n: counted[n] for n in counted if "overflow" in n or "saturation" in n}
    console.print(f"in {steps} steps: " + ", ".join(f"{n} {v:,}" for n, v in utilities.items()))
