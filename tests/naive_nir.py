"""NIR's equations by forward Euler: a chain, in float64, layer after layer."""

import numpy as np


def run(layers, spikes, dt):
    """Spikes (step, neuron) of each layer; layers: (Linear or Affine, neurons), spikes (step, input)."""
    found = []
    for matrix, neurons in layers:
        arriving = spikes @ matrix.weight.T + getattr(matrix, "bias", 0.0)
        spikes = RULES[type(neurons).__name__](neurons, arriving, dt)
        found.append(spikes)
    return found


def _fire(neurons, v):
    fired = v > neurons.v_threshold
    return fired, np.where(fired, neurons.v_reset, v)


def _if(n, arriving, dt):
    v, out = n.v_reset, []
    for x in arriving:
        fired, v = _fire(n, v + n.r * x)
        out.append(fired)
    return np.array(out, float)


def _lif(n, arriving, dt):
    v, out = n.v_reset, []
    for x in arriving:
        fired, v = _fire(n, v + dt / n.tau * (n.v_leak - v + n.r * x))
        out.append(fired)
    return np.array(out, float)


def _cuba(n, arriving, dt):
    v, i, out = n.v_reset, 0.0, []
    for x in arriving:
        i = i + dt / n.tau_syn * (n.w_in * x - i)
        fired, v = _fire(n, v + dt / n.tau_mem * (n.v_leak - v + n.r * i))
        out.append(fired)
    return np.array(out, float)


RULES = {"IF": _if, "LIF": _lif, "CubaLIF": _cuba}
