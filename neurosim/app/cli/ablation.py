"""`neurosim ablation`: accuracy with one learning setting changed at a time, beside float BPTT."""

from typing import Annotated

import tyro
from pydantic import Field

from neurosim.app.cli import needs
from neurosim.app.experiments.ablation import AblationExperiment


class Ablation(AblationExperiment):
    """Train by every recipe and with every choice changed in turn; write accuracy.md and its pictures.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped. All but BPTT learns in integers on the chip.
    """

    only_page: bool = False
    """train nothing: write the page from the trainings that are there"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads, of the chip and of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: Ablation) -> list[needs.Need]:
    return [needs.REFERENCE] if arguments.bptt_seeds else []


def run(arguments: Ablation) -> int:
    from neurosim import threads
    from neurosim.app.cli.arguments import data_progress
    from neurosim.app.cli.pages import make_page
    from neurosim.app.experiments import ablation, ablation_page

    if arguments.bptt_seeds:
        from hostref.backend import use_threads

        use_threads(arguments.threads)
    threads.use(arguments.threads)
    data, real = ablation.load(arguments, data_progress(arguments.as_json))
    make_page(ablation_page, "training", arguments, data, real)
    return 0
