"""Settings of a training run: every option, with its default and range, checked when it is made.

The same model defines the flags of the command line, the configuration of a run folder and the argument of
the library.
Numbers are in the chip's units: a weight's LSB, a membrane's threshold mantissa, a generation.
"""

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction
from math import log2
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from learning.rules.registry import OUTPUT, check_rules, known, methods, rules_of
from learning.rules.rule import FACTOR_STD
from neurosim import limits
from neurosim.data.choice import DataChoice
from neurosim.data.frames import MOST_STEPS
from neurosim.kernels.readout import COST_BITS, FRACTION, ONE, exp2_table
from neurosim.kernels.rules.weight_update import RATE_BITS
from neurosim.network import Network, Population
from neurosim.network.layers import of_text
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph import WORKSPACE_BYTES
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import BIAS_FRACTION_BITS, SynapticState, initial_state
from neurosim.population.update import Rates


def _method(name: str) -> str:
    return known("method", name, methods())


def _output_rule(name: str) -> str:
    return known("output_rule", name, ("same", *OUTPUT))


Feedback = Literal["local", "gate", "gain", "gate-local", "gain-local", "direct"]
Method = Annotated[str, AfterValidator(_method)]
OutputRule = Annotated[str, AfterValidator(_output_rule)]
Estimator = Literal["antithetic", "one-sided"]
SILENT = limits.VTH_MANT.high
"""Threshold of an output layer that is read by its membrane: the highest there is, so that it integrates
and spikes only where v would saturate."""
BIAS_EXP = 4
"""A bias mantissa of 4095 is then 511 weight LSB: chosen here, since thresholds are of that order."""
MEMBRANE_BITS = 18
"""Temperature 1 of the membrane readout: 2^18 units of v, summed over steps, are one bit of log-odds.
Chosen here: of 2^16, 2^18 and 2^20 the middle one learns fastest (docs/results of `neurosim train`)."""
MULTIPLIER_BITS = 16


DATA = ("data", "steps", "pool", *DataChoice.model_fields)
"""Settings that say what a sample is."""


class Since(Enum):
    """When a setting came to be, where that matters to results that are kept with their settings."""

    LATER = "results have been kept since before there was this setting"


class Settings(DataChoice):
    """Settings of a training run. `sigma` and learning rates are in LSB of an 8-bit weight.

    Examples:
        >>> import neurosim
        >>> version, fast = neurosim.RECIPES["fast"]
        >>> settings = neurosim.Settings(**{**fast.model_dump(), "hidden": (64,), "steps": 5})
        >>> settings.hidden, settings.method, settings.credit
        ((64,), 'event-aligned', 'error')
    """

    data: str = "digits"
    """data set: digits, images:FILE.npz, images:FOLDER, nmnist:FOLDER ... (docs/data.md)"""
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 10
    """time steps of a sample: the bins into which its events are counted"""
    pool: Annotated[int, Field(ge=1, le=256)] = 1
    """join POOL x POOL pixels into one input"""
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 0
    """key of every generator: same seed, same bits"""

    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)] = (
        128,
    )
    """neurons of each hidden layer"""
    layers: str | None = None
    """hidden layers of any kind, in place of HIDDEN: "conv 12 5x5 stride 2 pad 2, pool 2, recurrent 64, dense
    128 adaptive" (neurosim/network/layers.py)"""
    feedback: Feedback | None = None
    """error of hidden layers in a graph of layers: local (a readout of each layer), gate or gain
    (returned from the layers above), gate-local or gain-local (both), direct (a fixed random matrix)"""
    local_share: Annotated[float, Field(ge=0, le=16)] = 0.5
    """weight of the error of a layer's local readout relative to the returned error"""
    local_pool: Annotated[int, Field(ge=1, le=1024)] = 4
    """positions along each axis that a local readout of the largest map pools; fewer on smaller maps"""
    readouts: Literal["last", "sum"] = "last"
    """scores of a prediction: those of the output, or the sum of the output and all local readouts"""
    noise_share: Annotated[float, Field(gt=0, le=16)] = 1
    """noise on the currents of a layer in a graph of layers, as a fraction of its threshold"""
    window_share: Annotated[float, Field(ge=0, le=64)] = 2
    """the noise acts only on neurons within this distance of the threshold, in thresholds; 0: on all"""
    workspace: Annotated[int, Field(ge=1, le=1 << 20)] = WORKSPACE_BYTES >> 20
    """memory in MiB of each thread for a block of samples"""
    vth_mant: Annotated[int, Field(ge=limits.VTH_MANT.low, le=limits.VTH_MANT.high)] = 512
    """threshold of hidden neurons (and of output neurons that are counted), shifted left by 6"""
    du: Annotated[int, Field(ge=limits.DECAY.low, le=limits.DECAY.high)] = 4095
    """decay of the synaptic current, alpha = 1 - (du + 1) / 4096; 4095 keeps none, as in the paper"""
    dv: Annotated[int, Field(ge=limits.DECAY.low, le=limits.DECAY.high)] = 400
    """decay of the membrane: beta = 1 - dv / 4096"""
    initial_std: Annotated[int, Field(ge=0, le=127)] = 16
    """standard deviation of the initial weights, in LSB of an 8-bit weight"""

    method: Method = "eggroll"
    """rule of the hidden layers: eggroll (low-rank noise on weights), full-rank (independent noise on every
    weight, the paper's vanilla ES), or event-aligned (noise on the currents of neurons)"""
    output_rule: OutputRule = "same"
    """rule of the output layer: same (as METHOD), delta (a local rule on its own error), eggroll (low-rank
    noise, beside event-aligned hidden layers), or frozen"""
    credit: Literal["fitness", "error"] = "fitness"
    """what event-aligned noise is multiplied by in the update: the fitness of the pair, the same for all
    neurons, or an error credit of each neuron, from the errors of the readout"""
    estimator: Estimator = "antithetic"
    """baseline of a member's fitness: the member of its pair with the opposite noise (antithetic), or the
    mean of the other members of its group, each member with noise of its own (one-sided)"""
    generations: Annotated[int, Field(ge=1, lt=1 << 32)] = 1000
    """generations of the training: updates of the weights"""
    pairs: Annotated[int, Field(ge=1, le=1 << 24)] = 2048
    """pairs of population members per generation; the population is twice as large"""
    groups: Annotated[int, Field(ge=1)] = 64
    """groups of pairs; the pairs of a group are evaluated on the same samples"""
    batch: Annotated[int, Field(ge=1, le=4096)] = 8
    """samples per group in a generation"""
    shift: Annotated[int, Field(ge=0, le=4)] = 0
    """augmentation: training samples are shifted by up to SHIFT pixels, by a new random offset each time"""
    rank: Annotated[int, Field(ge=1, le=64)] = 1
    """rank of a low-rank perturbation"""
    noise: Literal["rademacher", "graded"] = "rademacher"
    """distribution of a noise number: +1 or -1 (rademacher), or a centred popcount of 16 bits (graded)"""
    sigma: Annotated[float, Field(ge=0, le=1024)] = 16
    """standard deviation of the noise on weights of hidden layers (event-aligned: on currents), in LSB"""
    sigma_output: Annotated[float, Field(ge=0, le=1024)] = 8
    """the same for the output layer"""
    sigma_bias: Annotated[float, Field(ge=0, le=127)] = 0
    """standard deviation of the perturbation of a bias, in weight LSB; 0: biases are not perturbed"""
    final_noise: Annotated[float, Field(ge=0, le=1)] = 1
    """fraction of every sigma that is left in the last generation; 1 keeps the noise constant"""
    noise_period: Annotated[int, Field(ge=1, le=255)] = 1
    """event-aligned noise acts in every NOISE_PERIOD-th step"""
    noise_window: Annotated[int, Field(ge=0, le=limits.VTH_MANT.high)] = 0
    """event-aligned noise acts only on neurons whose membrane is within NOISE_WINDOW of the threshold, in
    units of vth_mant; 0: on all neurons"""

    readout: Literal["membrane", "count"] = "membrane"
    """scores of the classes: the output membrane summed over steps, or spike counts (as in the paper)"""
    temperature: Annotated[float, Field(ge=1 / 1024, le=1024)] = 1
    """temperature of the softmax; 1 is the paper's for spike counts"""
    final_temperature: Annotated[float, Field(ge=1 / 1024, le=1024)] | None = None
    """temperature in the last generation; constant by default"""
    spike_cost: Annotated[float, Field(ge=0, le=1)] = 0
    """cost of each spike of a hidden neuron in the fitness of a sample, in bits of log-likelihood, in steps
    of 2^-16 bit; 0: spikes are free"""
    shaping: Literal["scaled", "rank", "sign"] = "scaled"
    """shaped fitness of a direction: difference over mean difference, centred rank, or sign"""

    learning_rate: Annotated[float, Field(ge=0, le=127)] = 2
    """mean step of a weight in the first generation (with momentum: of the smoothed direction)"""
    final_learning_rate: Annotated[float, Field(ge=0, le=127)] = 0.05
    """the same in the last generation"""
    output_rate: Annotated[float, Field(ge=0, le=127)] = 1
    """learning rate of the output layer, as a multiple of that of the other layers"""
    bias_rate: Annotated[float, Field(ge=0, le=127)] = 1
    """learning rate of biases, as a multiple of that of weights; 0 freezes the biases"""
    schedule: Literal["geometric", "linear"] = "geometric"
    """how learning rate, noise and temperature go from first to last generation"""
    target_rate: Annotated[float, Field(ge=0, le=1), Since.LATER] = 0
    """homeostasis: spikes of a hidden neuron per step that its bias is moved towards in each generation; 0:
    no homeostasis"""
    homeostasis_rate: Annotated[float, Field(ge=1 / 1024, le=127), Since.LATER] = 1
    """largest step of a bias towards the target rate, as a multiple of the learning rate of weights"""
    momentum_bits: Annotated[int, Field(ge=0, le=6)] = 3
    """momentum 1 - 2^-MOMENTUM_BITS; 0: no momentum, and no state for it"""
    decay: Annotated[float, Field(ge=0, le=1)] = 0
    """weight decay: fraction of a weight that is subtracted in each generation"""
    fraction_bits: Annotated[int, Field(ge=0, le=8)] = 8
    """fraction bits that a synapse keeps below its 8-bit weight"""

    evaluate_every: Annotated[int, Field(ge=1)] = 25
    """generations between two validations"""
    validation_samples: Annotated[int, Field(ge=1)] = 2000
    """samples of the validation set that are used"""

    @model_validator(mode="after")
    def _fits(self) -> "Settings":
        if self.pairs % self.groups:
            raise ValueError(
                f"pairs {self.pairs} cannot be divided among groups {self.groups} evenly; "
                f"make one a multiple of the other"
            )
        self._check_layers()
        check_rules(self)
        for name, first, last in (
            ("learning_rate", self.learning_rate, self.final_learning_rate),
            ("noise", 1, self.final_noise),
            ("temperature", self.temperature, self.last_temperature),
        ):
            if self.schedule == "geometric" and not (0 < last <= first or last == first):
                raise ValueError(
                    f"a geometric schedule falls, and not to 0: {name} {first} to "
                    f"final_{name} {last} needs --schedule linear"
                )
        return self

    def _check_layers(self) -> None:
        """Raise ValueError where layers are no layers, or have no way to learn."""
        if self.feedback is not None and self.credit != "error":
            raise ValueError(
                f"feedback {self.feedback!r} with credit {self.credit!r}: hidden layers learn either from "
                f"errors or from the fitness of whole passes; leave the feedback out, or use --credit error"
            )
        if self.layers is None:
            return
        of_text(self.layers)
        if self.feedback is None and self.credit == "error":
            raise ValueError(
                f"layers {self.layers!r} with credit 'error' and no feedback: every hidden layer needs an "
                f"error; use --recipe deep or --feedback gate-local, or --credit fitness"
            )
        if self.hidden != type(self).model_fields["hidden"].default:
            raise ValueError(
                f"layers {self.layers!r} and hidden {self.hidden}: give the hidden layers once; "
                f"a run that is resumed has its own"
            )

    def key(self) -> dict[str, Any]:
        """All settings, as part of what a result is kept with; those that came later where they matter.

        A later setting at its default is left out, because results of before it are those of its default.
        """
        content = self.model_dump(mode="json")
        return {
            name: content[name]
            for name, field in type(self).model_fields.items()
            if Since.LATER not in field.metadata or getattr(self, name) != field.default
        }

    @property
    def last_temperature(self) -> float:
        """Temperature in the last generation."""
        return self.temperature if self.final_temperature is None else self.final_temperature


def network(settings: Settings, inputs: int, classes: int) -> Network:
    """The network of a run on data with `inputs` inputs and `classes` classes."""
    output_threshold = SILENT if settings.readout == "membrane" else settings.vth_mant
    sizes = (*settings.hidden, classes)
    names = [f"hidden{index + 1}" for index in range(len(settings.hidden))]
    if len(names) == 1:
        names = ["hidden"]
    return Network.chain(
        inputs,
        [
            Population(
                name,
                size,
                vth_mant=output_threshold if name == "output" else settings.vth_mant,
                du=settings.du,
                dv=settings.dv,
                bias_exp=BIAS_EXP,
            )
            for name, size in zip((*names, "output"), sizes, strict=True)
        ],
    )


def fresh_state(settings: Settings, network: Network) -> SynapticState:
    """The synaptic state that a run on `network` begins with."""
    return initial_state(
        network,
        [settings.initial_std] * len(network.parameters),
        seed=settings.seed,
        fraction_bits=settings.fraction_bits,
        momentum=settings.momentum_bits > 0,
    )


def noise(settings: Settings, network: Network) -> NoiseSpec:
    """Noise of the members in the first generation: one integer scale per layer, in units of u."""
    layers = network.layers
    rules = rules_of(settings, len(layers))
    sigmas = [*[settings.sigma] * (len(layers) - 1), settings.sigma_output]
    units = [1 << connection.current_shift for connection, _ in layers]
    scales = [
        rule.scale(sigma, unit, settings)
        for rule, sigma, unit in zip(rules, sigmas, units, strict=True)
    ]
    kinds = [rule.noise for rule in rules]
    return NoiseSpec(
        scale=tuple(scales),
        bias_scale=tuple(
            round(settings.sigma_bias * u / FACTOR_STD[settings.noise]) for u in units
        ),
        rank=settings.rank,
        graded=settings.noise == "graded",
        full_rank="full-rank" in kinds,
        aligned=tuple(
            kind == "current" and scale > 0 for kind, scale in zip(kinds, scales, strict=True)
        )
        if "current" in kinds
        else (),
        period=settings.noise_period,
        window=settings.noise_window << limits.STATE_SHIFT,
        one_sided=settings.estimator == "one-sided",
    )


def _multiplier(settings: Settings) -> float:
    """Factor from a score to a logit, times 2^MULTIPLIER_BITS."""
    if settings.readout == "membrane":
        unit = (1 << FRACTION) / (1 << MEMBRANE_BITS)
    else:
        unit = (1 << FRACTION) * log2(2.718281828459045) / settings.steps
    return unit / settings.temperature * (1 << MULTIPLIER_BITS)


def readout(settings: Settings) -> ReadoutSpec:
    """Readout of the first generation. Logits are in base 2; for spike counts at temperature 1 they equal
    the paper's mean rate in nats."""
    multiplier = max(1, round(_multiplier(settings)))
    cost = round(settings.spike_cost * (1 << FRACTION + COST_BITS))
    if settings.spike_cost:
        cost = max(1, cost)
    return ReadoutSpec(settings.readout == "membrane", multiplier, MULTIPLIER_BITS, cost)


class Schedule:
    """A schedule from `first` to `last` over the generations, in integers with RATE_BITS fraction bits."""

    def __init__(self, first: float, last: float, settings: Settings) -> None:
        self._first = round(first * (1 << RATE_BITS))
        self._last = round(last * (1 << RATE_BITS))
        if last > 0:
            self._last = max(1, self._last)  # a geometric schedule never gets to 0
        self._of = settings.generations
        self._geometric = settings.schedule == "geometric" and self._first > 0
        self._log2 = round(log2(self._last / self._first) * (1 << 20)) if self._geometric else 0

    def at(self, generation: int) -> int:
        """The value in generation 0 .. generations - 1."""
        if self._geometric:
            return _times_power_of_two(self._first, self._log2 * generation // self._of)
        return self._first + (self._last - self._first) * generation // self._of


class TrainingSchedules:
    """Schedules of learning rate, noise and temperature, in fixed point: only integers from here on."""

    def __init__(
        self, settings: Settings, layers: int, outputs: Sequence[bool] | None = None
    ) -> None:
        """outputs: of each parameter, is it a readout's? By default the last of `layers` alone is."""
        self._rate = Schedule(settings.learning_rate, settings.final_learning_rate, settings)
        self._noise = Schedule(1, settings.final_noise, settings)
        self._temperature = Schedule(1, settings.last_temperature / settings.temperature, settings)
        self._multiplier = Fraction(_multiplier(settings))
        self._readout = readout(settings)
        self._decay = round(settings.decay * (1 << RATE_BITS))
        self._fraction_bits = settings.fraction_bits
        self._outputs = outputs or [index == layers - 1 for index in range(layers)]
        self._bias_rate = Fraction(settings.bias_rate)
        self._output_rate = Fraction(settings.output_rate)
        self._homeostasis_rate = Fraction(settings.homeostasis_rate)

    def rates(self, generation: int) -> list[Rates]:
        """Rates of generation 0 .. generations - 1, one for each layer."""
        mean = self._rate.at(generation)
        return [
            self._of_layer(int(mean * self._output_rate) if output else mean)
            for output in self._outputs
        ]

    def _of_layer(self, mean: int) -> Rates:
        of_bias = (mean << BIAS_FRACTION_BITS) * 128
        bias = int(of_bias * self._bias_rate) >> BIAS_EXP
        to_target = int(of_bias * self._homeostasis_rate) >> BIAS_EXP
        return Rates(mean << self._fraction_bits, bias, self._decay, to_target)

    def noise(self, first: NoiseSpec, generation: int) -> NoiseSpec:
        """The scheduled noise of a generation; no scale above 0 is rounded to 0."""
        share = self._noise.at(generation)

        def left(scales: tuple[int, ...]) -> tuple[int, ...]:
            half = 1 << (RATE_BITS - 1)
            return tuple(scale and max(1, (scale * share + half) >> RATE_BITS) for scale in scales)

        return first._replace(scale=left(first.scale), bias_scale=left(first.bias_scale))

    def readout(self, generation: int) -> ReadoutSpec:
        """The readout at the generation's temperature."""
        multiplier = round((self._multiplier * (1 << RATE_BITS)) / self._temperature.at(generation))
        return self._readout._replace(multiplier=max(1, multiplier))


def _times_power_of_two(value: int, exponent: int) -> int:
    """value * 2^(exponent / 2^20) for an exponent up to 0: table and shift, as in the readout."""
    below = -exponent >> (20 - FRACTION)
    return value * int(exp2_table()[below % (1 << FRACTION)]) >> (ONE + (below >> FRACTION))
