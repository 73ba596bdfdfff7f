"""Noise of population members on weights, and the current that it adds for the spikes of a layer.

    low rank    E = sum_r A_r B_r^T       noise current of neuron k = scale * sum_r A_rk * (x . B_r)
    full rank   E itself                  noise current of neuron k = scale * (x . E_k)
    aligned     one number per step       noise current of neuron k = scale * xi_k(t)

(EGGROLL, arXiv 2511.16652, section 4; paper section 2.5.) A noise number is `planes` random bits:

    Rademacher  2 * bit - 1                                  one plane,  standard deviation 1
    graded      popcount of 16 bits - 8 = sum_p 2^p bit_p - 8   five planes, standard deviation 2

so x . B is a weighted sum of popcounts of x & plane. E is never stored: a member needs rank * (inputs +
neurons) numbers while it is evaluated, and they are drawn again for the update.

Noise is numbered by direction. Antithetic members +E and -E share one direction, number p for pair p;
one-sided members have one each, 2p and 2p + 1. The second member has its noise with a minus sign in both
cases.
"""

import numpy as np
from numba import int32, int64, uint16, uint64

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.generator import (
    ALIGNED,
    BIAS,
    FULL_RANK,
    INPUT_FACTOR,
    OUTPUT_FACTOR,
    Field,
    draw_words,
    lane_words,
)
from neurosim.kernels.simd import (
    WIDTH,
    WORDS,
    bit_length,
    lane_index,
    load,
    load_words,
    pointer,
    popcounts,
    select,
    spikes_of,
    splat,
    store,
    store_words,
    total,
)

GRADED_BITS = 16
GRADED_PLANES = 5
GRADED_OFFSET = 8
FEW = 4
"""Largest number of words of a graded field whose bits are all drawn at once."""
ONE_NUMBER = np.int64(1)
FIRST = np.int64(0)
"""Typed, since a literal would compile the callee once more."""


@kernel
def planes_of(graded):
    """Planes of one noise number."""
    return GRADED_PLANES if graded else 1


@kernel
def weighted(planes_sum, ones, graded):
    """x . noise from sum_p 2^p popcount(x & plane_p) and popcount(x); also one number, with ones = 1."""
    if graded:
        return planes_sum - GRADED_OFFSET * ones
    return 2 * planes_sum - ones


@kernel
def draw_noise(out, at, words, begin, count, component, graded, field):
    """Write the planes of words `begin` .. `begin + count - 1` of a noise field to uint64 `out`.

    A field has 64 * `words` numbers; `words`, `begin` and `count` are even. Planes follow each other,
    `count` words each. `component` counts the parts of Field `field`, of as many words each (the rank).
    """
    if not graded:
        first = component * words + begin
        draw_words(out, at, first, count, field)
        return
    planes, raw = pointer(out), at + GRADED_PLANES * count
    for index in range(GRADED_PLANES * count):
        out[at + index] = uint64(0)
    together = count == words and words <= FEW
    if together:  # the fields of the bits are consecutive: one call draws them all
        first = component * GRADED_BITS * words
        draw_words(out, raw, first, GRADED_BITS * words, field)
    whole = count // WORDS * WORDS
    for bit in range(GRADED_BITS):
        if together:
            from_ = raw + bit * words
        else:
            from_ = raw
            first = (component * GRADED_BITS + bit) * words + begin
            draw_words(out, raw, first, count, field)
        reached = bit_length(uint64(bit + 1))  # planes that bit + 1 ones can reach
        for word in range(0, whole, WORDS):
            carries = load_words(planes, from_ + word)
            for plane in range(reached):
                place = at + plane * count + word
                old = load_words(planes, place)
                store_words(planes, place, old ^ carries)
                carries = old & carries
        for word in range(whole, count):
            carry = out[from_ + word]
            for plane in range(reached):
                place = at + plane * count + word
                out[place], carry = out[place] ^ carry, out[place] & carry


@kernel
def noise_words(words, graded):
    """Length of `out` that `draw_noise` needs: the planes, and scratch for raw bits if graded."""
    if not graded:
        return words
    return (GRADED_PLANES + (GRADED_BITS if words <= FEW else 1)) * words


@kernel
def noise_number(planes, offset, words, index, graded):
    """Number `index` of a noise field written by `draw_noise`."""
    value = int64(0)
    for plane in range(planes_of(graded)):
        word = planes[offset + plane * words + (index >> 6)]
        value += int64((word >> uint64(index & 63)) & uint64(1)) << plane
    return weighted(value, ONE_NUMBER, graded)


@inlined
def noise_lanes(planes, at, words, first, graded):
    """Noise numbers `first` .. `first + 15` of a field written by `draw_noise`."""
    zero = splat(int32(0))
    total = zero
    for plane in range(planes_of(graded)):
        word = planes[at + plane * words + (first >> 6)]
        bits = spikes_of(uint16(word >> uint64(first & 63)))
        total = total + select(bits, splat(int32(ONE_NUMBER << plane)), zero)
    if graded:
        return total - splat(int32(GRADED_OFFSET))
    return total + total - splat(int32(1))


@inlined
def dot(spikes, at, planes, offset, words, graded):
    """x . B for one row of spikes and one noise field."""
    row = load_words(spikes, at)
    ones = popcounts(row)
    hits = popcounts(row & load_words(planes, offset))
    for word in range(WORDS, words, WORDS):
        row = load_words(spikes, at + word)
        ones = ones + popcounts(row)
        hits = hits + popcounts(row & load_words(planes, offset + word))
    if not graded:
        return total(hits + hits - ones)
    result = total(hits) - GRADED_OFFSET * total(ones)
    for plane in range(1, GRADED_PLANES):
        first = offset + plane * words
        hits = popcounts(load_words(spikes, at) & load_words(planes, first))
        for word in range(WORDS, words, WORDS):
            hits = hits + popcounts(
                load_words(spikes, at + word) & load_words(planes, first + word)
            )
        result += total(hits) << plane
    return result


@kernel
def draw_lanes(out, at, neurons, component, graded, scale, field, raw):
    """Write `scale` times one noise number a neuron to `out`, whole vectors; `raw` is scratch."""
    words = lane_words(neurons)
    draw_noise(raw, FIRST, words, FIRST, words, component, graded, field)
    size = splat(int32(scale))
    for first in range(0, neurons, WIDTH):
        number = noise_lanes(raw, FIRST, words, first, graded) * size
        real = splat(int32(neurons - first)) > lane_index()
        store(out, at + first, select(real, number, splat(int32(0))))


@inlined
def perturbs(noise, layer, direction):
    """Whether this direction perturbs this layer: directions alternate between the event-aligned layers."""
    aligned_index = noise.aligned_index[layer]
    return noise.scale[layer] != 0 and (
        aligned_index < 0 or direction % noise.aligned_layers == aligned_index
    )


@inlined
def draw_aligned_bits(chain, noise, layer, steps, direction, generation, scratch):
    """`draw_aligned` of noise that is not graded: the fields of the steps are consecutive."""
    count = steps * lane_words(chain.neurons[layer])
    field = Field(ALIGNED, layer, direction, generation, noise.seed)
    draw_words(scratch.inputs, chain.noise_at[layer], FIRST, count, field)


@inlined
def draw_aligned(chain, noise, layer, steps, direction, generation, scratch):
    """Draw the event-aligned noise of one direction for one layer to scratch.inputs."""
    if not noise.graded:
        draw_aligned_bits(chain, noise, layer, steps, direction, generation, scratch)
        return
    width = lane_words(chain.neurons[layer])
    field = Field(ALIGNED, layer, direction, generation, noise.seed)
    for t in range(steps):
        at = chain.noise_at[layer] + t * noise_words(width, noise.graded)
        draw_noise(scratch.inputs, at, width, FIRST, width, t, noise.graded, field)


@kernel
def draw_direction(chain, noise, steps, direction, generation, scratch):
    """Draw the noise of one direction, of all layers, to the scratch arrays of `scratch`.

    scratch.inputs      uint64: planes of B (or of E), a layer from chain.noise_at[layer] on
    scratch.outputs     int32 (layer, rank, lane): A times the layer's scale
    scratch.bias_noise  int32 (layer, lane)
    """
    for layer in range(chain.layers):
        neurons, words = chain.neurons[layer], chain.words[layer]
        row = noise_words(words, noise.graded)
        scale = noise.scale[layer] if perturbs(noise, layer, direction) else FIRST
        if scale != 0 and noise.aligned_index[layer] >= 0:
            draw_aligned(chain, noise, layer, steps, direction, generation, scratch)
        elif scale != 0 and noise.full_rank:
            field = Field(FULL_RANK, layer, direction, generation, noise.seed)
            for neuron in range(neurons):
                at = chain.noise_at[layer] + neuron * row
                draw_noise(scratch.inputs, at, words, FIRST, words, neuron, noise.graded, field)
        elif scale != 0:
            used = words if noise.graded else lane_words(chain.sources[layer])
            of_rows = Field(INPUT_FACTOR, layer, direction, generation, noise.seed)
            field = Field(OUTPUT_FACTOR, layer, direction, generation, noise.seed)
            for r in range(noise.rank):
                at = chain.noise_at[layer] + r * row
                draw_noise(scratch.inputs, at, words, FIRST, used, r, noise.graded, of_rows)
                to = (layer * noise.rank + r) * chain.width
                draw_lanes(scratch.outputs, to, neurons, r, noise.graded, scale, field, scratch.raw)
        if noise.bias_scale[layer] != 0:
            field = Field(BIAS, layer, direction, generation, noise.seed)
            to, size = layer * chain.width, noise.bias_scale[layer]
            draw_lanes(
                scratch.bias_noise, to, neurons, FIRST, noise.graded, size, field, scratch.raw
            )


@inlined
def factor_dot_products(chain, noise, layer, steps, spikes, at, scratch):
    """Write x . B_r of low-rank noise for spikes uint64 (step, word) from `at` on.

    scratch.dots  int32 (rank, step), written
    Returns a bound on the current that they drive.
    """
    words = chain.words[layer]
    row = noise_words(words, noise.graded)
    largest = noise.scale[layer] * (GRADED_OFFSET if noise.graded else ONE_NUMBER)
    max_current = FIRST
    for r in range(noise.rank):
        most = FIRST
        planes = chain.noise_at[layer] + r * row
        for t in range(steps):
            drive = dot(spikes, at + t * words, scratch.inputs, planes, words, noise.graded)
            most = max(most, abs(drive))
            scratch.dots[r * steps + t] = int32(drive)
        max_current += most * largest
    return max_current


@inlined
def low_rank_current(chain, noise, layer, steps, out_at, scratch):
    """Write the noise current int32 (step, lane) of `factor_dot_products` to scratch.noise."""
    lanes = chain.lanes[layer]
    factors = layer * noise.rank * chain.width
    for t in range(steps):
        now = out_at + t * lanes
        for first in range(0, lanes, WIDTH):
            add = load(scratch.outputs, factors + first) * splat(scratch.dots[t])
            for r in range(1, noise.rank):
                factor = load(scratch.outputs, factors + r * chain.width + first)
                add = add + factor * splat(scratch.dots[r * steps + t])
            store(scratch.noise, now + first, add)


@inlined
def full_rank_current(chain, noise, layer, steps, spikes, at, out_at, scratch):
    """Write the noise current int32 (step, lane) of spikes uint64 (step, word) from `at` on.

    Returns a bound on the current's size.
    """
    words, lanes = chain.words[layer], chain.lanes[layer]
    row = noise_words(words, noise.graded)
    max_current = FIRST
    for t in range(steps):
        for neuron in range(chain.neurons[layer]):
            drive = noise.scale[layer] * dot(
                spikes,
                at + t * words,
                scratch.inputs,
                chain.noise_at[layer] + neuron * row,
                words,
                noise.graded,
            )
            scratch.noise[out_at + t * lanes + neuron] = int32(drive)
            max_current = max(max_current, abs(drive))
        for padding in range(chain.neurons[layer], lanes):
            scratch.noise[out_at + t * lanes + padding] = int32(0)
    return max_current


@inlined
def noise_current(chain, noise, layer, steps, spikes, at, out_at, scratch):
    """Write the noise current int32 (step, lane) of spikes uint64 (step, word) from `at` on.

    To scratch.noise from `out_at` on. Returns a bound on the current's size.
    """
    if noise.full_rank:
        return full_rank_current(chain, noise, layer, steps, spikes, at, out_at, scratch)
    max_current = factor_dot_products(chain, noise, layer, steps, spikes, at, scratch)
    low_rank_current(chain, noise, layer, steps, out_at, scratch)
    return max_current
