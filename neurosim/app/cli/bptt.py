"""`neurosim bptt`: train the float twin by back-propagation through time, or go on with it."""

import json
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import BaseModel, ConfigDict, Field

from hostref.settings import BpttSettings
from neurosim.app.cli import needs
from neurosim.data.choice import DataChoice


class Bptt(BaseModel):
    """Train the float reference by surrogate gradients (needs the extra "reference").

    With --run the weights also come to the chip, so that evaluate, report, run, compare and quantise take
    the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Annotated[BpttSettings, tyro.conf.arg(name="")] = BpttSettings()
    data: str = "digits"
    """data set, as for `neurosim train`"""
    choice: Annotated[DataChoice, tyro.conf.arg(name="")] = DataChoice()
    steps: Annotated[int, Field(ge=1, le=1000)] = 10
    """time steps of a sample: the bins into which its events are counted"""
    pool: Annotated[int, Field(ge=1, le=256)] = 1
    """join pixels POOL x POOL"""
    run: Path | None = None
    """folder for the training; given again with the same settings it goes on where it stopped"""
    bits: Annotated[int, Field(ge=2, le=8)] = 8
    """bits of a weight on the chip, where --run is given"""
    device: str = "cpu"
    """auto (CUDA where there is one), cpu, cuda or cuda:N"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object with the results, and nothing else"""


def needed(arguments: Bptt) -> list[needs.Need]:
    return [needs.REFERENCE]


def run(arguments: Bptt) -> int:
    from hostref import bptt, inputs
    from hostref.backend import use_threads
    from hostref.evaluation import evaluate
    from neurosim.app.cli.arguments import data_progress, tell_data
    from neurosim.app.cli.progress import progress
    from neurosim.data import datasets

    use_threads(arguments.threads)
    settings = arguments.settings
    if arguments.run is not None:
        _check_own(arguments.run)
    show = data_progress(arguments.as_json)
    data = datasets.load(
        arguments.data,
        steps=arguments.steps,
        pool=arguments.pool,
        options=arguments.choice.data_options,
        progress=show,
    )
    tell_data(data, arguments.as_json)
    with progress("epoch", settings.epochs, arguments.as_json) as tell:

        def report(entry: dict[str, Any]) -> None:
            tell(
                entry["epoch"],
                f"loss {entry['loss']:.3f}  accuracy {100 * entry['validation_accuracy']:.2f} %",
            )

        trained = bptt.train(
            settings,
            data,
            arguments.run,
            device=arguments.device,
            report=report,
            within=lambda epochs: tell(epochs, ""),
        )
    samples = inputs.load(data.test, trained.model.like.device)
    shown = evaluate(trained.model, trained.parameters, samples, settings.readout, settings.gain)
    result = {
        "data": data.name,
        "test_accuracy": shown.accuracy,
        "validation_accuracy": max(entry["validation_accuracy"] for entry in trained.history),
        "epochs": len(trained.history),
        "spikes_per_sample": shown.spikes,
        "silent_neurons": shown.silent,
        "settings": settings.model_dump(mode="json"),
    }
    if arguments.run is not None:
        result |= _to_chip(arguments, arguments.run, trained, data, result)
    if arguments.as_json:
        print(json.dumps(result))
    else:
        print(
            f"test accuracy {100 * shown.accuracy:.2f} % on {len(samples):,} samples after "
            f"{len(trained.history)} epochs (best validation "
            f"{100 * result['validation_accuracy']:.2f} %), "
            f"{shown.hidden_spikes:.0f} hidden spikes per sample"
        )
        if arguments.run is not None:
            print(
                f"on the chip with {arguments.bits}-bit weights "
                f"{100 * result['chip_test_accuracy']:.2f} %; run folder {arguments.run}\n"
                f"neurosim train --resume {arguments.run}: {result['learns_on']}"
            )
    return 0


def _check_own(folder: Path) -> None:
    """Raise RunError where a folder cannot hold a float training, before there is one."""
    from hostref.bptt import CHECKPOINT
    from learning.record import CONFIG, RunError

    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; give --run a folder")
    if (folder / CONFIG).exists() and not (folder / CHECKPOINT).exists():
        raise RunError(f"{folder} holds a run of another command; give --run another folder")


def _to_chip(
    arguments: Bptt, folder: Path, trained: Any, data: Any, result: dict[str, Any]
) -> dict[str, Any]:
    """Write the run folder; what is to be said of the weights on the chip."""
    from learning.fitting import chosen, recipe_for
    from neurosim.app.experiments import float_runs

    settings = arguments.settings
    found, width = float_runs.at_width(trained, settings, data, arguments.bits, (1, 0))
    choice = float_runs.DataName(arguments.data, arguments.pool, arguments.choice.data_options)
    config = float_runs.config_of(settings, choice, data, found.network)
    facts = {
        "weight_bits": arguments.bits,
        "chip_test_accuracy": width.accuracy,
        "chip_validation_accuracy": width.validation,
    }
    summary = {
        "test_accuracy": width.accuracy,
        "float_test_accuracy": result["test_accuracy"],
        "epochs": result["epochs"],
        **facts,
    }
    sha256 = float_runs.write(folder, config, found, trained, summary)
    learns_on = chosen(config.settings, recipe_for(found.network, settings.readout))
    return {**facts, "weights_sha256": sha256, "run": str(folder), "learns_on": learns_on}
