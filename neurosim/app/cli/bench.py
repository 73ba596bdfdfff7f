"""`neurosim bench`: time of a generation beside its lower bound on this machine (roofline)."""

import json
import statistics
import time
from itertools import groupby
from typing import Annotated, Any

import tyro
from pydantic import BaseModel, ConfigDict, Field


class Bench(BaseModel):
    """Time a generation of every rule, beside the lower bound from its counted operations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeats: Annotated[int, Field(ge=1)] = 7
    """rounds; medians of them are printed"""
    pairs: Annotated[int | None, Field(ge=1, le=1 << 20)] = None
    """pairs of each case; by default 4,096, and 256 of full rank"""
    threads: int | None = None
    """processor threads; by default all. With 1 the time that the processor gave to it is measured, so that
    other work on the machine disturbs less"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Bench) -> int:
    import numba

    from neurosim import threads
    from neurosim.app.cli.progress import progress
    from neurosim.app.experiments import speed
    from neurosim.population import roofline

    threads.use(arguments.threads)
    cases = speed.CASES
    if arguments.pairs is not None:
        cases = {name: speed.with_pairs(one, arguments.pairs) for name, one in cases.items()}
    clock = time.thread_time if numba.get_num_threads() == 1 else time.perf_counter
    rates, taken = [], []
    began = time.perf_counter(), time.process_time()
    with progress("round", arguments.repeats, arguments.as_json) as tell:
        for timings in speed.rounds(cases, speed.random_frames(), arguments.repeats, clock):
            rates.append(roofline.measure_peak_rates(clock))
            taken.append(timings)
            tell(len(taken), f"{sum(timing.seconds for timing in timings):.2f} s")
    cores = (time.process_time() - began[1]) / (time.perf_counter() - began[0])
    peaks = {
        name: statistics.median(getattr(rate, name) for rate in rates) for name in rates[0]._fields
    }
    rows: list[dict[str, Any]] = []
    for same in zip(*taken, strict=True):
        middle = statistics.median(timing.seconds for timing in same)
        rows.append(
            {
                "case": same[0].case,
                "part": same[0].part,
                "seconds": middle,
                "bound_seconds": statistics.median(timing.bound for timing in same),
                "over_bound": statistics.median(timing.seconds / timing.bound for timing in same),
                "member_samples_per_second": same[0].member_samples / middle,
            }
        )
    threads = numba.get_num_threads()
    if arguments.as_json:
        results = {
            "threads": threads,
            "cores": cores,
            "peak_rates_per_second": peaks,
            "parts": rows,
        }
        print(json.dumps(results))
        return 0
    print(
        f"{threads} threads, which got {cores:.2f} cores; medians of {arguments.repeats} rounds\n"
        f"int32 operations  {peaks['lanes'] / 1e9:8.1f} G/s\n"
        f"int16 additions   {peaks['sums'] / 1e9:8.1f} G/s\n"
        f"words counted     {peaks['words'] / 1e9:8.1f} G/s\n"
        f"memory read       {peaks['bytes'] / 1e9:8.1f} GB/s\n\n"
        f"{'2312 inputs, 10 steps':<24} {'ms':>9} {'bound':>9} {'ratio':>6}  M member-samples/s"
    )
    for case, parts in groupby(rows, key=lambda row: row["case"]):
        print(case)
        for row in parts:
            print(
                f"  {row['part']:<22} {1e3 * row['seconds']:9.2f} {1e3 * row['bound_seconds']:9.2f} "
                f"{row['over_bound']:6.2f}  {row['member_samples_per_second'] / 1e6:8.2f}"
            )
    return 0
