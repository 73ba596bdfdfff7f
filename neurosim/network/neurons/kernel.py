"""The compiled kernel of a population's neuron model; imported by executors, not by descriptions."""

from neurosim.kernels.neurons.model import NeuronKernel
from neurosim.kernels.neurons.registry import KERNELS
from neurosim.network.description import Population
from neurosim.network.errors import NetworkError


def kernel_of(population: Population) -> NeuronKernel:
    """Raises NetworkError for a model that has none, or whose own registers the kernel does not take."""
    model = population.model
    if model.name not in KERNELS:
        raise NetworkError(
            f"population {population.name!r}: neuron model {model.name!r} has no kernel; there are "
            f"{sorted(KERNELS)} (neurosim/kernels/neurons/registry.py)"
        )
    kernel, given = KERNELS[model.name], len(model.registers())
    if given != kernel.registers:
        raise NetworkError(
            f"population {population.name!r}: neuron model {model.name!r} has {given} own registers; its "
            f"kernel takes {kernel.registers}"
        )
    return kernel
