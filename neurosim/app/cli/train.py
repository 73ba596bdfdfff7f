"""`neurosim train`: train a network on the chip, or continue a run."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro
from pydantic import BaseModel, ConfigDict

from learning.recipes import DEFAULT, RECIPES, known
from learning.settings import DATA, Settings
from neurosim.app.cli import needs
from neurosim.app.cli.training_display import Display

if TYPE_CHECKING:
    from neurosim.data.datasets import Dataset


class Train(BaseModel):
    """Train a spiking network on the chip: integers only, forward passes only.

    Ctrl-C, SIGTERM and SIGHUP leave a run folder that --resume continues to the very same bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = DEFAULT
    """settings to start from: fast, deep, convolution, recurrent, best, eggroll or paper; every setting given
    beside it replaces the recipe's"""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = RECIPES[DEFAULT][1]
    run: Path | None = None
    """folder for the run; by default the next free runs/DATA-N"""
    resume: Path | None = None
    """run folder to continue, with the settings it has; a larger --generations lengthens it"""
    start: Path | None = None
    """run folder whose network and weights the new run starts with, for further training with other settings
    or, by --data, other data"""
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
    """What the flags start from: the recipe that is asked for, `deep` where layers are; of a run that goes
    on its settings, and of one that another starts with those of its network, and its data unless others
    are given."""
    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    flags = ("--recipe", "--layers", "--feedback", "--shift", "--resume", "--start", "--data")
    for flag in flags:
        asked.add_argument(flag)
    asked.add_argument("--hidden", nargs="*", default=())
    try:
        found = asked.parse_known_args(list(given))[0]
    except argparse.ArgumentError:
        return Train()  # errors are reported when all flags are read
    if found.resume is not None and found.recipe is not None:
        raise ValueError(
            f"--resume {found.resume} continues with the settings of the run; leave out --recipe "
            f"{found.recipe}, or begin a new run with its weights: --start {found.resume}"
        )
    if found.resume is not None:
        return Train(settings=_settings_of(Path(found.resume)))
    if found.start is not None and not found.hidden and found.layers is None:
        begun = _started(Path(found.start), found.recipe, own_data=found.data is None)
        if begun is not None:
            return begun.model_copy(update={"shift_given": found.shift is not None})
    deep = found.layers is not None or found.feedback is not None or len(found.hidden) > 1
    name = known(found.recipe or ("deep" if deep else DEFAULT))
    return Train.model_validate(
        {
            "recipe": name,
            "settings": RECIPES[name][1],
            "shift_given": found.shift is not None,
        }
    )


def _started(run: Path, recipe: str | None, *, own_data: bool) -> Train | None:
    """What the flags start from where a new run has the network of another; None if it is unreadable.

    own_data  whether the new run learns from the data of the other
    """
    from learning.fitting import recipe_for, settings_for
    from learning.layered import shape_of
    from learning.record import RunError, read_config

    try:
        config = read_config(run)
    except RunError:
        return None  # which is reported when its weights are read
    network, readout = config.network(), config.settings.readout
    name = known(recipe or recipe_for(network, readout))
    content = settings_for(network, readout, name) | shape_of(config.settings)
    if own_data:
        content |= config.settings.model_dump(include={*DATA})
    return Train(recipe=name, settings=Settings.model_validate(content))


def _settings_of(run: Path) -> Settings:
    """Settings of a run; the defaults where it cannot be read, which is reported when it is opened."""
    from learning.record import RunError, read_run

    try:
        return read_run(run)[0].settings
    except RunError:
        return Train().settings


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
    """Constructor of the training: in this process, or led from here on a cluster."""
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

    with WorkerPool(arguments.cluster, config, tell, tls) as workers:
        yield partial(ClusterTraining, workers)


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


def needed(arguments: Train) -> list[needs.Need]:
    wanted = [needs.CLUSTER] if arguments.cluster is not None else []
    return [*wanted, needs.TENSORBOARD] if arguments.tensorboard else wanted


def run(arguments: Train) -> int:
    from neurosim import threads
    from neurosim.app.precompile import precompiling

    threads.use(arguments.threads)
    opened = _open(arguments)
    workers = 1 if arguments.cluster else threads.count()
    with precompiling(opened.kinds(), workers) as compiled:
        return _train(arguments, opened, compiled)


class _Opened(NamedTuple):
    """Settings of the training, and the run that it continues, if any."""

    settings: Settings
    folder: Any = None
    checkpoint: Any = None

    def kinds(self) -> Any:
        """A configuration that compiles the same kernels."""
        from neurosim.app.precompile import placeholder

        return placeholder(self.settings) if self.folder is None else self.folder.config


def _open(arguments: Train) -> _Opened:
    """The settings of the run; where it goes on, its folder, lengthened if so asked."""
    from learning.record import RunError
    from learning.run_folder import RunFolder

    if arguments.resume is None:
        return _Opened(arguments.settings)
    if (arguments.run, arguments.start, arguments.faults) != (None, None, None):
        raise RunError(
            f"--resume {arguments.resume} continues that run; leave out --run, --start and --faults"
        )
    folder, checkpoint = RunFolder.resume(arguments.resume)
    try:
        _check_resumed(arguments, folder.config.settings)
        before, generations = folder.config.settings, arguments.settings.generations
        if generations != before.generations:
            if checkpoint is None:
                raise RunError(f"{folder.path} has no checkpoint yet; resume it, then lengthen it")
            folder.lengthen(checkpoint, generations)
            if not arguments.as_json:
                print(_lengthened(before, folder.config.settings, checkpoint), file=sys.stderr)
    except BaseException:
        folder.close()
        raise
    return _Opened(folder.config.settings, folder, checkpoint)


def _check_resumed(arguments: Train, settings: Settings) -> None:
    """Raise RunError where flags ask for settings that the run has not; more generations are allowed."""
    from learning.record import RunError

    asked, has = arguments.settings.model_dump(), settings.model_dump()
    other = [name for name in has if asked[name] != has[name] and name != "generations"]
    if other:
        raise RunError(
            f"--resume {arguments.resume} continues with the settings of the run; leave out "
            f"{', '.join('--' + name.replace('_', '-') for name in other)} (--generations alone may grow)"
        )


def _lengthened(before: Settings, after: Settings, checkpoint: Any) -> str:
    """Message on the schedules of a lengthened run."""
    from learning.settings import RATE_BITS, Schedule

    def rate(settings: Settings) -> float:
        schedule = Schedule(settings.learning_rate, settings.final_learning_rate, settings)
        return schedule.at(min(checkpoint.generation, settings.generations)) / (1 << RATE_BITS)

    verb = "lengthened" if after.generations > before.generations else "shortened"
    return (
        f"{verb} from {before.generations:,} to {after.generations:,} generations: from generation "
        f"{checkpoint.generation:,} on\nlearning rate, noise and temperature follow the schedule of "
        f"{after.generations:,} generations;\nthe learning rate goes on at {rate(after):.4g} "
        f"(it stood at {rate(before):.4g})"
    )


def _train(arguments: Train, opened: _Opened, compiled: Callable[[Any], None]) -> int:
    from learning.record import RunError
    from learning.run_folder import RunFolder
    from learning.training import on_network_of, start, started_from
    from neurosim.app.cli.arguments import load_settings
    from neurosim.app.cli.signals import noted
    from neurosim.network.faults import Faults

    settings, folder, checkpoint = opened
    data = load_settings(settings, arguments.as_json)
    if folder is None:
        settings = fitted(arguments, data)
    faults = Faults.of_text(arguments.faults) if arguments.faults is not None else None
    config = start(settings, data, faults) if folder is None else folder.config
    if arguments.start is not None:
        config = on_network_of(arguments.start, config)
        checkpoint = started_from(arguments.start, config)
    if folder is not None and data.key != config.dataset_key:
        raise RunError(
            f"{settings.data} is not the data that {folder.path} was started with "
            f"(key {data.key[:12]}, then {config.dataset_key[:12]}); restore the data"
        )
    display = Display(settings.generations, arguments.as_json)
    interrupted: list[int] = []
    with trainer(arguments, config) as make, display:
        clock = _compile(compiled, display)
        with noted(interrupted), contextlib.ExitStack() as opened_folder:
            if folder is not None:
                opened_folder.enter_context(folder)
            training = make(config, data, folder, checkpoint)  # refused before a folder is made
            if folder is None:
                path = arguments.run or _free_folder(settings.data)
                folder = RunFolder.create(path, config, checkpoint)
                training.folder = opened_folder.enter_context(folder)
            for notice in filter(None, (_learns_on(config, checkpoint), training.notice)):
                if not arguments.as_json:
                    print(notice, file=sys.stderr)
            ended = _run(arguments, training, display, interrupted, clock)
            display.end()
            if ended:
                _print(_finish(training, clock), folder.path, arguments.as_json)
            else:
                print(
                    f"stopped after generation {training.generation}; continue with\n"
                    f"  neurosim train --resume {folder.path}",
                    file=sys.stderr,
                )
            _draw(folder)
    return 0 if ended else 128 + interrupted[0]


def _learns_on(config: Any, checkpoint: Any) -> str:
    """Message on the settings of a float training's network that begins to learn; "" for other runs."""
    from learning.fitting import chosen, is_recipe, recipe_for

    if not config.origin or checkpoint is None or checkpoint.generation:
        return ""
    recipe = recipe_for(config.network(), config.settings.readout)
    return chosen(config.settings, recipe) if is_recipe(config.settings, recipe) else ""


def _draw(folder: Any) -> None:
    """Draw the learning curve, once the results are printed: loading what draws takes a second."""
    from neurosim.app.report.learning_picture import learning_curve

    folder.write("learning_curve.png", learning_curve(folder.metrics(), f"{folder.path}"))


def _compile(compiled: Callable[[Any], None], display: Display) -> Callable[[], float]:
    """Wait for the kernels that are compiled ahead; returns a clock of the seconds spent on compilation."""
    from neurosim.kernels.compilation import compile_seconds

    before, began = compile_seconds(), time.perf_counter()
    compiled(display.compiling)
    waited = time.perf_counter() - began - (compile_seconds() - before)
    return lambda: compile_seconds() + waited


def _run(
    arguments: Train,
    training: Any,
    display: Display,
    interrupted: list[int],
    compile_clock: Callable[[], float],
) -> bool:
    """Run to the end, or until interrupted; what is known of how it came about is kept beside the run."""
    from neurosim import threads
    from neurosim.app import provenance
    from neurosim.app.report.tensorboard import Scalars

    folder = training.folder
    scalars = Scalars(folder.path, folder.metrics()) if arguments.tensorboard else None
    earlier = provenance.read(folder.path)
    entry = provenance.started(provenance.command_line(), threads.count(), training.generation)
    provenance.write(folder.path, [*earlier, entry])
    trained = training.seconds
    display.begin(training.generation, training.member_samples, trained)

    def report(generation: int, record: dict[str, Any] | None) -> None:
        display.show(generation, record)
        if scalars is not None and record is not None:
            scalars.add(record)

    with scalars or contextlib.nullcontext():
        ended = bool(training.run(report, lambda: bool(interrupted)))
    clocks = {
        "to_generation": training.generation,
        "train_seconds": round(training.seconds - trained, 3),
        "compile_seconds": round(compile_clock(), 3),
    }
    provenance.write(folder.path, [*earlier, {**entry, **clocks}])
    return ended


def _finish(training: Any, compile_clock: Callable[[], float]) -> dict[str, Any]:
    """Results of a run that has ended, written to its folder."""
    from learning.record import SUMMARY

    summary = {**training.summary(), "compile_seconds": round(compile_clock(), 3)}
    training.folder.write(SUMMARY, json.dumps(summary, indent=1).encode())
    return summary


def _print(summary: dict[str, Any], path: Path, as_json: bool) -> None:
    from learning import intervals

    if as_json:
        print(json.dumps({**summary, "run": str(path)}), flush=True)
        return
    accuracy = intervals.text(summary["test_accuracy"], summary["test_samples"])
    print(
        f"test accuracy {accuracy} on {summary['test_samples']:,} samples\n"
        f"{summary['generations']:,} generations, {summary['seconds']:.1f} s of training"
        f" and {summary['compile_seconds']:.1f} s of compilation,"
        f" {summary['member_samples']:,} evaluations\n"
        f"weights sha256 {summary['weights_sha256']}\n"
        f"run folder {path}",
        flush=True,
    )
