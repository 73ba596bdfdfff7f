"""`neurosim train`: train a network on the chip, or continue a run."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import BaseModel, ConfigDict

from learning.recipes import DEFAULT, RECIPES
from learning.settings import Settings

if TYPE_CHECKING:
    from neurosim.data.datasets import Dataset


class Train(BaseModel):
    """Train a spiking network on the chip: integers only, forward passes only.

    Ctrl-C, SIGTERM and SIGHUP leave a run folder that --resume continues to the very same bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Literal["fast", "deep", "best", "eggroll", "paper"] = DEFAULT
    """settings to start from; every setting given beside it replaces the recipe's"""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = RECIPES[DEFAULT][1]
    run: Path | None = None
    """folder for the run; by default the next free runs/DATA-N"""
    resume: Path | None = None
    """run folder to continue, with the settings it has"""
    start: Path | None = None
    """run folder whose weights the new run starts with, to learn on from other data"""
    faults: str | None = None
    """faults of the chip that it learns on: "stuck-weight-bits 0.01, dead 0.05, seed 3, since 50"
    (docs/faults.md); by default none. A resumed run keeps its own"""
    threads: int | None = None
    """processor threads; by default all. Changes the time, never the bits"""
    cluster: str | None = None
    """address of a dask scheduler (HOST:8786) whose workers evaluate the pairs. Never changes the bits"""
    cluster_ca: Path | None = None
    """certificate of the authority that scheduler and workers trust: the connection is encrypted (TLS)"""
    cluster_cert: Path | None = None
    """this process's certificate, for --cluster-ca"""
    cluster_key: Path | None = None
    """key of that certificate"""
    tensorboard: bool = False
    """write the lines of metrics.jsonl for TensorBoard too, to RUN/tensorboard"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object with the results, and nothing else"""
    shift_given: tyro.conf.Suppress[bool] = False
    """whether --shift is among the flags: a recipe's own shift gives way where there is no plane"""


def default(given: Sequence[str]) -> Train:
    """What the flags start from: the recipe that is asked for, `deep` where layers are."""
    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    asked.add_argument("--recipe")
    asked.add_argument("--layers")
    asked.add_argument("--feedback")
    asked.add_argument("--hidden", nargs="*", default=())
    asked.add_argument("--shift")
    found = asked.parse_known_args(list(given))[0]
    deep = found.layers is not None or found.feedback is not None or len(found.hidden) > 1
    name = found.recipe or ("deep" if deep else DEFAULT)
    if name not in RECIPES:
        return Train()
    return Train.model_validate(
        {
            "recipe": name,
            "settings": RECIPES[name][1],
            "shift_given": found.shift is not None,
        }
    )


def fitted(arguments: Train, data: "Dataset") -> Settings:
    """The settings, without the shift of a recipe where the data set has no plane to move samples on."""
    settings = arguments.settings
    if not settings.shift or data.sensor.plane or arguments.shift_given:
        return settings
    if not arguments.as_json:
        print(
            f"  {data.sensor}: samples are not moved (--shift 0), as the recipe would",
            file=sys.stderr,
        )
    return settings.model_copy(update={"shift": 0})


def _free_folder(data: str) -> Path:
    kind, _, rest = data.partition(":")
    name = kind if not rest else f"{kind}-{Path(rest).stem}"
    number = 1
    while (Path("runs") / f"{name}-{number}").exists():
        number += 1
    return Path("runs") / f"{name}-{number}"


@contextlib.contextmanager
def trainer(arguments: Train, config: Any) -> Iterator[Callable[..., Any]]:
    """What makes the Training: one of this process, or one led from here and done by a cluster."""
    tls = _tls(arguments)
    if arguments.cluster is None:
        from learning.training import Training

        yield Training
        return
    from learning.cluster import ClusterTraining
    from learning.worker_pool import WorkerPool

    def tell(line: str) -> None:
        if not arguments.as_json:
            print(line, file=sys.stderr, flush=True)

    with WorkerPool(arguments.cluster, config, tell, tls) as team:
        yield partial(ClusterTraining, team)


def _tls(arguments: Train) -> Any:
    """Keys and certificates of --cluster, or None where it is not encrypted."""
    files = {name: getattr(arguments, f"cluster_{name}") for name in ("ca", "cert", "key")}
    if not any(files.values()):
        return None
    from learning.worker_pool import ClusterError, Tls

    missing = [f"--cluster-{name}" for name, path in files.items() if path is None]
    if arguments.cluster is None:
        missing.append("--cluster")
    if missing:
        raise ClusterError(f"an encrypted cluster also needs {', '.join(missing)}")
    return Tls(**files)


class Screen:
    """What a person watching sees: a bar on a terminal, a line a look elsewhere, or nothing."""

    def __init__(self, generations: int, done: int, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._quiet = quiet
        self._bar = Progress(
            TextColumn("generation {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[line]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=generations, completed=done, line="compiling")
        self._passes, self._clock = 0, time.perf_counter()

    def __enter__(self) -> "Screen":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, generation: int, record: dict[str, Any] | None) -> None:
        if record is not None:
            now = time.perf_counter()
            speed = (record["member_samples"] - self._passes) / (now - self._clock) / 1e6
            self._passes, self._clock = record["member_samples"], now
            line = (
                f"accuracy {100 * record['validation_accuracy']:.1f} %  "
                f"fitness {record['fitness_bits']:.3f} bits  "
                f"dead classes {record['dead_classes']}, neurons {record['dead_neurons']}  "
                f"saturated {record['saturated_registers']}  {speed:.2f} M member-samples/s"
            )
            self._bar.update(self._task, line=line)
            for one in record.get("advice", ()) if not self._quiet else ():
                self._console.print(f"[yellow]{one}[/yellow]")
            if not self._quiet and not self._console.is_terminal:
                print(f"generation {generation}: {line}", file=sys.stderr, flush=True)
        self._bar.update(self._task, completed=generation)


def run(arguments: Train) -> int:
    from learning.record import SUMMARY, RunError, RunFolder
    from learning.training import start, started_from
    from neurosim import threads
    from neurosim.app.cli.arguments import load_settings
    from neurosim.app.cli.signals import noted
    from neurosim.app.report.learning_picture import learning_curve
    from neurosim.app.report.tensorboard import Scalars, writer_class
    from neurosim.network.faults import Faults

    threads.use(arguments.threads)
    if arguments.tensorboard:
        writer_class()
    if arguments.resume is not None:
        given = arguments.run, arguments.start, arguments.faults
        if given != (None, None, None) or arguments.settings != Train().settings:
            raise RunError(
                f"--resume {arguments.resume} continues with the settings of the run; "
                f"leave out --run, --start, --faults and all settings"
            )
        folder, checkpoint = RunFolder.resume(arguments.resume)
        settings = folder.config.settings
    else:
        settings, checkpoint = arguments.settings, None
    data = load_settings(settings, arguments.as_json)
    if arguments.resume is None:
        settings = fitted(arguments, data)
    faults = Faults.of_text(arguments.faults) if arguments.faults is not None else None
    config = start(settings, data, faults) if arguments.resume is None else folder.config
    if arguments.start is not None:
        checkpoint = started_from(arguments.start, config)
    if arguments.resume is not None and data.key != folder.config.dataset_key:
        raise RunError(
            f"{settings.data} is not the data that {folder.path} was started with "
            f"(key {data.key[:12]}, then {folder.config.dataset_key[:12]}); restore the data"
        )
    interrupted: list[int] = []
    with trainer(arguments, config) as make, noted(interrupted):
        if arguments.resume is None:
            path = arguments.run or _free_folder(settings.data)
            folder = RunFolder.create(path, config, checkpoint)
        with folder:
            training = make(config, data, folder, checkpoint)
            scalars = Scalars(folder.path, folder.metrics()) if arguments.tensorboard else None
            screen = Screen(settings.generations, training.generation, arguments.as_json)

            def report(generation: int, record: dict[str, Any] | None) -> None:
                screen.show(generation, record)
                if scalars is not None and record is not None:
                    scalars.add(record)

            with screen, scalars or contextlib.nullcontext():
                ended = training.run(report, lambda: bool(interrupted))
            folder.write("learning_curve.png", learning_curve(folder.metrics(), f"{folder.path}"))
            if not ended:
                print(
                    f"stopped after generation {training.generation}; continue with\n"
                    f"  neurosim train --resume {folder.path}",
                    file=sys.stderr,
                )
                return 128 + interrupted[0]
            summary = training.summary()
            folder.write(SUMMARY, json.dumps(summary, indent=1).encode())
    if arguments.as_json:
        print(json.dumps({**summary, "run": str(folder.path)}))
    else:
        print(
            f"test accuracy {100 * summary['test_accuracy']:.2f} % on {summary['test_samples']:,} samples "
            f"after {summary['generations']:,} generations, {summary['seconds']:.1f} s, "
            f"{summary['member_samples']:,} member-samples\n"
            f"weights sha256 {summary['weights_sha256']}\n"
            f"run folder {folder.path}"
        )
    return 0
