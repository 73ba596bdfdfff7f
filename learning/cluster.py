"""Cluster training: each worker evaluates a range of the pairs, and all of them apply the same update.

    sent      generation, coefficients and rates of the one before, a range for each worker
    received  the evaluation of the range, and a hash of the state it was evaluated with

The bits do not depend on which worker evaluates a pair, so workers may join and leave at any time: a range
without an answer is sent to the workers that are left, and the state is sent once to a worker that joins.
The update is sent before it is applied here, so that all processes apply it at the same time. A worker whose
state has another hash is excluded.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning import replica
from learning.config import Config
from learning.evolution import Ask, Update
from learning.record import Checkpoint
from learning.run_folder import RunFolder
from learning.training import Report, Training
from learning.worker_pool import ClusterError, Interrupted, Sent, WorkerPool
from neurosim.data.datasets import Dataset
from neurosim.population.evaluator import Evaluation


class ClusterTraining(Training):
    """A run whose pairs are evaluated by a pool of workers."""

    def __init__(
        self,
        pool: WorkerPool,
        config: Config,
        data: Dataset,
        folder: RunFolder | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__(config, data, folder, checkpoint)
        self.pool = pool
        self._each = self.settings.pairs // self.settings.groups
        self._anew = checkpoint is None
        self._under_way: Sent | None = None

    def _send(self, pairs: range, generation: int, update: Update | None = None) -> Sent:
        state = None if self._anew and self.generation == 0 else self.chip.state
        return self.pool.send(pairs, self._each, generation, update, state)

    def evaluate(self, ask: Ask) -> Evaluation:
        """Collect the evaluations of the workers; a range without an answer is sent to the other workers."""
        found: dict[str, NDArray[Any]] = {}
        sums: Any = 0
        sent, self._under_way = self._under_way, None
        state = replica.state_sha256(self.chip.state)
        owed = [] if sent else [ask.pairs]
        while sent or owed:
            if sent is None:
                self.pool.ready()
                sent = self._send(owed.pop(), ask.generation)
            answers = self.pool.wait(sent.answers)
            for worker, pairs in sent.ranges.items():
                if not self._trusted(worker, answers[worker], state, ask.generation):
                    owed += [pairs] if pairs else []
                    continue
                if "sums" in answers[worker]:
                    sums = sums + replica.widen(answers[worker]["sums"])
                for name, array in answers[worker].get("pairs", {}).items():
                    seen = replica.widen(array)
                    shape = len(ask.pairs), *seen.shape[1:]
                    whole = found.setdefault(name, np.zeros(shape, seen.dtype))
                    whole[pairs.start : pairs.stop] = seen
            sent = None
        if isinstance(sums, np.ndarray):
            return Evaluation(**found, credits=replica.coefficients_of(self, sums))
        return Evaluation(**found)

    def _trusted(self, worker: str, reply: Any, state: bytes, generation: int) -> bool:
        """Whether the answer can be used; if not, exclude the worker, or send it the state again."""
        if isinstance(reply, OSError):
            self.pool.lose(worker, f"it does not answer ({type(reply).__name__})")
        elif isinstance(reply, Exception):
            self.pool.refuse(worker, f"it answers {reply!r}")
        elif reply.get("lacks") == replica.RUN:
            self.pool.lose(worker, "it was started anew")
        elif reply.get("lacks") == replica.STATE:
            self.pool.arrivals.add(worker)
        elif reply["state"] != state:
            self.pool.refuse(
                worker,
                f"after {generation} generations its state has sha256 {reply['state'].hex()[:12]}, "
                f"here it is {state.hex()[:12]}; its answers are not used. Check that machine",
            )
        else:
            return True
        return False

    def apply_update(self, ask: Ask, update: Update) -> int:
        """Send the update with the next generation's work, then make it here too."""
        following = ask.generation + 1
        if following < self.settings.generations:
            self.pool.ready()
            self._under_way = self._send(ask.pairs, following, update)
        return super().apply_update(ask, update)

    def run(self, report: Report, stopped: Callable[[], bool] = lambda: False) -> bool:
        """As `Training.run`; after any failure of the workers the run can be resumed."""
        self.pool.stopped = stopped
        try:
            return super().run(report, stopped)
        except Interrupted:
            self.save()
            return False
        except ClusterError as error:
            if self.folder is None:
                raise
            self.save()
            raise ClusterError(
                f"{error}; continue with: neurosim train --resume {self.folder.path}"
            ) from error
