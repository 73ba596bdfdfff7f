"""What can be chosen for the float reference? (Loads no torch: the command line reads it too.)"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from neurosim.network import Network, Population

Readout = Literal["count", "membrane"]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Common to all: frozen, and nothing unknown is let through."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSettings(Settings):
    """The network 2312 - hidden - 10 of the paper, in the chip's own description."""

    hidden: Positive = 128
    beta: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Membrane decay a step; rounded to the chip's 12 bits."""
    vth_mant: Annotated[int, Field(ge=1, le=(1 << 17) - 1)] = 1024
    """Threshold of both layers; only sets the unit of a normalised model."""

    def build(self, inputs: int, classes: int = 10) -> Network:
        dv = min(round((1 - self.beta) * 4096), 4095)
        return Network.chain(
            inputs,
            [
                Population("hidden", self.hidden, vth_mant=self.vth_mant, dv=dv),
                Population("output", classes, vth_mant=self.vth_mant, dv=dv),
            ],
        )


class BpttSettings(Settings):
    """Surrogate-gradient training."""

    network: NetworkSettings = NetworkSettings()
    readout: Readout = "membrane"
    gain: Annotated[float, Field(gt=0)] = 1.0
    """Factor between score and logit."""
    epochs: Positive = 20
    batch: Positive = 128
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Fraction of the learning rate at the last step; a cosine leads there."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of input spikes left out while training."""
    shift: Annotated[int, Field(ge=0, le=8)] = 0
    """Training samples are moved by up to this many pixels (sensor inputs only)."""
    slope: Annotated[float, Field(gt=0)] = 25.0
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after this many epochs without a better validation accuracy; 0 never stops early."""
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["float32", "float64"] = "float32"


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
    sigma: Annotated[float, Field(gt=0)] = 0.02
    """Standard deviation of a perturbed weight, in thresholds."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    factors: Literal["gaussian", "rademacher"] = "gaussian"
    sequential: bool = False
    """One member after another, as the paper's vanilla ES; else a block of pairs at once."""
    block: Positive = 64
    """Pairs evaluated at once."""
    validate_every: Positive = 10
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["float32", "float64"] = "float32"
