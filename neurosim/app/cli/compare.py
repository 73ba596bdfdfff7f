"""`neurosim compare`: runs beside float training, quantised weights and narrower registers."""

import json
from typing import Annotated

import tyro
from pydantic import Field

from neurosim.app.cli import needs
from neurosim.app.experiments.comparison import Comparison


class Compare(Comparison):
    """One table and one set of pictures for runs of `neurosim train`, beside the float reference.

    Parts that are done are kept in the output folder, so that a comparison that was stopped goes on.
    """

    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: Compare) -> list[needs.Need]:
    return [needs.REFERENCE]


def run(arguments: Compare) -> int:
    from hostref.backend import use_threads
    from learning.record import read_config
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.cli.progress import progress
    from neurosim.app.experiments import comparison_page

    use_threads(arguments.threads)
    comparison_page.check(arguments)
    config = read_config(arguments.folders[0])
    data = load_data(config, arguments.data, arguments.as_json)
    with progress(
        "part", comparison_page.count(arguments, config, data), arguments.as_json
    ) as tell:
        text, result = comparison_page.run(arguments, config, data, tell)
    print(json.dumps(result) if arguments.as_json else f"{text}\nwritten to {result['out']}")
    return 0
