"""Worker pool: the dask workers that take part in a run, and the ranges of pairs sent to them.

    refresh   find workers that joined (they load the data beside the run), take part, or left
    send      a range of the pairs to each of them, with the state to those that joined

The worker's side is in learning/replica.py. Dask's tasks are not used: docs/cluster.md has the times.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import pickle
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from learning import replica
from learning.config import Config
from learning.evolution import Update
from neurosim.population.state import SynapticState

CONNECT_SECONDS = 10
"""Time limit for an answer of the scheduler; chosen here."""
PATIENCE_SECONDS = 60
"""Time that a run waits without any worker; chosen here."""

Tell = Callable[[str], None]
"""Called with a line about workers that join and leave."""


class ClusterError(ValueError):
    """Workers that cannot take part. The message names the worker or address and what to do."""


class Interrupted(Exception):
    """The run was asked to stop while it waited for workers."""


class Tls(NamedTuple):
    """Files (PEM) by which scheduler, workers and leader know one another, and encrypt what they send.

    ca    certificate of the authority that signed all others
    cert  this side's certificate
    key   its key, which must be private
    """

    ca: Path
    cert: Path
    key: Path

    def of_client(self) -> dict[str, Any]:
        """Arguments of dask's Security; ClusterError where a file is missing."""
        for name, path in self._asdict().items():
            if not path.is_file():
                raise ClusterError(f"--cluster-{name} {path}: no such file")
        return {
            "tls_ca_file": str(self.ca),
            "tls_client_cert": str(self.cert),
            "tls_client_key": str(self.key),
            "require_encryption": True,
        }


class Sent(NamedTuple):
    """Work under way: the range of each worker, and their answers to come."""

    ranges: dict[str, range]
    answers: "concurrent.futures.Future[dict[str, Any]]"


def cut(pairs: range, each: int, threads: Sequence[int]) -> list[range]:
    """`pairs` in consecutive ranges in proportion to threads, at borders of groups if there are enough.

    each    pairs of a group
    """
    unit = each if len(pairs) // each >= len(threads) else 1
    total, done, ranges, begin = sum(threads), 0, [], pairs.start
    for number in threads:
        done += number
        border = (pairs.start + len(pairs) * done // total) // unit * unit
        end = pairs.stop if done == total else max(begin, border)
        ranges.append(range(begin, end))
        begin = end
    return ranges


class WorkerPool:
    """The workers of a scheduler that take part in one run."""

    def __init__(
        self, address: str, config: Config, tell: Tell = lambda line: None, tls: Tls | None = None
    ) -> None:
        """Connect, and wait until the workers there are have loaded the data.

        tls  keys and certificates of an encrypted connection; None: as dask is configured
        """
        self.address, self.config, self._tell = address, config, tell
        self.threads: dict[str, int] = {}
        """Threads of each worker that takes part."""
        self.arrivals: set[str] = set()
        """Those of them that need the state."""
        self.refused: dict[str, str] = {}
        self.stopped: Callable[[], bool] = lambda: False
        self._run = uuid.uuid4().hex
        self._numbers: dict[str, int] = {}
        self._joining: dict[str, concurrent.futures.Future[dict[str, Any]]] = {}
        self._seen, self._begun = time.monotonic(), False
        self._client = _connect(address, tls)
        try:
            self._gather()
        except BaseException:
            self.close()
            raise

    def _gather(self) -> None:
        while not self.threads or self._joining:
            self.refresh()
            if self.refused:
                raise ClusterError("; ".join(self.refused.values()))
            self._wait_or_give_up()
        count = sum(self.threads.values())
        self._begun = True
        self._tell(f"cluster {self.address}: workers {len(self.threads)}, threads {count}")

    def refresh(self) -> None:
        """Update the pool: workers that joined, that have loaded the data, and that left."""
        here = self.wait(self._call(self._here()))
        for worker in set(self.threads) - set(here):
            self.lose(worker, "it has left the scheduler")
        self.refused = {worker: why for worker, why in self.refused.items() if worker in here}
        for worker, answer in [*self._joining.items()]:
            if answer.done():
                del self._joining[worker]
                self._accept(worker, answer)
        for worker in set(here) - {*self.threads, *self._joining, *self.refused}:
            number = self._numbers.setdefault(worker, len(self._numbers))
            joining = (self._run, number, pickle.dumps(self.config), replica.version())
            self._joining[worker] = self._call(self._ask([worker], replica.join, *joining))
        if self.threads or self._joining:
            self._seen = time.monotonic()

    def _accept(self, worker: str, answer: "concurrent.futures.Future[dict[str, Any]]") -> None:
        reply = self.wait(answer)[worker]
        if isinstance(reply, OSError):
            return  # gone while it loaded the data; it is asked again if it is still there
        if isinstance(reply, Exception):
            self.refuse(
                worker, f"it answers {reply!r}. Install {replica.version()} with the extra cluster"
            )
        elif "refused" in reply:
            self.refuse(worker, reply["refused"])
        else:
            self.threads[worker] = reply["threads"]
            self.arrivals.add(worker)
            if self._begun:
                self._tell(f"worker {worker} takes part; workers {len(self.threads)}")

    def refuse(self, worker: str, why: str) -> None:
        """Exclude a worker that cannot take part in this run."""
        self._forget(worker)
        self.refused[worker] = f"worker {worker} cannot take part: {why}"
        self._tell(self.refused[worker])

    def lose(self, worker: str, why: str) -> None:
        """Go on without a worker until it comes back."""
        self._forget(worker)
        self._tell(f"worker {worker} is lost: {why}; workers left {len(self.threads)}")

    def _forget(self, worker: str) -> None:
        self.threads.pop(worker, None)
        self.arrivals.discard(worker)

    def ready(self) -> None:
        """Refresh the pool, and wait for a worker if there is none.

        A scheduler tries for 30 s to reach a worker that it has forgotten, so such workers are not called.
        """
        self.refresh()
        while not self.threads:
            self._wait_or_give_up()
            self.refresh()

    def _wait_or_give_up(self) -> None:
        if time.monotonic() - self._seen > PATIENCE_SECONDS:
            why = "; ".join(self.refused.values()) or f"start one with: dask worker {self.address}"
            raise ClusterError(
                f"no worker of {self.address} takes part since {PATIENCE_SECONDS} s: {why}"
            )
        if self.stopped():
            raise Interrupted
        time.sleep(0.05)

    def send(
        self,
        pairs: range,
        each: int,
        generation: int,
        update: Update | None,
        state: SynapticState | None,
    ) -> Sent:
        """Send every worker its range of `pairs`.

        each    pairs of a group
        update  of generation - 1, where workers have not applied it yet
        state   before that update, for workers that joined; None: the initial state of the settings
        """
        wire = None
        if update is not None:
            wire = (
                replica.narrow(replica.row_of(update.coefficients)),
                [(*rate,) for rate in update.rates],
            )
        workers = sorted(self.threads)
        cuts = cut(pairs, each, [self.threads[worker] for worker in workers])
        ranges = dict(zip(workers, cuts, strict=True))
        borders = np.zeros((len(self._numbers), 2), np.int32)
        for worker, its in ranges.items():
            borders[self._numbers[worker]] = its.start, its.stop
        work = (replica.evaluate_range, self._run, generation, wire, borders)
        joined = set() if state is None else self.arrivals & set(workers)
        calls = [self._ask([worker for worker in workers if worker not in joined], *work, None)]
        if state is not None and joined:
            calls.append(self._ask([*joined], *work, replica.pack(state)))
        self.arrivals.clear()
        return Sent(ranges, self._call(_together(calls)))

    async def _here(self) -> dict[str, int]:
        """Workers of the scheduler, and the threads of each."""
        return dict(await self._client.nthreads())

    async def _ask(self, workers: list[str], function: Any, *arguments: Any) -> dict[str, Any]:
        """The answer of each of `workers`; an exception where there is none."""
        if not workers:
            return {}
        return await self._client.run(function, *arguments, workers=workers, on_error="return")

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> "concurrent.futures.Future[Any]":
        return asyncio.run_coroutine_threadsafe(coroutine, self._client.loop.asyncio_loop)

    def wait(self, answer: "concurrent.futures.Future[Any]") -> Any:
        """The answer, unless the scheduler goes or the run is to stop."""
        while not concurrent.futures.wait([answer], timeout=0.2).done:
            if self.stopped():
                answer.cancel()
                raise Interrupted
        try:
            return answer.result()
        except (OSError, RuntimeError, concurrent.futures.CancelledError) as error:
            raise ClusterError(f"the scheduler at {self.address} is gone ({error})") from error

    def close(self) -> None:
        """Disconnect from the scheduler; its workers stay."""
        for answer in self._joining.values():
            answer.cancel()
        with contextlib.suppress(OSError, TimeoutError):
            self._client.close(timeout=2)

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connect(address: str, tls: Tls | None) -> Any:
    try:
        from distributed import Client, Security
    except ImportError as error:
        raise ClusterError(
            f"--cluster needs dask: pip install 'neurosim-eggroll[cluster]' ({error})"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said here
    security = Security(**tls.of_client()) if tls else Security()
    if tls and "://" not in address:
        address = f"tls://{address}"
    if address.startswith("tls://") and not security.tls_ca_file:
        raise ClusterError(
            f"{address} is encrypted: give --cluster-ca, --cluster-cert and --cluster-key, or set "
            f"dask's distributed.comm.tls"
        )
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False, security=security)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"no scheduler answers at {address} within {CONNECT_SECONDS} s ({error}); "
            f"start one with: dask scheduler"
        ) from error


async def _together(calls: list[Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for some in await asyncio.gather(*calls):
        answers |= some
    return answers
