"""Settings of the float reference. (Loads no torch: the command line reads it too.)"""

import json
from typing import Annotated, Any, Literal

import tyro
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from neurosim.network import Network, Population
from neurosim.network.connections import SumPool2d
from neurosim.network.layers import LayerRegisters, network_of_layers, of_text
from neurosim.network.serialise import network_of
from neurosim.network.shapes import Shape, size_of

Readout = Literal["count", "membrane"]
Positive = Annotated[int, Field(ge=1)]


HIDDEN = (128,)
"""Hidden neurons, unless others are asked for."""


POOL_THRESHOLD = 1
"""vth_mant of a pooling layer, whose spikes add 2 of it: any spike in a window makes its neuron spike."""


class Settings(BaseModel):
    """Common to all: frozen, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSettings(Settings):
    """The network, in the chip's own registers; the defaults are those of `neurosim train`."""

    hidden: Annotated[tuple[Positive, ...], Field(min_length=1)] = HIDDEN
    """neurons of each hidden layer, all dense"""
    layers: str = ""
    """hidden layers of any kind instead: "conv 12 5x5 stride 2 pad 2, pool 2, recurrent 64, dense 128"; by
    default none"""
    described: Annotated[dict[str, Any] | None, tyro.conf.Suppress] = None
    """a network as `neurosim.network.serialise.describe` writes it, instead of all others"""
    du: Annotated[int, Field(ge=0, le=4095)] = 4095
    """decay of the synaptic current: alpha = 1 - (du + 1) / 4096"""
    dv: Annotated[int, Field(ge=0, le=4095)] = 400
    """decay of the membrane: beta = 1 - dv / 4096"""
    vth_mant: Annotated[int, Field(ge=1, le=(1 << 17) - 1)] = 512
    """threshold; training is in units of it, so it changes no result"""

    @field_validator("layers")
    @classmethod
    def _readable(cls, text: str) -> str:
        if text:
            of_text(text)
        return text

    @field_validator("described")
    @classmethod
    def _as_json(cls, network: dict[str, Any] | None) -> dict[str, Any] | None:
        plain: dict[str, Any] | None = json.loads(json.dumps(network))
        return plain

    @model_validator(mode="after")
    def _one_of_both(self) -> "NetworkSettings":
        if self.layers and self.hidden != HIDDEN:
            raise ValueError(
                f"both hidden {self.hidden} and layers {self.layers!r} are given; give one of them"
            )
        return self

    def build(self, inputs: int | Shape, classes: int = 10) -> Network:
        """The network input -> hidden ... -> output; `layers` read the inputs as a map of that shape."""
        if self.described is not None:
            return network_of(self.described)
        shape = (inputs,) if isinstance(inputs, int) else inputs
        if self.layers:
            layers = of_text(self.layers)
            own = LayerRegisters(self.vth_mant, self.du, self.dv, 0)
            pooled = own._replace(vth_mant=POOL_THRESHOLD)
            learned = (not isinstance(layer.kind, SumPool2d) for layer in layers)
            registers = [*(own if one else pooled for one in learned), own]
            return network_of_layers(shape, layers, classes, registers)
        names = [f"hidden{k + 1}" for k in range(len(self.hidden))]
        names = ["hidden"] if len(names) == 1 else names
        return Network.chain(
            size_of(shape),
            [
                Population(name, size, vth_mant=self.vth_mant, du=self.du, dv=self.dv)
                for name, size in zip((*names, "output"), (*self.hidden, classes), strict=True)
            ],
        )


class BpttSettings(Settings):
    """Surrogate-gradient training."""

    network: NetworkSettings = NetworkSettings()
    readout: Readout = "membrane"
    """scores of the classes: the output membrane summed over steps, or spike counts"""
    gain: Annotated[float, Field(gt=0)] = 0.2
    """factor between score and logit (hostref/readout.py); 10 suits the count readout"""
    epochs: Positive = 20
    """passes over the training samples"""
    batch: Positive = 128
    """samples per step of the optimiser"""
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    """learning rate of the first step, of AdamW"""
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """fraction of the learning rate at the last step; a cosine leads there"""
    spike_cost: Annotated[float, Field(ge=0)] = 0.0
    """cost of each spike of a hidden neuron in the loss of a sample, in bits of log-likelihood"""
    samples: Annotated[int, Field(ge=0)] = 0
    """samples of an epoch, drawn anew for each; 0 is all of them"""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """weight decay of AdamW"""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """fraction of the input spikes that is left out while training"""
    shift: Annotated[int, Field(ge=0, le=8)] = 1
    """training samples are shifted by up to this many pixels; 0 for inputs that are no sensor"""
    slope: Annotated[float, Field(gt=0)] = 2.0
    """slope of the surrogate gradient, a fast sigmoid; snnTorch's default is 25"""
    patience: Annotated[int, Field(ge=0)] = 0
    """stop after this many epochs without a better validation accuracy; 0 never stops early"""
    seed: Annotated[int, Field(ge=0)] = 0
    """seed of initial weights, order of samples and shifts"""
    precision: Literal["float32", "float64"] = "float32"
    """floating-point numbers that it computes with"""


class EvolutionSettings(Settings):
    """EGGROLL (rank 1, 2, ...) or full-rank evolution strategies (rank 0), as in the paper."""

    network: NetworkSettings = NetworkSettings()
    readout: Readout = "count"
    gain: Annotated[float, Field(gt=0)] = 1.0
    rank: Annotated[int, Field(ge=0)] = 1
    """Rank of a perturbation; 0 is full rank (vanilla ES)."""
    pairs: Positive = 256
    batch: Positive = 64
    """Samples of one generation, shared by all pairs."""
    generations: Positive = 100
    sigma: Annotated[float, Field(gt=0)] = 0.06
    """Standard deviation of a perturbed weight, in thresholds."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.03
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    factors: Literal["gaussian", "rademacher"] = "gaussian"
    sequential: bool = False
    """One member after another, as the paper's vanilla ES; else a block of pairs at once."""
    block: Positive = 64
    """Pairs evaluated at once."""
    validate_every: Positive = 10
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["float32", "float64"] = "float32"


class BenchmarkSettings(Settings):
    """What `neurosim bench-host` times."""

    network: NetworkSettings = NetworkSettings()
    device: str = "auto"
    """auto (CUDA where there is one), cpu, cuda or cuda:N"""
    pairs: Positive = 256
    """antithetic pairs of a generation; not given in the paper"""
    batch: Positive = 64
    """samples of a generation"""
    block: Positive = 64
    """pairs evaluated at once"""
    ranks: tuple[int, ...] = (1, 2, 4, 8)
    """ranks of EGGROLL that are timed"""
    repeats: Positive = 3
    """rounds; medians of them are printed"""
    bptt_batch: Positive = 128
    """samples per step of BPTT"""
    bptt_samples: Positive = 5400
    """samples that are timed of an epoch; the time is scaled to all of them"""
    epoch_samples: Positive = 54000
    """samples of an epoch"""
    steps: Positive = 10
    """time steps of a sample"""
    inputs: Positive = 2312
    """inputs of the network"""
    seed: Annotated[int, Field(ge=0)] = 0
    """seed of weights, samples and noise"""
