"""Energy estimates: counted operations times published constants."""

import numpy as np
import pytest

from neurosim.chip import energy
from neurosim.chip.emulator import Chip
from neurosim.network import Network, Population

COUNTED = {
    "synaptic_operations": 1000,
    "relay_operations": 0,
    "active_updates": 50,
    "inactive_updates": 20,
    "input_spikes": 40,
    "spikes": 10,
    "messages": 60,
    "hops_east_west": 7,
    "hops_north_south": 3,
}


def chip():
    rng = np.random.default_rng(2)
    layers = [Population("hidden", 128, 60, dv=400), Population("out", 10, 60, dv=400)]
    network = Network.chain(2312, layers)
    weights = {
        "input->hidden": 2 * rng.integers(-9, 9, (128, 2312)),
        "hidden->out": 2 * rng.integers(-9, 9, (10, 128)),
    }
    return Chip(network, weights), (rng.random((5, 10, 2312)) < 0.05).astype(np.uint8)


def test_davies_by_hand():
    """1000 * 23.6 + 50 * 81 + 20 * 52 + 60 * 1.7 + 7 * 3 + 3 * 4 pJ; 104 mW for the time."""
    estimate = energy.of_counts(COUNTED, energy.DAVIES_2018, cores=4, steps=10)
    assert estimate.dynamic_pj == pytest.approx(23600 + 4050 + 1040 + 102 + 21 + 12)
    busy = 3500 + 420 + 106 + 126 + 28.7 + 19.5
    assert estimate.time_ns == pytest.approx(busy / 4 + 10 * 113)
    assert estimate.total_pj == pytest.approx(28825 + 104 * estimate.time_ns)


def test_sana_fe_by_hand():
    estimate = energy.of_counts(COUNTED, energy.SANA_FE, cores=1, steps=1, sparse=400)
    wanted = 600 * 35.5 + 400 * 33.6 + 50 * 72.8 + 20 * 51.2 + 10 * 69.3 + 60 * 111 + 21 + 12.6
    assert estimate.total_pj == pytest.approx(wanted)


@pytest.mark.parametrize("costs", energy.PRESETS.values(), ids=lambda c: c.name)
def test_an_inference_is_the_hand_count(costs):
    made, spikes = chip()
    recording = made.run(spikes)
    hidden = int(recording.spikes["hidden"].sum())
    out = int(recording.spikes["out"].sum())
    inputs = int(spikes.sum())
    active = int(recording.counters.active_updates.sum())
    pj = (
        (128 * inputs + 10 * hidden) * costs.synaptic_operation.pj
        + active * costs.update_active.pj
        + (5 * 10 * 138 - active) * costs.update_inactive.pj
        + (hidden + out) * costs.spike.pj
        + (3 * inputs + hidden) * costs.message.pj
    )
    inference, step = energy.of_recording(recording, made.placement, costs)
    assert inference.dynamic_pj == pytest.approx(pj / 5, rel=1e-9)
    assert step.total_pj == pytest.approx(inference.total_pj / 10, rel=1e-9)
    assert "estimate" in inference.label
    assert costs.source in inference.label


def test_training_counts_passes_draws_updates_and_messages():
    made, spikes = chip()
    counted = {n: v / 5 for n, v in made.run(spikes).counters.total().items()}
    estimate = energy.training(
        made.network, counted, made.placement, energy.Evolution(10, 8, 4, 3, 2)
    )
    rows = {row.operation: row for row in estimate.rows}
    assert rows["synaptic operations"].number == pytest.approx(
        counted["synaptic_operations"] * 2 * 8 * 4 * 3
    )
    bits = 2 * (2312 + 128 + 128 + 10) + 138
    assert rows["random numbers"].number == 2 * 3 * 8 * -(-bits // 32)
    assert rows["weight updates"].number == 3 * (2312 * 128 + 128 * 10)
    assert rows["update sums"].number == 3 * 8 * 2 * (2312 * 128 + 128 * 10)
    assert rows["fitness messages"].number == 3 * 8 * (2 * 4 + 2)
    assert rows["relay operations"].number > 0
    assert "estimate of 3 generations of 8 pairs, rank 2" in estimate.label
    apart = energy.training(
        made.network, counted, made.placement, energy.Evolution(10, 8, 4, 3, 2, directions=2)
    )
    more = {row.operation: row.number / rows[row.operation].number for row in apart.rows}
    assert more.pop("random numbers") == more.pop("update sums") == 2
    assert more.pop("fitness messages") == (3 * 4 + 2) / (2 * 4 + 2)
    assert set(more.values()) == {1}


def test_the_training_of_a_rule_counts_its_own_noise_and_passes():
    made, spikes = chip()
    counted = {n: v / 5 for n, v in made.run(spikes).counters.total().items()}
    synapses, readout = 2312 * 128 + 128 * 10, 128 * 10

    def rows(**more):
        run = energy.Evolution(10, 8, 4, 3, 2)._replace(**more)
        estimate = energy.training(made.network, counted, made.placement, run)
        return {row.operation: row.number for row in estimate.rows}

    full = rows(noise="full-rank")
    assert full["relay operations"] == pytest.approx(full["synaptic operations"])
    assert full["update sums"] == 3 * 8 * synapses
    drawn = full["synaptic operations"] / 32 + 3 * 8 * -(-(synapses + 138) // 32)
    assert full["random numbers"] == pytest.approx(drawn)
    local = rows(noise="current", samples_per_pair=1, unperturbed=5, readout="error", by_error=True)
    assert local["synaptic operations"] == pytest.approx(
        counted["synaptic_operations"] * 3 * (2 * 8 + 5)
    )
    assert local["relay operations"] == 3 * 2 * 8 * 10 * 128
    assert local["random numbers"] == 3 * 2 * 8 * (10 * 128 // 32)
    sums = 5 * counted["synaptic_operations"] + 2 * 5 * readout
    assert local["update sums"] == pytest.approx(3 * sums)
    assert local["fitness messages"] == 3 * 5 * 10 * 4
    frozen = rows(readout="nothing")
    assert frozen["weight updates"] == 3 * (synapses - readout)
    assert frozen["update sums"] == 3 * 8 * 2 * (synapses - readout)
