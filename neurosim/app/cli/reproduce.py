"""`neurosim reproduce paper`: the paper's table and figures, from this implementation."""

from typing import Annotated, Literal

import tyro
from pydantic import Field

from neurosim.app.cli import needs
from neurosim.app.experiments.paper import PaperExperiment


class Reproduce(PaperExperiment):
    """Table 1, figures 1-3 and the paper's open questions, each beside the paper's numbers.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped. Evolution strategies run in integers on the chip; BPTT and --float-es run in PyTorch.
    """

    what: tyro.conf.Positional[Literal["paper"]]
    """the paper: arXiv 2605.30361"""
    only_page: bool = False
    """train nothing: write the page from the trainings that are there"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads, of the chip and of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: Reproduce) -> list[needs.Need]:
    return [needs.REFERENCE]


def run(arguments: Reproduce) -> int:
    from hostref.backend import use_threads
    from neurosim import threads
    from neurosim.app.cli.arguments import data_progress
    from neurosim.app.cli.pages import make_page
    from neurosim.app.experiments import paper_page
    from neurosim.data import datasets

    use_threads(arguments.threads)
    threads.use(arguments.threads)
    data = datasets.load(arguments.data, progress=data_progress(arguments.as_json))
    make_page(paper_page, "training", arguments, data)
    return 0
