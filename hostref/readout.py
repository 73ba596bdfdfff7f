"""Readout of the float network: scores, predictions and log-likelihoods.

    count      score = mean spike rate of an output neuron over the steps, 0..1     (the paper's)
    membrane   score = sum of its membrane potential over the steps, in thresholds
    log p(class) = log softmax(gain * score)

The paper's gain is 1, which caps p at e / (e + 9) = 0.23 for ten classes and the count readout.
"""

from hostref.backend import Tensor, torch
from hostref.model import Model, Trace
from hostref.settings import Readout


def scores(model: Model, trace: Trace, readout: Readout) -> Tensor:
    """Score of each class: (..., class)."""
    if readout == "count":
        return trace.spk[model.output].mean(-2)
    return trace.mem.sum(-2) / model.layers[model.output].threshold.clamp(min=1e-30)


def log_likelihood(score: Tensor, labels: Tensor, gain: float) -> Tensor:
    """log p(label) of each sample, (..., sample), from scores (..., sample, class)."""
    log_p = torch.log_softmax(gain * score, -1)
    index = labels.expand(score.shape[:-1]).unsqueeze(-1)
    return log_p.gather(-1, index).squeeze(-1)


def hidden_spikes(model: Model, trace: Trace) -> Tensor:
    """Spikes of all layers but the output in each sample, (sample,)."""
    hidden = [spk for k, spk in enumerate(trace.spk) if k != model.output]
    return torch.stack([spk.flatten(1).sum(1) for spk in hidden]).sum(0)
