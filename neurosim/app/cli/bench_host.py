"""`neurosim bench-host`: seconds per generation of each float method on this device."""

import json
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict, Field

from hostref.settings import BenchmarkSettings
from neurosim.app.cli import needs


class BenchHost(BaseModel):
    """Time BPTT, vanilla ES and EGGROLL in PyTorch: the time columns of the paper's table 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Annotated[BenchmarkSettings, tyro.conf.arg(name="")] = BenchmarkSettings()
    threads: Annotated[int | None, Field(ge=1)] = None
    """processor threads of PyTorch; by default all"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: BenchHost) -> list[needs.Need]:
    return [needs.REFERENCE]


def run(arguments: BenchHost) -> int:
    from hostref import benchmark
    from hostref.backend import choose, torch, use_threads
    from neurosim.app.cli.progress import progress

    use_threads(arguments.threads)
    device = choose(arguments.settings.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    timings = []
    with progress("method", 3 + len(arguments.settings.ranks), arguments.as_json) as tell:
        for timing in benchmark.measure(arguments.settings):
            timings.append(timing)
            tell(len(timings), f"{timing.method}: {timing.seconds:.3f} s")
    facts = {
        "device": name,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "settings": arguments.settings.model_dump(mode="json"),
    }
    if arguments.as_json:
        print(json.dumps({**facts, "timings": [timing._asdict() for timing in timings]}))
        return 0
    print(
        f"{name}, torch {facts['torch']}, {facts['threads']} CPU threads; "
        f"{arguments.settings.pairs} pairs x {arguments.settings.batch} samples\n"
    )
    print(benchmark.table(timings))
    return 0
