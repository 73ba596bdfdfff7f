"""`neurosim study`: what each choice of learning is worth, beside float BPTT on the same events."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict, Field


class Study(BaseModel):
    """Train by every recipe and with every choice changed in turn; write accuracy.md and its pictures.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped. All but BPTT learns in integers on the chip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = "digits"
    """data set, as for `neurosim train`"""
    real: str | None = None
    """recordings, nmnist:FOLDER: the best networks are tried on them, and learn on from its training set"""
    out: Path = Path("runs/accuracy")
    """folder for trainings, page and pictures"""
    seeds: Annotated[int, Field(ge=1)] = 5
    """trainings of each recipe"""
    bptt_seeds: Annotated[int, Field(ge=0)] = 2
    """trainings by float BPTT, with samples moved and without"""
    bptt_epochs: Annotated[int, Field(ge=1)] = 20
    """epochs of float BPTT"""
    choices: bool = True
    """also change every choice in turn, one training each"""
    only_page: bool = False
    """train nothing: write the page from the trainings that are there"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads, of the chip and of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Study) -> int:
    from neurosim.app.cli.arguments import data_progress
    from neurosim.app.cli.bptt import use_threads
    from neurosim.app.cli.progress import progress
    from neurosim.app.cli.train import set_threads
    from neurosim.app.experiments import accuracy, accuracy_page
    from neurosim.app.experiments.store import Store
    from neurosim.data import datasets

    if arguments.bptt_seeds:
        use_threads(arguments.threads)
    set_threads(arguments.threads)
    load = data_progress(arguments.as_json)
    data = datasets.load(arguments.data, progress=load)
    real = datasets.load(arguments.real, progress=load) if arguments.real else None
    store = Store(arguments.out / "trainings")
    work = accuracy.plan(arguments, data, real, store)
    if arguments.only_page:
        results = [found for part in work if (found := part.kept()) is not None]
        page = accuracy_page.publish(arguments, data, real, results)
    else:
        results = []
        with progress("training", len(work), arguments.as_json) as tell:
            for done, part in enumerate(work):
                tell(done, f"{part.method}, seed {part.seed}")
                results.append(part.result())
                page = accuracy_page.publish(arguments, data, real, results)
            tell(len(work), "done")
    if arguments.as_json:
        print(json.dumps({"out": str(arguments.out), "results": results}))
    else:
        print(f"{page.read_text()}\nwritten to {page}")
    return 0
