"""Networks on the chip: the same scores from whatever runs them."""

import numpy as np
import pytest

from neurosim.app.experiments import emulated, on_chip
from neurosim.data.frames import pack
from neurosim.network import NetworkError, Weights
from neurosim.network.layers import LayerRegisters, network_of_layers, of_text
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import state_of


@pytest.mark.parametrize("shape", [(24,), (2, 3, 4)])
@pytest.mark.parametrize(
    "layers", ["dense 8", "dense 8, dense 5", "conv 3 2x2, dense 6", "dense 8 delays 0 2"]
)
def test_scores_are_the_emulators_for_rows_and_for_maps(shape, layers):
    if "conv" in layers and len(shape) == 1:
        return
    network, weights, frames = case(shape, layers)
    found = on_chip.passed(network, weights, frames, True)
    assert np.array_equal(found.scores, emulated.forward(network, weights, frames).scores(True))


def test_the_fused_kernel_refuses_an_input_that_is_a_map():
    network, weights, _ = case((2, 3, 4), "dense 8")
    assert not network.is_dense_chain
    none = (0, 0)
    with pytest.raises(NetworkError, match="none of them a map"):
        Evaluator(
            network,
            state_of(weights),
            seed=0,
            noise=NoiseSpec(none, none),
            readout_spec=ReadoutSpec(True, 1, 0),
        )


def case(shape, layers):
    """A network with weights that tell its inputs apart, and samples."""
    rng = np.random.default_rng(3)
    found = of_text(layers)
    network = network_of_layers(
        shape, found, 4, [LayerRegisters(150, 4095, 400, 0)] * (len(found) + 1)
    )
    weights = Weights(
        tuple(
            rng.integers(-60, 60, (p.rows, p.columns)).astype(np.int8)
            for _, p in network.parameters
        ),
        tuple(
            np.zeros(p.shape[0] if len(p.shape) > 1 else p.neurons, np.int16)
            for p in network.populations
        ),
    )
    bits = rng.integers(0, 2, (9, 6, 24)).astype(np.uint8)
    return network, weights, pack(bits, np.zeros(9, int))
