"""`neurosim depth`: networks of several layers, learned on the chip and by BPTT."""

from typing import Annotated

import tyro
from pydantic import Field

from neurosim.app.cli import needs
from neurosim.app.experiments.depth import DepthExperiment


class Depth(DepthExperiment):
    """Deep, convolutional and recurrent networks: learning on the chip beside BPTT; write depth.md.

    A task is left out where its data set is not given. Long work: every training is kept in the output
    folder, and a second call goes on where the first stopped. All but BPTT learns in integers on the chip.
    """

    only_page: bool = False
    """train nothing: write the page from the trainings that are there"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads, of the chip and of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: Depth) -> list[needs.Need]:
    return [needs.REFERENCE]


def run(arguments: Depth) -> int:
    from hostref.backend import use_threads
    from neurosim import threads
    from neurosim.app.cli.arguments import data_progress
    from neurosim.app.cli.pages import make_page
    from neurosim.app.experiments import depth, depth_page

    use_threads(arguments.threads)
    threads.use(arguments.threads)
    data = depth.load(arguments, data_progress(arguments.as_json))
    make_page(depth_page, "training", arguments, data)
    return 0
