"""Leaky integrate-and-fire neuron.

s[t] = v[t] > threshold                              strictly greater; threshold = vth_mant << 6
v[t] = 0 where s[t]                                  hard reset; u is not reset
"""

from neurosim.kernels.compilation import inlined
from neurosim.kernels.neurons.model import Fired, NeuronKernel
from neurosim.kernels.simd import select, spread


@inlined
def fire(v, threshold, own, registers):
    """One step; the model has no variables and no registers of its own."""
    spikes = v > threshold
    return Fired(threshold, spikes, select(spikes, spread(0, v), v), own)


KERNEL = NeuronKernel(fire, contracts=True)
