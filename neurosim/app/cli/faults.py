"""`neurosim faults`: accuracy on a chip with faults, before and after learning on it."""

from typing import Annotated

import tyro
from pydantic import Field

from neurosim.app.cli import needs
from neurosim.app.experiments.faults import FaultsExperiment


class FaultsStudy(FaultsExperiment):
    """Accuracy on a chip with faults, before and after learning on it: write faults.md and its pictures.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped.
    """

    only_page: bool = False
    """train nothing: write the page from the results that are there"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads, of the chip and of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: FaultsStudy) -> list[needs.Need]:
    return [needs.REFERENCE] if arguments.bptt_epochs else []


def run(arguments: FaultsStudy) -> int:
    from neurosim import threads
    from neurosim.app.cli.arguments import data_progress
    from neurosim.app.cli.pages import make_page
    from neurosim.app.experiments import faults, faults_page
    from neurosim.data import datasets

    faults.check(arguments)
    if arguments.bptt_epochs:
        from hostref.backend import use_threads

        use_threads(arguments.threads)
    threads.use(arguments.threads)
    load = data_progress(arguments.as_json)
    data = datasets.load(arguments.data, pool=faults.POOL, progress=load)
    make_page(faults_page, "result", arguments, data)
    return 0
