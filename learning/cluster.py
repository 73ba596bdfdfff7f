"""How do several machines share a run? Each evaluates a range of the pairs; all replay the update.

    out     generation, coefficients and rates of the one before, a range for each worker
    back    what became of the range, and a hash of the state it was evaluated with

Who evaluates a pair changes no bit, so workers may come, go and die: a range without an answer goes to
those who are left, and a worker that joins is given the state once. The update goes out before it is made,
so that all make it at the same time. A worker whose state has another hash is left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning import replica
from learning.evolution import Ask, Update
from learning.record import Checkpoint, Config, RunFolder
from learning.training import Report, Training
from learning.worker_pool import ClusterError, Interrupted, Sent, WorkerPool
from neurosim.data.datasets import Dataset
from neurosim.population.evaluator import Evaluation


class ClusterTraining(Training):
    """A run whose pairs a team of workers evaluates."""

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
        """Collect what the workers found; what a worker owes is asked of the others."""
        found: dict[str, NDArray[Any]] = {}
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
                for name, array in answers[worker].get("pairs", {}).items():
                    seen = replica.widen(array)
                    shape = len(ask.pairs), *seen.shape[1:]
                    whole = found.setdefault(name, np.zeros(shape, seen.dtype))
                    whole[pairs.start : pairs.stop] = seen
            sent = None
        return Evaluation(**found)

    def _trusted(self, worker: str, reply: Any, state: bytes, generation: int) -> bool:
        """Whether the answer is of use; if not, the worker is asked no more, or given the state."""
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
        """As `Training.run`; whatever goes wrong with the workers leaves a run to resume."""
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
