"""Registry of the kernels of neuron models, by the models' names. A new model is a file and an entry."""

from neurosim.kernels.neurons import adaptive_lif, lif
from neurosim.kernels.neurons.model import NeuronKernel

KERNELS: dict[str, NeuronKernel] = {"lif": lif.KERNEL, "adaptive_lif": adaptive_lif.KERNEL}
