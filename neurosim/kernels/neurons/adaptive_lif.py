"""LIF neuron with an adaptive threshold; source and equations in neurosim/network/neurons/adaptive_lif.py.

s[t] = v[t] > threshold + b[t]
b[t+1] = saturate(D(b[t], decay) + rise * s[t])
"""

from neurosim.kernels.arithmetic import decayed, saturate
from neurosim.kernels.compilation import inlined
from neurosim.kernels.neurons.model import Fired, NeuronKernel
from neurosim.kernels.simd import select, spread


@inlined
def fire(v, threshold, own, registers):
    """One step; own: b; registers: rise in units of v, decay 0..4095."""
    (b,) = own
    rise, decay = registers
    zero = spread(0, v)
    threshold = threshold + b
    spikes = v > threshold
    b = saturate(decayed(b, decay) + select(spikes, spread(rise, v), zero))
    return Fired(threshold, spikes, select(spikes, zero, v), (b,))


KERNEL = NeuronKernel(fire, variables=1, registers=2, contracts=True)
