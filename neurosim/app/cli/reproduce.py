"""`neurosim reproduce paper`: the paper's table and figures, from this implementation."""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import BaseModel, ConfigDict, Field


class Reproduce(BaseModel):
    """Table 1, figures 1-3 and the open question on sparsity, each beside the paper's numbers.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped. Evolution strategies run in integers on the chip; BPTT and --float-es run in PyTorch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: tyro.conf.Positional[Literal["paper"]]
    """the paper: arXiv 2605.30361"""
    data: str = "digits"
    """data set, as for `neurosim train`"""
    out: Path = Path("runs/paper")
    """folder for trainings, page and pictures"""
    seeds: Annotated[int, Field(ge=1)] = 5
    """trainings of each method (the paper: 3)"""
    generations: Annotated[int, Field(ge=1)] = 100
    """generations of evolution strategies, as in the paper"""
    pairs: Annotated[int, Field(ge=1)] = 4096
    """antithetic pairs of a generation; the paper does not give its number"""
    groups: Annotated[int, Field(ge=1)] = 64
    """groups of pairs that share samples"""
    batch: Annotated[int, Field(ge=1)] = 16
    """samples of a group"""
    ranks: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 2, 4, 8)
    """ranks of EGGROLL"""
    readout: Literal["count", "membrane"] = "count"
    """the paper's spike count, or the membrane"""
    bptt_epochs: Annotated[int, Field(ge=1)] = 20
    """epochs of surrogate BPTT"""
    float_es: bool = False
    """also run vanilla ES and EGGROLL in PyTorch (slow on a CPU)"""
    float_pairs: Annotated[int, Field(ge=1)] = 256
    """pairs of those, 64 samples each"""
    device: str = "cpu"
    """where PyTorch runs: auto, cpu, cuda or cuda:N"""
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads, of the chip and of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Reproduce) -> int:
    from neurosim.app.cli.arguments import data_progress
    from neurosim.app.cli.bptt import use_threads
    from neurosim.app.cli.progress import progress
    from neurosim.app.cli.train import set_threads
    from neurosim.app.experiments import paper, paper_page
    from neurosim.app.experiments.store import Store
    from neurosim.data import datasets

    use_threads(arguments.threads)
    set_threads(arguments.threads)
    data = datasets.load(arguments.data, progress=data_progress(arguments.as_json))
    store = Store(arguments.out / "trainings")
    work = paper.plan(arguments, data, store)
    results: list[paper.Result] = []
    with progress("training", len(work), arguments.as_json) as tell:
        for done, part in enumerate(work):
            tell(done, f"{part.method}, seed {part.seed}")
            results.append(part.result())
            paper_page.publish(arguments, data, results)
        tell(len(work), "done")
    page = paper_page.publish(arguments, data, results)
    if arguments.as_json:
        print(json.dumps({"out": str(arguments.out), "results": results}))
    else:
        print(f"{page.read_text()}\nwritten to {page}")
    return 0
