"""Accuracy, loss and spikes of a float network on some samples."""

from typing import NamedTuple

from hostref import inputs, readout
from hostref.backend import Tensor, torch
from hostref.inputs import Samples
from hostref.model import Model, Parameters
from hostref.settings import Readout


class Evaluation(NamedTuple):
    """Results of one pass over some samples.

    accuracy    fraction of correct predictions, 0..1
    loss        mean of -log p(label)
    confusion   int64 (label, answer)
    spikes      spikes per sample, of each layer
    silent      neurons that never spiked, of each layer
    output      number of the layer that is read out
    """

    accuracy: float
    loss: float
    confusion: Tensor
    spikes: tuple[float, ...]
    silent: tuple[int, ...]
    output: int

    @property
    def hidden_spikes(self) -> float:
        """Spikes a sample of all layers but the output."""
        return sum(count for k, count in enumerate(self.spikes) if k != self.output)

    @property
    def hidden_silent(self) -> int:
        """Neurons that never spiked, of all layers but the output."""
        return sum(count for k, count in enumerate(self.silent) if k != self.output)


@torch.no_grad()
def evaluate(
    model: Model,
    parameters: Parameters,
    samples: Samples,
    kind: Readout,
    gain: float,
    batch: int = 500,
) -> Evaluation:
    """Evaluate `parameters` on all of `samples`."""
    confusion = torch.zeros(
        model.classes, model.classes, dtype=torch.int64, device=model.like.device
    )
    counts = [torch.zeros_like(layer.beta) for layer in model.layers]
    loss = 0.0
    for part in inputs.chunks(len(samples), batch):
        x, labels = samples.batch(part, model.like.dtype)
        trace = model.run(parameters, x)
        score = readout.scores(model, trace, kind)
        loss -= float(readout.log_likelihood(score, labels, gain).sum())
        confusion.view(-1).index_add_(
            0, labels * model.classes + score.argmax(-1), torch.ones_like(labels)
        )
        for count, spk in zip(counts, trace.spk, strict=True):
            count += spk.sum((0, 1))
    return Evaluation(
        accuracy=float(confusion.diagonal().sum()) / len(samples),
        loss=loss / len(samples),
        confusion=confusion.cpu(),
        spikes=tuple(float(count.sum()) / len(samples) for count in counts),
        silent=tuple(int((count == 0).sum()) for count in counts),
        output=model.output,
    )
