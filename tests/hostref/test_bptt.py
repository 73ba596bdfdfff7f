"""BPTT: the stated gradient, and resumed trainings."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from float_cases import same, stripes  # noqa: E402

from hostref import bptt, checkpoint, inputs, readout  # noqa: E402
from hostref.backend import DeviceError, choose  # noqa: E402
from hostref.evaluation import evaluate  # noqa: E402
from hostref.settings import BpttSettings, NetworkSettings  # noqa: E402
from hostref.surrogate import spike  # noqa: E402
from hostref.twin import initial  # noqa: E402
from neurosim.data import frames  # noqa: E402
from neurosim.data.sensor import Sensor  # noqa: E402
from neurosim.network import NetworkError  # noqa: E402


def untimed(history):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]


SMALL = BpttSettings(
    network=NetworkSettings(hidden=(24,)), epochs=3, batch=32, learning_rate=5e-3, shift=0
)


def test_a_spike_is_strictly_above_and_its_gradient_is_the_fast_sigmoid():
    v = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    s = spike(v, torch.ones((), dtype=torch.float64), 25.0)
    s.sum().backward()
    assert s.tolist() == [0, 0, 1]
    wanted = [1 / (1 + 25 * 0.5) ** 2, 1.0, 1 / (1 + 25 * 0.5) ** 2]
    assert v.grad.tolist() == pytest.approx(wanted, rel=1e-12)


def test_a_cost_of_spikes_is_added_to_the_loss_in_bits():
    data = stripes()
    free, costly = (SMALL.model_copy(update={"spike_cost": cost}) for cost in (0.0, 0.5))
    model = bptt.build(free, data.train.inputs, data.classes, "cpu")
    start = initial(model, 1, gain=4.0)
    samples = inputs.load(data.train)
    x, labels = samples.batch(slice(0, 40), torch.float32)
    losses = [
        float(bptt.Training(settings, model, None, start)._step(x, labels))
        for settings in (free, costly)
    ]
    x, _ = samples.batch(slice(0, 40), torch.float32)
    spikes = readout.hidden_spikes(model, model.run(start, x))
    assert spikes.mean() > 1
    assert losses[1] - losses[0] == pytest.approx(0.5 * np.log(2) * float(spikes.mean()), rel=1e-5)


def test_networks_whose_spikes_cost_something_spike_less():
    data = stripes()
    seen = [
        bptt.train(SMALL.model_copy(update={"spike_cost": cost}), data).history[-1]
        for cost in (0.0, 0.02)
    ]
    assert seen[1]["spikes_per_sample"] < 0.8 * seen[0]["spikes_per_sample"]


def test_the_unit_of_the_threshold_scales_the_gradient_and_nothing_else():
    v = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    scaled = (v * 640).detach().requires_grad_()
    spike(v, torch.ones(1, dtype=torch.float64)).backward()
    spike(scaled, torch.full((1,), 640.0, dtype=torch.float64)).backward()
    assert scaled.grad.item() * 640 == pytest.approx(v.grad.item(), rel=1e-12)


@pytest.mark.parametrize("v", [-3.0, 0.0, 0.5, 1e9])
def test_the_gradient_at_a_threshold_of_zero_is_finite(v):
    at = torch.tensor([v], dtype=torch.float64, requires_grad=True)
    spike(at, torch.zeros(1, dtype=torch.float64), 2.0).backward()
    assert at.grad.item() == pytest.approx(1 / (1 + 2 * abs(v)) ** 2)


@pytest.mark.parametrize("kind", ["count", "membrane"])
def test_loss_and_gradients_are_snntorchs(kind):
    snntorch = pytest.importorskip(
        "snntorch", reason="needs snntorch (the oracle of this one test)"
    )
    from snntorch import surrogate

    settings = BpttSettings(
        network=NetworkSettings(hidden=(16,)), readout=kind, gain=3.0, precision="float64"
    )
    data = stripes()
    model = bptt.build(settings, data.train.inputs, data.classes, "cpu")
    parameters = initial(model, 1, gain=4.0).map(lambda w: w.requires_grad_())
    x, labels = inputs.load(data.train).batch(slice(0, 40), torch.float64)
    score = readout.scores(model, model.run(parameters, x), kind)
    ours = -readout.log_likelihood(score, labels, settings.gain).mean()
    ours.backward()

    copy = parameters.map(lambda w: w.detach().clone().requires_grad_())
    beta = float(model.layers[0].beta[0])
    kinds = ["zero", "zero" if kind == "count" else "none"]
    cells = [
        snntorch.Leaky(
            beta=beta, reset_mechanism=reset, spike_grad=surrogate.fast_sigmoid(settings.slope)
        ).double()
        for reset in kinds
    ]
    mems = [torch.zeros(len(x), w.shape[1], dtype=torch.float64) for w in copy.weights]
    total = torch.zeros_like(mems[-1])
    for step in range(x.shape[1]):
        spk = x[:, step]
        for k, cell in enumerate(cells):
            spk, mems[k] = cell(spk @ copy.weights[k] + copy.biases[k], mems[k])
            spk = spk.double()
        total = total + (spk / x.shape[1] if kind == "count" else mems[-1])
    theirs = torch.nn.functional.cross_entropy(settings.gain * total, labels)
    theirs.backward()

    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    for one, other in zip(
        [*parameters.weights, *parameters.biases], [*copy.weights, *copy.biases], strict=True
    ):
        assert float(other.grad.abs().max()) > 0
        assert torch.allclose(one.grad, other.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("kind", "gain"), [("membrane", 1.0), ("count", 5.0)])
def test_it_learns_and_the_same_seed_gives_the_same_numbers(kind, gain):
    settings = SMALL.model_copy(update={"readout": kind, "gain": gain, "epochs": 12, "slope": 2.0})
    data = stripes()
    first, second = (bptt.train(settings, data) for _ in range(2))
    assert same(first.parameters, second.parameters)
    assert untimed(first.history) == untimed(second.history)
    shown = evaluate(first.model, first.parameters, inputs.load(data.test), kind, gain)
    assert shown.accuracy > 0.8
    assert int(shown.confusion.sum()) == len(data.test.labels)
    other = bptt.train(settings.model_copy(update={"seed": 1}), data)
    assert not same(first.parameters, other.parameters)


def test_a_cut_training_goes_on_to_the_same_numbers(tmp_path):
    data = stripes()
    whole = bptt.train(SMALL, data, tmp_path / "whole")

    def cut(entry):
        if entry["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bptt.train(SMALL, data, tmp_path / "cut", report=cut)
    seen = []
    again = bptt.train(SMALL, data, tmp_path / "cut", report=seen.append)
    assert [entry["epoch"] for entry in seen] == [3]
    assert untimed(again.history) == untimed(whole.history)
    assert same(again.parameters, whole.parameters)
    with pytest.raises(checkpoint.CheckpointError, match="other data"):
        bptt.train(SMALL, data._replace(key="another"), tmp_path / "cut")
    with pytest.raises(checkpoint.CheckpointError, match="other settings"):
        bptt.train(SMALL.model_copy(update={"seed": 9}), data, tmp_path / "cut")


def test_a_loss_that_is_not_finite_stops_and_keeps_what_was_reached(tmp_path):
    settings = SMALL.model_copy(update={"gain": 1e300})
    with pytest.raises(bptt.TrainingError, match="smaller learning rate"):
        bptt.train(settings, stripes(), tmp_path)


def test_it_stops_early_when_nothing_improves():
    settings = SMALL.model_copy(update={"learning_rate": 1e-12, "epochs": 50, "patience": 2})
    assert len(bptt.train(settings, stripes()).history) == 3


def test_a_damaged_or_foreign_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / "some.safetensors"
    checkpoint.save(path, "bptt", {"w": torch.arange(6.0)}, {"note": 1})
    tensors, facts = checkpoint.load(path, "bptt")
    assert tensors["w"].tolist() == [0, 1, 2, 3, 4, 5]
    assert facts["note"] == 1
    with pytest.raises(checkpoint.CheckpointError, match=r"some.safetensors.*needed is 'other'"):
        checkpoint.load(path, "other")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(checkpoint.CheckpointError, match="sha256"):
        checkpoint.load(path, "bptt")
    path.write_bytes(raw[:20])
    with pytest.raises(checkpoint.CheckpointError, match="no readable checkpoint"):
        checkpoint.load(path, "bptt")


def test_no_damaged_bit_of_a_checkpoint_goes_unseen(tmp_path):
    """Names, types and shapes of tensors and all facts are hashed, not the numbers alone."""
    path = tmp_path / "some.safetensors"
    tensors = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    checkpoint.save(path, "bptt", tensors, {"note": 1})
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 2, 5):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                found, facts = checkpoint.load(path, "bptt")
            except checkpoint.CheckpointError:
                continue
            assert facts["note"] == 1
            assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_data_that_do_not_fit_the_network_are_refused():
    data = stripes()
    model = bptt.build(SMALL, 30, 4, "cpu")
    with pytest.raises(NetworkError, match="30 inputs, the data 40"):
        inputs.check(model.network, data.train)
    with pytest.raises(NetworkError, match="label 3"):
        inputs.check(bptt.build(SMALL, 40, 2, "cpu").network, data.train)


def test_a_missing_device_is_an_error():
    with pytest.raises(DeviceError, match="allowed are"):
        choose("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="--device cpu"):
            choose("cuda")
    assert choose("auto").type in ("cpu", "cuda")


def test_unpacking_is_that_of_the_frames():
    data = stripes()
    x, labels = inputs.load(data.train).batch(slice(None), torch.float32)
    assert np.array_equal(x.numpy().astype(np.uint8), frames.unpack(data.train))
    assert labels.tolist() == data.train.labels.tolist()


def test_augmentation_moves_whole_samples():
    settings = SMALL.model_copy(update={"shift": 2})
    x = torch.zeros(50, 3, 2 * 8 * 8)
    x.unflatten(-1, (2, 8, 8))[:, :, 1, 4, 3] = 1
    moved = bptt.augmented(x, settings, Sensor(8, 8), torch.Generator().manual_seed(0)).unflatten(
        -1, (2, 8, 8)
    )
    assert float(moved.sum()) == float(x.sum())
    where = moved[:, 0, 1].flatten(1).argmax(1)
    assert len(set(where.tolist())) > 10
    assert torch.equal(moved[:, 0], moved[:, 2])
    assert float((where // 8 - 4).abs().max()) == 2
