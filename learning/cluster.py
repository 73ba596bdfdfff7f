"""How do several machines share a run? Each evaluates a range of the pairs; all replay the update.

    out     generation, coefficients and rates of the one before, a range for each worker
    back    what became of the range, and a hash of the memory it was rehearsed with

Who evaluates a pair changes no bit, so workers may come, go and die: a range without an answer goes to
those who are left, and a newcomer is given the memory once. The update goes out before it is made here,
so that all make it at the same time. A worker whose memory has another hash is left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning import replica
from learning.evolution import Ask, Update
from learning.record import Checkpoint, Config, RunFolder
from learning.training import Report, Training
from learning.worker_pool import ClusterError, Interrupted, Sent, Team
from neurosim.data.datasets import Dataset
from neurosim.population.evaluator import Rehearsal


class ClusterTraining(Training):
    """A run whose pairs a team of workers evaluates."""

    def __init__(
        self,
        team: Team,
        config: Config,
        data: Dataset,
        folder: RunFolder | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__(config, data, folder, checkpoint)
        self.team = team
        self._each = self.settings.pairs // self.settings.groups
        self._anew = checkpoint is None
        self._under_way: Sent | None = None

    def _send(self, pairs: range, generation: int, update: Update | None = None) -> Sent:
        memory = None if self._anew and self.generation == 0 else self.chip.memory
        return self.team.send(pairs, self._each, generation, update, memory)

    def rehearse(self, ask: Ask) -> Rehearsal:
        """Collect what the workers found; what a worker owes is asked of the others."""
        found: dict[str, NDArray[Any]] = {}
        sent, self._under_way = self._under_way, None
        memory = replica.memory_sha256(self.chip.memory)
        owed = [] if sent else [ask.pairs]
        while sent or owed:
            if sent is None:
                self.team.ready()
                sent = self._send(owed.pop(), ask.generation)
            answers = self.team.wait(sent.answers)
            for worker, pairs in sent.ranges.items():
                if not self._trusted(worker, answers[worker], memory, ask.generation):
                    owed += [pairs] if pairs else []
                    continue
                for name, array in answers[worker].get("pairs", {}).items():
                    seen = replica.widen(array)
                    shape = len(ask.pairs), *seen.shape[1:]
                    whole = found.setdefault(name, np.zeros(shape, seen.dtype))
                    whole[pairs.start : pairs.stop] = seen
            sent = None
        return Rehearsal(**found)

    def _trusted(self, worker: str, reply: Any, memory: bytes, generation: int) -> bool:
        """Whether the answer is of use; if not, the worker is asked no more, or given the memory."""
        if isinstance(reply, OSError):
            self.team.lose(worker, f"it does not answer ({type(reply).__name__})")
        elif isinstance(reply, Exception):
            self.team.refuse(worker, f"it answers {reply!r}")
        elif reply.get("lacks") == replica.RUN:
            self.team.lose(worker, "it was started anew")
        elif reply.get("lacks") == replica.STATE:
            self.team.newcomers.add(worker)
        elif reply["memory"] != memory:
            self.team.refuse(
                worker,
                f"after {generation} generations its memory has sha256 {reply['memory'].hex()[:12]}, "
                f"here it is {memory.hex()[:12]}; its answers are not used. Check that machine",
            )
        else:
            return True
        return False

    def consolidate(self, ask: Ask, update: Update) -> int:
        """Send the update with the next generation's work, then make it here too."""
        following = ask.generation + 1
        if following < self.settings.generations:
            self.team.ready()
            self._under_way = self._send(ask.pairs, following, update)
        return super().consolidate(ask, update)

    def run(self, report: Report, stopped: Callable[[], bool] = lambda: False) -> bool:
        """As `Training.run`; whatever goes wrong with the workers leaves a run to resume."""
        self.team.stopped = stopped
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
