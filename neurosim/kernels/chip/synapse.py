"""Chip synapses: currents of the spikes of one step, and the step in which they act.

    sum[j]  = sum over spikes i of value[i] * stored[i, j]
    ring[(t + delay) % slots, j] += (sum[j] >> right) << left

The cost is proportional to the spikes: only the rows of sources that fired are read. `right` is above 0
only where a profile applies a negative exponent to the sum; everything else is folded into `stored` and
`left`. A perturbation of rank r is r graded relay neurons: relay[k] = sum of value * B[k, i] over the
spikes, and ring += scale * sum over k of A[k, j] * relay[k].
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint64

from neurosim.kernels.compilation import kernel

ISOLATED = 67
"""2 is a primitive root modulo 67, so 2^k % 67 tells k apart for k = 0..63."""
NARROW, WIDE = range(2)
"""int8 synapses summed in int32, or int32 synapses summed in int64."""
BIT_OF = np.zeros(ISOLATED, np.int32)
for _k in range(64):
    BIT_OF[(1 << _k) % ISOLATED] = _k


class Projections(NamedTuple):
    """Synapses with one source group, one target population and one delay; arrays (projection,).

    target        first target neuron;  targets: number of them
    base          dense: where row 0 starts in `stored`; sparse: where its row starts are in `rows`
    dense         1 or 0
    right, left   shifts of the sum
    delay         steps from the spike to its effect, latency included
    graded        1 if the value of a spike counts, 0 if any spike is a 1
    sources       size of the source group
    first_column  sparse: `stored` index - `columns` index
    rank, scale   of the perturbation, 0 for none
    factor_a      where A (rank, targets) starts in `factors`;  factor_b: B (rank, sources)
    kind          int64 (1,): NARROW or WIDE
    narrow        int8 (synapse,);  wide: int32; one is in use, the other is empty
    columns       int32 (sparse synapse,) target of each
    rows          int64; row i of a sparse projection: synapses rows[base+i] .. rows[base+i+1]-1
    """

    target: Any
    targets: Any
    base: Any
    dense: Any
    right: Any
    left: Any
    delay: Any
    graded: Any
    sources: Any
    first_column: Any
    rank: Any
    scale: Any
    factor_a: Any
    factor_b: Any
    kind: Any
    narrow: Any
    wide: Any
    columns: Any
    rows: Any
    factors: Any


@kernel
def list_bits(words, events):
    """Write the numbers of the set bits of `words` to `events`; returns how many there are."""
    count = 0
    for w in range(words.size):
        word = words[w]
        while word != uint64(0):
            rest = word & (word - uint64(1))
            events[count] = int32(64 * w) + BIT_OF[int64((word ^ rest) % uint64(ISOLATED))]
            count += 1
            word = rest
    return count


@kernel
def list_values(row, events, values):
    """Write the numbers and values of the entries of `row` that are not 0; returns how many."""
    count = 0
    for i in range(row.size):
        if row[i] != 0:
            events[count] = int32(i)
            values[count] = row[i]
            count += 1
    return count


@kernel
def add_row(total, row):
    for j in range(total.size):
        total[j] += row[j]


@kernel
def add_rows(total, a, b, c, d):
    """Four rows at once: the total is read and written once."""
    for j in range(total.size):
        total[j] += int32(int32(a[j]) + int32(b[j])) + int32(int32(c[j]) + int32(d[j]))


@kernel
def add_scaled_row(total, row, value):
    for j in range(total.size):
        total[j] += row[j] * value


@kernel
def sum_dense(total, stored, base, events, values, count, graded):
    """total[j] = sum over the spikes of the dense rows."""
    n = total.size
    total[:] = 0
    if graded:
        for e in range(count):
            start = base + events[e] * int64(n)
            add_scaled_row(total, stored[start : start + n], values[e])
        return
    whole = count - (count & 3)
    for e in range(0, whole, 4):
        a = base + events[e] * int64(n)
        b = base + events[e + 1] * int64(n)
        c = base + events[e + 2] * int64(n)
        d = base + events[e + 3] * int64(n)
        add_rows(total, stored[a : a + n], stored[b : b + n], stored[c : c + n], stored[d : d + n])
    for e in range(whole, count):
        start = base + events[e] * int64(n)
        add_row(total, stored[start : start + n])


@kernel
def sum_sparse(total, stored, columns, rows, first_column, events, values, count, graded):
    """total[j] = sum over the spikes of the sparse rows."""
    total[:] = 0
    for e in range(count):
        value = values[e] if graded else int32(1)
        for k in range(rows[events[e]], rows[events[e] + 1]):
            total[columns[k - first_column]] += stored[k] * value


@kernel
def sum_rows(total, stored, projections, p, events, values, count):
    """total[j] = sum over the spikes of their rows."""
    graded = projections.graded[p] != 0
    if projections.dense[p] != 0:
        sum_dense(total, stored, projections.base[p], events, values, count, graded)
    else:
        sum_sparse(
            total,
            stored,
            projections.columns,
            projections.rows[projections.base[p] :],
            projections.first_column[p],
            events,
            values,
            count,
            graded,
        )


@kernel
def count_read(projections, p, events, count):
    """Number of synapses that the spikes read."""
    if projections.dense[p] != 0:
        return count * projections.targets[p]
    rows = projections.rows[projections.base[p] :]
    read = int64(0)
    for e in range(count):
        read += rows[events[e] + 1] - rows[events[e]]
    return read


@kernel
def add_shifted(slot, total, right, left):
    for j in range(total.size):
        slot[j] += (int64(total[j]) >> right) << left


@kernel
def relay(projections, p, slot, events, values, count, graded):
    """Add a perturbation's current to `slot`; returns the operations: rank * (spikes + targets)."""
    rank, targets, sources = projections.rank[p], projections.targets[p], projections.sources[p]
    for k in range(rank):
        b = projections.factor_b[p] + k * sources
        sum_b = int64(0)
        for e in range(count):
            value = values[e] if graded else int32(1)
            sum_b += int64(projections.factors[b + events[e]]) * value
        sum_b *= projections.scale[p]
        a = projections.factor_a[p] + k * targets
        for j in range(targets):
            slot[j] += projections.factors[a + j] * sum_b
    return rank * (count + targets)


@kernel
def deposit(projections, p, ring, step, events, values, count, total, total_wide):
    """Send the spikes of a step through projection p; returns (synaptic, relay) operations."""
    targets, target = projections.targets[p], projections.target[p]
    slot = ring[(step + projections.delay[p]) % ring.shape[0], target : target + targets]
    right, left = projections.right[p], projections.left[p]
    if projections.kind[0] == WIDE:
        sum_rows(total_wide[:targets], projections.wide, projections, p, events, values, count)
        add_shifted(slot, total_wide[:targets], right, left)
    else:
        sum_rows(total[:targets], projections.narrow, projections, p, events, values, count)
        add_shifted(slot, total[:targets], right, left)
    relayed = int64(0)
    if projections.rank[p] > 0:
        relayed = relay(projections, p, slot, events, values, count, projections.graded[p] != 0)
    return count_read(projections, p, events, count), relayed
