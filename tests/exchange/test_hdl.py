"""Memory images of a run: network, activity and noise of the chip."""

import json

import naive
import numpy as np
import pytest
import rtl_cases
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data import frames
from neurosim.export import memory_images
from neurosim.export.hdl import core, parameters
from neurosim.export.memory_images import ImageError
from neurosim.network import Network, Population
from neurosim.population.evaluator import ReadoutSpec


@given(strategies.chains(), st.integers(1, 3), st.integers(0, 99), strategies.SEEDS)
def test_the_bits_of_a_pair_are_the_noise_it_carries(network, rank, pair, seed):
    for layer, (connection, population) in enumerate(network.layers):
        drawn = core.perturbation(network, layer, rank, pair, 7, seed)
        for bits, stream, words in (
            (drawn.a, naive.OUTPUT_FACTOR, naive.lane_words(population.neurons)),
            (drawn.b, naive.INPUT_FACTOR, naive.noise_rows(network)[layer]),
        ):
            field = naive.Field(stream, layer, pair, 7, seed)
            wanted = [naive.numbers(field, bits.shape[1], words, r, False) for r in range(rank)]
            assert (2 * bits.astype(int) - 1).tolist() == wanted
        assert drawn.b.shape == (rank, network.sizes[connection.source])


@given(strategies.cases(layers=2))
def test_images_are_what_a_naive_network_does(case):
    made = core.images(case.network, case.weights, case.frames)
    images = {image.name: image.values for image in made}
    for sample, dense in enumerate(case.dense):
        seen = naive.run(case.network, case.weights, dense)
        rows = slice(sample * len(dense), (sample + 1) * len(dense))
        assert np.array_equal(images["stim"][rows], dense)
        for layer, spikes in enumerate(seen.spikes):
            assert images[f"spikes_L{layer}"][rows].tolist() == spikes
            after = np.where(np.array(spikes) > 0, 0, seen.membranes[layer])
            assert images[f"v_L{layer}"][rows].tolist() == after.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_a_chip_made_from_the_files_does_the_same(tmp_path, seed):
    read = memory_images.read(rtl_cases.extreme_folder(tmp_path / "hdl", seed))
    found = core.replay(read)
    assert sorted(found) == sorted(
        name[:-4] for name in read.manifest["files"] if name.startswith(("spikes", "v_"))
    )
    for name, values in found.items():
        assert np.array_equal(values, read.array(name))


def test_a_chip_made_from_other_weights_does_not(tmp_path):
    folder = rtl_cases.extreme_folder(tmp_path / "hdl", 0)
    words = len((folder / "weights_L0.mem").read_text().split())
    (folder / "weights_L0.mem").write_text("0\n" * words)
    read = memory_images.Images(folder, json.loads((folder / "manifest.json").read_text()))
    assert not np.array_equal(core.replay(read)["v_L0"], read.array("v_L0"))


def test_parameters_are_the_same_numbers_in_verilog():
    network = Network.chain(7, [Population("hidden", 5, 60, dv=9), Population("output", 3, 70)])
    learning = {"RANK": 2, "SCALE": [4, 5]}
    values = parameters.parameters(network, 4, 1 << 40, ReadoutSpec(False, 9, 3), learning)
    text = parameters.verilog(values)
    assert "localparam [32*2-1:0] SOURCES = {32'd5, 32'd7};" in text
    assert "localparam [63:0] SEED = 64'h10000000000;" in text
    assert "localparam [32*2-1:0] SCALE = {32'd5, 32'd4};" in text
    assert "localparam STEPS = 4;" in text
    assert values["DV"] == [9, 0]
    assert len(text.splitlines()) == len(values) + 3


def test_what_a_core_cannot_be_is_named():
    uneven = Network.chain(7, [Population("hidden", 2, (60, 61))])
    with pytest.raises(ImageError, match="layer 'hidden': vth_mant is 2 different values"):
        parameters.layers(uneven)
    deep = Network.chain(7, [Population(f"layer{index}", 2, 60) for index in range(11)])
    with pytest.raises(ImageError, match="populations is 11 parts"):
        parameters.layers(deep)


def test_a_bias_that_no_register_holds_is_refused():
    network = Network.chain(2, [Population("hidden", 1, 60, bias_mant=4000)])
    weights = strategies.random_weights(network, np.random.default_rng(0))
    weights.biases[0][:] = 1000
    shown = frames.pack(np.zeros((1, 1, 2), np.uint8), [0])
    with pytest.raises(ValueError, match="5000"):
        core.images(network, weights, shown)
