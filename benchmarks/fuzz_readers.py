"""Readers of the fuzz campaign: each makes undamaged files once, then damages and reads one at a time.

    READERS[name](folder) -> attempt(numbers) -> "refused", "same", "read", or "WRONG: ..."

Accidental damage changes bytes. Deliberate edits make every hash anew, as anybody's program could.
"""

import contextlib
import copy
import importlib.util
import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import event_encoders as encoders
import mutations
import numpy as np
from event_strategies import random_events

Attempt = Callable[[random.Random], str]
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 7, 63, 64, 65, 255, 256, 1 << 20, 1 << 31, 1 << 62, 1 << 63,
    10**30, -(10**30), 0.5, -1.5, 1e30, 1e300, "", "x", "0", "\x00", "[/x]", [], [0], [-1], [1, 2, 3],
    [[]], {}, {"a": 1}, {"name": "x"},
)  # fmt: skip
"""Values that take the place of another in a JSON document."""


# --- events --------------------------------------------------------------------------------------

EVENTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    name: one for name, one in encoders.FILES.items() if name != "npz stored"
}
if importlib.util.find_spec("aedat") is not None:
    EVENTS["aedat4"] = (".aedat4", lambda: encoders.aedat4_file(random_events(150), packet=40))


def events(suffix: str, make: Callable[[], bytes]) -> Callable[[Path], Attempt]:
    """An event file of one format."""

    def prepare(folder: Path) -> Attempt:
        from neurosim.data.formats import registry
        from neurosim.data.formats.recording import EVENT, EventFileError

        whole, file = make(), folder / f"a{suffix}"

        def attempt(numbers: random.Random) -> str:
            file.write_bytes(mutations.mutate(whole, numbers)[1])
            try:
                found = registry.read(file).events
            except EventFileError:
                return "refused"
            ordered = found.dtype == EVENT and len(found) > 0 and (np.diff(found["t"]) >= 0).all()
            return "read" if ordered and found["t"][0] >= 0 else "WRONG: no recording"

        return attempt

    return prepare


def spike_hdf5(folder: Path) -> Attempt:
    """A file of many samples in HDF5, as SHD."""
    import h5py

    from neurosim.data.formats import registry
    from neurosim.data.formats.recording import EventFileError

    file = folder / "a.h5"
    with h5py.File(file, "w") as made:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            rows = made.create_dataset(f"spikes/{name}", (6,), h5py.vlen_dtype(np.dtype(kind)))
            for row in range(6):
                rows[row] = np.sort(np.linspace(0, 0.9, 20 + row) * (1 if name == "times" else 600))
        made["labels"] = np.arange(6, dtype=np.uint8) % 3
    whole = file.read_bytes()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            for sample in registry.read_samples(file):
                if not (np.diff(sample.recording.events["t"]) >= 0).all():
                    return "WRONG: no recording"
        except EventFileError:
            return "refused"
        return "read"

    return attempt


# --- data sets of one's own -----------------------------------------------------------------------


def all_events(source: Any) -> str:
    """Every recording of a source must have events in order of time, inside its sensor."""
    sensor = source.about.sensor
    for part, labels in source.labels.items():
        if len(labels) and int(labels.max()) >= len(source.about.class_names):
            return "WRONG: a label without a class"
        for number in range(len(labels)):
            found = source.one(part, number)
            if len(found) and (
                (np.diff(found["t"]) < 0).any()
                or int(found["x"].max()) >= sensor.width
                or int(found["y"].max()) >= sensor.height
            ):
                return "WRONG: no recording"
    return "read"


def _spike_arrays() -> list[dict[str, Any]]:
    """Spikes as steps, on a plane, packed, and as lists."""
    spikes = np.random.default_rng(0).random((6, 4, 12)) < 0.3
    y = np.arange(6) % 2
    sample, step, unit = np.nonzero(spikes)
    lists = {"times": step * 1000, "units": unit, "samples": sample}
    return [
        {"x": spikes.astype(np.uint8), "y": y},
        {"train_x": spikes.reshape(6, 4, 1, 3, 4), "train_y": y, "test_x": spikes.reshape(6, 4, 1, 3, 4),
         "test_y": np.array(["a", "b"])[y]},
        {"x": np.packbits(spikes, axis=-1), "inputs": np.array(12), "y": y, "bitorder": np.array("big")},
        {**lists, "y": np.array(["a", "b"])[y], "inputs": np.array(12), "plane": np.array([3, 4])},
        {**{f"{part}_{n}": a for part in ("train", "test") for n, a in {**lists, "y": y}.items()},
         "step_us": np.array(1000), "window_us": np.array(4000)},
    ]  # fmt: skip


def spikes(suffix: str) -> Callable[[Path], Attempt]:
    """A file of one's own spikes: damaged bytes, odd arrays."""

    def write(file: Path, arrays: dict[str, Any]) -> None:
        if suffix == ".npz":
            np.savez(file, **arrays)
            return
        import h5py

        with h5py.File(file, "w") as made:
            for name, array in arrays.items():
                text = np.asarray(array).dtype.kind == "U"
                made[name] = np.asarray(array).astype("S8") if text else array

    def prepare(folder: Path) -> Attempt:
        from neurosim.data.formats.recording import EventFileError
        from neurosim.data.sets import spikes as reader
        from neurosim.data.sets.base import Options
        from neurosim.data.source import SourceError

        file = folder / f"a{suffix}"
        every = _spike_arrays()
        wholes = []
        for arrays in every:
            write(file, arrays)
            wholes.append(file.read_bytes())

        def attempt(numbers: random.Random) -> str:
            which = numbers.randrange(len(every))
            if numbers.random() < 0.5:
                file.write_bytes(mutations.mutate(wholes[which], numbers)[1])
            else:
                arrays = dict(every[which])
                name = numbers.choice(sorted(arrays))
                with contextlib.suppress(TypeError, ValueError, IndexError):  # not for every array
                    arrays[name] = odd_array(np.asarray(arrays[name]), numbers)
                    write(file, arrays)
            try:
                return all_events(reader.open_source(str(file), Options(), None))
            except (SourceError, EventFileError):
                return "refused"

        return attempt

    return prepare


def label_table(folder: Path) -> Attempt:
    """A folder of recordings with a damaged table of labels."""
    from neurosim.data.formats.recording import EventFileError
    from neurosim.data.sets import events as reader
    from neurosim.data.sets.base import Options
    from neurosim.data.source import SourceError

    os.environ["NEUROSIM_CACHE"] = str(folder / "cache")
    place = folder / "recordings"
    place.mkdir()
    for number in range(6):
        (place / f"{number}.npy").write_bytes(encoders.npy_file(random_events(20, (16, 16))))
    rows = [f"{number}.npy,{'ab'[number % 2]}" for number in range(6)]
    parts = [f"{row},{'test' if number > 3 else 'train'}" for number, row in enumerate(rows)]
    wholes = ["\n".join(["file,label", *rows]).encode(), "\n".join(parts).encode()]

    def attempt(numbers: random.Random) -> str:
        (place / "labels.csv").write_bytes(mutations.mutate(numbers.choice(wholes), numbers)[1])
        try:
            return all_events(reader.open_source(str(place), Options(), None))
        except (SourceError, EventFileError):
            return "refused"

    return attempt


def gesture_table(folder: Path) -> Attempt:
    """The table of labels beside a recording of DVS128 Gesture."""
    from neurosim.data.formats import gesture
    from neurosim.data.formats.recording import EventFileError

    whole = b"class,startTime_usec,endTime_usec\n3,1,2000\n11,2000,9000\n1,9000,400000\n"
    (folder / "a.aedat").write_bytes(encoders.aedat3_file(random_events(400), 30))

    def attempt(numbers: random.Random) -> str:
        (folder / "a_labels.csv").write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = gesture.samples(folder / "a.aedat")
            for number in range(len(found.labels)):
                found[number]
        except EventFileError:
            return "refused"
        return "read"

    return attempt


def cue_text(folder: Path) -> Attempt:
    """A file of ReckOn's address events."""
    from neurosim.data.formats import cue_accumulation
    from neurosim.data.formats.recording import EventFileError

    numbers = random.Random(0)
    lines = ["5"]
    for sample in range(5):
        ticks = sorted(numbers.randrange(2000) for _ in range(20))
        lines += [f"{numbers.randrange(40)}, {tick}" for tick in ticks]
        lines += [f"-2, {sample % 2}", "-1, 2250"]
    whole, file = "\n".join(lines).encode() + b"\n", folder / "a.dat"

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = cue_accumulation.samples(file)
            ordered = all(
                (np.diff(found[number].recording.events["t"]) >= 0).all()
                for number in range(len(found.labels))
            )
        except EventFileError:
            return "refused"
        return "read" if ordered else "WRONG: no recording"

    return attempt


def matlab(folder: Path) -> Attempt:
    """A recording of ST-MNIST."""
    import scipy.io

    from neurosim.data.formats import registry
    from neurosim.data.formats.recording import EventFileError

    file = folder / "a.mat"
    signs = np.random.default_rng(0).integers(-1, 2, (101, 30)).astype(float)
    signs[-1] = np.arange(30) / 100
    scipy.io.savemat(file, {"spiketrain": signs}, do_compression=True)
    whole = file.read_bytes()
    registry.read(file)

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = registry.read(file).events
        except EventFileError:
            return "refused"
        return "read" if (np.diff(found["t"]) >= 0).all() else "WRONG: no recording"

    return attempt


def archive(folder: Path) -> Attempt:
    """An archive of a download: whole in its folder or not there, and nothing outside."""
    import io
    import sys
    import tarfile
    import types
    import zipfile

    from neurosim.data.sets import download
    from neurosim.data.source import SourceError

    utils = types.SimpleNamespace(_urlretrieve=None, check_integrity=None, _ARCHIVE_EXTRACTORS={})
    sys.modules["tonic"] = types.SimpleNamespace(download_utils=utils)  # type: ignore[assignment]
    members = {f"Train/{n}/{n}.bin": bytes([n]) * 300 for n in range(5)}
    wholes = []
    for name, mode in (("a.zip", ""), ("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz")):
        if mode:
            with tarfile.open(folder / name, mode) as made:  # type: ignore[call-overload]
                for path, data in members.items():
                    info = tarfile.TarInfo(path)
                    info.size = len(data)
                    made.addfile(info, io.BytesIO(data))
        else:
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as made:
                for path, data in members.items():
                    made.writestr(path, data)
        wholes.append((folder / name).read_bytes())
    given, place = folder / "given", folder / "deep" / "SET"

    def fetch(tonic: Any, work: Path) -> Path:
        download.unpack(given, work / "SET")
        return work / "SET"

    def attempt(numbers: random.Random) -> str:
        shutil.rmtree(place, ignore_errors=True)
        given.write_bytes(mutations.mutate(numbers.choice(wholes), numbers)[1])
        try:
            download.download("SET", place, fetch, "1 kB", "SET")
        except SourceError:
            outcome = "refused"
        else:
            outcome = "read"
        left = {path.name for path in place.parent.iterdir()} - {"SET"}
        outside = {path.name for path in folder.iterdir()} - {"given", "deep", "a.zip", "a.tar",
                                                              "a.tar.gz", "a.tar.xz"}  # fmt: skip
        if left or outside or (outcome == "refused" and place.exists()):
            return f"WRONG: left {sorted(left | outside)[:3]}"
        return outcome

    return attempt


# --- images, sounds, recorded vectors ---------------------------------------------------------------


def images(folder: Path) -> Attempt:
    """An .npz file of images."""
    from neurosim.data.sets.images import load_npz
    from neurosim.data.source import SourceError

    numbers = np.random.default_rng(0)
    arrays = {
        f"{part}_{axis}": numbers.integers(0, 200, (count, 8, 8), np.uint8)
        if axis == "x"
        else (np.arange(count) % 5).astype(np.uint8)
        for part, count in (("train", 20), ("test", 10))
        for axis in "xy"
    }
    file, seeds = folder / "a.npz", []
    for save in (np.savez, np.savez_compressed):
        save(file, **arrays)
        seeds.append(file.read_bytes())
    whole = load_npz(file).content()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(numbers.choice(seeds), numbers)[1])
        try:
            return "same" if load_npz(file).content() == whole else "WRONG: other images"
        except SourceError:
            return "refused"

    return attempt


def image_file(folder: Path) -> Attempt:
    """A picture file, by Pillow."""
    from PIL import Image

    from neurosim.data.grey import read_file
    from neurosim.data.source import SourceError

    pixels = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    seeds = []
    for suffix in (".png", ".jpg", ".bmp", ".gif", ".tif", ".pgm"):
        Image.fromarray(pixels).save(folder / f"whole{suffix}")
        seeds.append((suffix, (folder / f"whole{suffix}").read_bytes()))

    def attempt(numbers: random.Random) -> str:
        suffix, whole = numbers.choice(seeds)
        file = folder / f"a{suffix}"
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = read_file(file)
        except SourceError:
            return "refused"
        return "read" if found.dtype == np.uint8 and found.ndim == 2 else "WRONG: no image"

    return attempt


def sound(folder: Path) -> Attempt:
    """A .wav file."""
    import wave

    from neurosim.data.audio.wav import AudioError, read

    file = folder / "a.wav"
    with wave.open(str(file), "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(16_000)
        made.writeframes(np.arange(800, dtype="<i2").tobytes())
    whole = file.read_bytes()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            read(file)
        except AudioError:
            return "refused"
        return "read"

    return attempt


PARAMS = {"peer": "lava-nc 0.10.0", "tag": "fixed_pt", "neuron": "LIF", "conn": "dense",
          "sign_mode": 1, "num_weight_bits": 8, "weight_exp": 0, "num_message_bits": 0,
          "latency": "s_in[t] acts on u[t+1]", "vth": 400, "du": 409, "dv": 205}  # fmt: skip


def _vector_arrays() -> dict[str, Any]:
    from neurosim.chip.conformance.dense_layer import read, replay
    from neurosim.chip.conformance.recorded import Recorded

    made = {"s_in": np.eye(6, 4, dtype=np.int64), "w": np.arange(-6, 6).reshape(3, 4) * 20}
    zeros = np.zeros((6, 3), np.int64)
    path = Path(_scratch()) / "a.npz"
    np.savez(path, params=json.dumps(PARAMS), u=zeros, v=zeros, s_out=zeros, **made)
    return {**made, **replay(read(Recorded(path)))}


def _scratch() -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="neurosim-fuzz-")


def vectors(folder: Path) -> Attempt:
    """A recording of another emulator: damaged bytes, odd params, odd arrays."""
    from neurosim.chip.conformance.vectors import check_file

    arrays, file = _vector_arrays(), folder / "a.npz"
    np.savez(file, params=json.dumps(PARAMS), **arrays)
    whole = file.read_bytes()
    if not check_file(file).matches:
        raise RuntimeError("the undamaged recording does not match")

    def changed(numbers: random.Random) -> dict[str, Any]:
        params: Any = dict(PARAMS)
        kept = dict(arrays)
        if numbers.random() < 0.5:
            params = edited(params, numbers)
        else:
            name = numbers.choice(sorted(kept))
            kept[name] = odd_array(kept[name], numbers)
        return {"params": json.dumps(params), **kept}

    def attempt(numbers: random.Random) -> str:
        if numbers.random() < 0.5:
            file.write_bytes(mutations.mutate(whole, numbers)[1])
        else:
            np.savez(file, **changed(numbers))
        found = check_file(file)
        if not found.matches:
            return "refused"
        return "same" if _same_numbers(file, arrays) else "WRONG: other numbers match"

    return attempt


def _same_numbers(file: Path, arrays: dict[str, Any]) -> bool:
    """Whether what is recorded of the outcome is what the undamaged file says."""
    with np.load(file, allow_pickle=False) as found:
        same = all(
            np.array_equal(found[name], arrays[name])
            for name in ("s_in", "s_out", "u", "v")
            if name in found.files
        )
        weights = found["w"] if "w" in found.files else arrays["w"]
        # mixed weights of 8 bits are even: one more is the same weight
        return (
            same and weights.shape == arrays["w"].shape and np.abs(weights - arrays["w"]).max() <= 1
        )


def odd_array(array: Any, numbers: random.Random) -> Any:
    """An array of another type, shape or content."""
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda a: a.astype(np.float64) + 0.5,
        lambda a: a.astype(np.float64) * float("nan"),
        lambda a: a[:-1],
        lambda a: a[..., :0],
        lambda a: a.reshape(-1),
        lambda a: a.astype(np.int64) + (1 << 62),
        lambda a: a.astype(np.int64) * (1 << 40) + 1,
        lambda a: a.astype("U8"),
        lambda a: np.zeros((0, 0)),
        lambda a: np.array(5),
        lambda a: a.astype(np.uint64) + np.uint64(1 << 63),
        lambda a: a.astype(np.complex64),
        lambda a: a.T,
        lambda a: np.concatenate([a, a]),
        lambda a: a + 1,
    )
    return numbers.choice(changes)(array)


# --- JSON documents ----------------------------------------------------------------------------------


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Paths to every value of a JSON document."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = list(enumerate(document))[:8]
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def edited(document: Any, numbers: random.Random) -> Any:
    """The document with one value, or two, replaced by an odd one, left out, or doubled."""
    made = json.loads(json.dumps(document))
    for _ in range(numbers.choice((1, 1, 2))):
        paths = list(places(made))
        if not paths:
            break
        path = numbers.choice(paths)
        parent = made
        for key in path[:-1]:
            parent = parent[key]
        if numbers.random() < 0.15:
            del parent[path[-1]]
        elif numbers.random() < 0.1 and isinstance(parent, dict):
            parent["more"] = copy.deepcopy(numbers.choice(ODD))
        else:
            parent[path[-1]] = copy.deepcopy(numbers.choice(ODD))
    return made


# --- run folders -------------------------------------------------------------------------------------


def _run(folder: Path) -> Path:
    from learning.config import Config
    from learning.record import RunFolder
    from learning.settings import Settings
    from neurosim.population.state import initial_state, weights

    settings = Settings(hidden=(5,), generations=9, pairs=4, groups=2, fraction_bits=4)
    config = Config(settings, "a" * 64, 12, 4)
    state = initial_state(config.network(), [20, 20], seed=1, fraction_bits=4, momentum=True)
    with RunFolder.create(folder / "whole", config) as made:
        for generation in (2, 4):
            made.log({"generation": generation, "validation_accuracy": 0.5})
            made.save(state, weights(state, 4), generation, 1.5)
    return folder / "whole"


def _copied(whole: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(whole, to)
    return to


def run_damaged(folder: Path) -> Attempt:
    """A run folder of which a file is damaged, missing, or another's."""
    from learning.record import CONFIG, METRICS, WEIGHTS, RunError, read_checkpoint

    whole = _run(folder)
    wanted = read_checkpoint(whole)
    names = (CONFIG, WEIGHTS, METRICS)

    def attempt(numbers: random.Random) -> str:
        path = _copied(whole, folder / "run")
        file = path / numbers.choice(names)
        if numbers.random() < 0.03:
            file.unlink()
        elif numbers.random() < 0.05:
            shutil.copy(whole / numbers.choice(names), file)
        else:
            file.write_bytes(mutations.mutate(file.read_bytes(), numbers)[1])
        try:
            found = read_checkpoint(path)
        except RunError:
            return "refused"
        same = found[0] == wanted[0] and found[1].generation == wanted[1].generation
        same = same and _equal(found[1].state, wanted[1].state)
        return "same" if same else "WRONG: another run"

    return attempt


def _equal(one: Any, other: Any) -> bool:
    return all(
        len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in zip(one, other, strict=True)
    )


def run_edited(folder: Path) -> Attempt:
    """A run folder with other tensors, header or configuration, and true hashes."""
    from safetensors.numpy import load, save

    from learning import record
    from learning.record import CONFIG, METRICS, WEIGHTS, RunError, RunFolder, read_checkpoint
    from learning.training import make_chip
    from neurosim.storage import content_sha256

    whole = _run(folder)
    raw = (whole / WEIGHTS).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])["__metadata__"]
    tensors = load(raw)
    content = json.loads((whole / CONFIG).read_bytes())
    content.pop("sha256")

    def write(path: Path, numbers: random.Random) -> None:
        kept, metadata, said = dict(tensors), dict(header), content
        kind = numbers.randrange(3)
        if kind == 0:
            name = numbers.choice(sorted(kept))
            kept[name] = np.ascontiguousarray(odd_tensor(kept[name], numbers))
            if numbers.random() < 0.1:
                kept["more"] = kept.pop(name)
        elif kind == 1:
            name = numbers.choice(sorted(metadata))
            metadata[name] = str(numbers.choice(ODD))
        else:
            said = edited(content, numbers)
        metadata["tensors_sha256"] = record._tensors_sha256(kept)
        text = json.dumps({**said, "sha256": content_sha256(said)}) \
            if isinstance(said, dict) else json.dumps(said)  # fmt: skip
        (path / CONFIG).write_text(text)
        metadata["config_sha256"] = record._text_sha256(path / CONFIG)
        metadata["header_sha256"] = record._header_sha256(metadata)
        (path / WEIGHTS).write_bytes(save(kept, metadata))

    def attempt(numbers: random.Random) -> str:
        path = _copied(whole, folder / "run")
        if numbers.random() < 0.05:
            (path / METRICS).write_bytes(b"\x00")
        write(path, numbers)
        try:
            config, checkpoint = read_checkpoint(path)
            RunFolder.resume(path)[0].close()
        except RunError:
            return "refused"
        with contextlib.suppress(ValueError):  # settings that no chip has, in words
            make_chip(config, checkpoint.state)
        return "read"

    return attempt


def odd_tensor(array: Any, numbers: random.Random) -> Any:
    """A tensor of another type, shape or content."""
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda a: a.astype(np.float32),
        lambda a: a.astype(np.int64),
        lambda a: a.astype(np.uint8),
        lambda a: a.astype(bool),
        lambda a: a[:-1],
        lambda a: np.concatenate([a, a]),
        lambda a: a.T,
        lambda a: a[:0],
        lambda a: a.reshape(-1),
        lambda a: a[None],
        lambda a: np.full_like(a, np.iinfo(a.dtype).max),
        lambda a: np.full_like(a, np.iinfo(a.dtype).min),
        lambda a: a + 1,
        lambda a: a[..., :1],
        lambda a: np.zeros((1 << 20,), np.int8),
    )
    return numbers.choice(changes)(array)


def network(folder: Path) -> Attempt:
    """A described network with odd fields."""
    from neurosim.network import Network, NetworkError, Noise, Population
    from neurosim.network.serialise import describe, network_of

    made = Network.chain(4, [Population("a", 3, (1, 2, 3), noise=Noise(3)), Population("b", 2, 9)])
    described = describe(made)

    def attempt(numbers: random.Random) -> str:
        document = edited(described, numbers)
        try:
            found = network_of(document)
        except NetworkError:
            return "refused"
        return "same" if found == made else "read"

    return attempt


def run_notes(folder: Path) -> Attempt:
    """What stands beside a run, without a hash: its summary and how it came about."""
    from neurosim.app import provenance
    from neurosim.app.cli import runs

    path = _run(folder)
    wholes = {
        "summary.json": json.dumps(
            {"generations": 4, "test_accuracy": 0.5, "test_samples": 9, "weights_sha256": "a" * 64}
        ),
        provenance.PROVENANCE: json.dumps(
            {"format": provenance.FORMAT,
             "starts": [{"date": "2026-11-01", "compile_seconds": 1.5, "version": "1", "command": "x"}]}
        ),
    }  # fmt: skip
    for name, whole in wholes.items():
        (path / name).write_text(whole)
    wanted = runs.about(path)

    def attempt(numbers: random.Random) -> str:
        for name, whole in wholes.items():
            if numbers.random() < 0.5:
                (path / name).write_text(json.dumps(edited(json.loads(whole), numbers)))
            elif numbers.random() < 0.5:
                (path / name).write_bytes(mutations.mutate(whole.encode(), numbers)[1])
            elif numbers.random() < 0.05:
                (path / name).write_text("[" * 100_000)
        found = runs.about(path)
        runs.table([found, wanted])
        runs.side_by_side([wanted, found])
        return "same" if found == wanted else "refused"

    return attempt


# --- caches, stores, memory images -----------------------------------------------------------------------


def frame_cache(folder: Path) -> Attempt:
    """Cached frames: what is damaged is not there."""
    os.environ["NEUROSIM_CACHE"] = str(folder)
    from neurosim.data import cache
    from neurosim.data.frames import pack

    numbers = np.random.default_rng(0)
    whole = {
        split: pack(numbers.integers(0, 2, (count, 3, 20), np.uint8), np.arange(count) % 5)
        for split, count in (("train", 9), ("validation", 2), ("test", 4))
    }
    cache.save("key", whole)
    place = cache.folder("key")
    kept = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}

    def attempt(numbers: random.Random) -> str:
        name = "manifest.json" if numbers.random() < 0.5 else numbers.choice(sorted(kept))
        if name == "manifest.json" and numbers.random() < 0.3:
            (place / name).write_text(json.dumps(edited(json.loads(kept[name]), numbers)))
        else:
            (place / name).write_bytes(mutations.mutate(kept[name], numbers)[1])
        try:
            kept_splits = cache.load("key")
        finally:
            (place / name).write_bytes(kept[name])
        if kept_splits is None:
            return "refused"
        found = kept_splits[0]
        same = set(found) == set(whole) and all(
            np.array_equal(found[s].bits, whole[s].bits) and found[s].inputs == whole[s].inputs
            and np.array_equal(found[s].labels, whole[s].labels)
            for s in whole
        )  # fmt: skip
        return "same" if same else "WRONG: other frames"

    return attempt


def store(folder: Path) -> Attempt:
    """A kept result of a study: what is damaged is not there."""
    from neurosim.app.experiments.store import Store

    made, recipe = Store(folder), {"settings": {"seed": 3}, "measure": 2}
    result = {"test_accuracy": 0.9125, "curve": [{"step": 1}, {"step": 2}]}
    made.made("part", recipe, lambda: result)
    whole = made.path("part").read_bytes()

    def attempt(numbers: random.Random) -> str:
        if numbers.random() < 0.3:
            made.path("part").write_text(json.dumps(edited(json.loads(whole), numbers)))
        else:
            made.path("part").write_bytes(mutations.mutate(whole, numbers)[1])
        found = made.get("part", recipe)
        if found is None:
            return "refused"
        return "same" if found == result else "WRONG: another result"

    return attempt


def _images(folder: Path) -> dict[str, bytes]:
    """Memory images of a small network, as `neurosim export --to hdl` writes them."""
    from neurosim.data.frames import pack
    from neurosim.export import memory_images
    from neurosim.export.hdl import core
    from neurosim.network import Network, Population, Weights
    from neurosim.network.serialise import describe

    numbers = np.random.default_rng(0)
    made = Network.chain(6, [Population("a", 4, 60, dv=400), Population("b", 3, 60)])
    weights = Weights(
        tuple(numbers.integers(-50, 50, shape).astype(np.int8) for shape in ((6, 4), (4, 3))),
        (np.zeros(4, np.int16), np.zeros(3, np.int16)),
    )
    shown = pack(numbers.integers(0, 2, (2, 5, 6), np.uint8), [0, 1])
    about = {
        "network": describe(made),
        "parameters": {"STEPS": 5},
        "samples": {"split": "test", "labels": [0, 1]},
        "learning": None,
    }
    memory_images.write(
        folder / "hdl", about, core.images(made, weights, shown), {"params.vh": "//\n"}
    )
    return {path.name: path.read_bytes() for path in (folder / "hdl").iterdir()}


def memory_image(folder: Path) -> Attempt:
    """A folder of memory images of which a file is damaged."""
    from neurosim.export import memory_images
    from neurosim.export.memory_images import ImageError

    kept, place = _images(folder), folder / "hdl"

    def attempt(numbers: random.Random) -> str:
        name = numbers.choice(sorted(kept))
        damaged = mutations.mutate(kept[name], numbers)[1]
        (place / name).write_bytes(damaged)
        try:
            memory_images.read(place)
        except ImageError:
            return "refused"
        finally:
            (place / name).write_bytes(kept[name])
        if damaged == kept[name]:
            return "same"
        whitespace = name == "manifest.json" and json.loads(damaged) == json.loads(kept[name])
        return "same" if whitespace else f"WRONG: damaged {name}"

    return attempt


def memory_image_edited(folder: Path) -> Attempt:
    """A folder of memory images with an odd manifest and true hashes, run again on the chip."""
    from neurosim.export import memory_images
    from neurosim.export.hdl import core
    from neurosim.export.memory_images import ImageError
    from neurosim.network import NetworkError
    from neurosim.storage import sealed

    kept, place = _images(folder), folder / "hdl"
    manifest = json.loads(kept["manifest.json"])

    def attempt(numbers: random.Random) -> str:
        (place / "manifest.json").write_bytes(sealed(edited(manifest, numbers)))
        try:
            core.replay(memory_images.read(place))
        except (ImageError, NetworkError):
            return "refused"
        return "read"

    return attempt


# --- NIR ---------------------------------------------------------------------------------------------------


def nir_file(folder: Path) -> Attempt:
    """An exported graph of which the file is damaged."""
    from neurosim.export.nir import file_io, from_nir, to_nir
    from neurosim.export.nir.file_io import NirError
    from neurosim.network import Network, NetworkError, Population, Weights, learned

    made = Network.chain(3, [Population("a", 2, 100, dv=40), Population("b", 2, 90)])
    weights = Weights(
        (np.array([[1, 2], [3, -4], [5, 6]], np.int8), np.array([[7, 8], [9, 1]], np.int8)),
        (np.zeros(2, np.int16),) * 2,
    )
    file = folder / "a.nir"
    file_io.write(file, to_nir.to_graph(*learned(made, weights), {"seed": 3}).graph)
    whole = file.read_bytes()
    wanted = from_nir.as_run(from_nir.read(file))

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = from_nir.read(file)
            if found.remarks or not found.exact:
                return "read"
            run = from_nir.as_run(found)
        except (NirError, NetworkError):
            return "refused"
        return "same" if run[0] == wanted[0] and _equal(run[1], wanted[1]) else "WRONG: exact"

    return attempt


NUMBERS = (0.0, 1.0, -1.0, 0.5, 1e-3, 1e-30, 1e30, 1e-308, 1e300, 1e308, float("inf"), float("nan"))
SIZES = (0, 1, 2, 3, 5)


def nir_graph(folder: Path) -> Attempt:
    """A graph in memory of any nodes, edges and numbers."""
    import nir

    from neurosim.export.nir import from_nir
    from neurosim.export.nir.file_io import NirError
    from neurosim.network import NetworkError

    def values(numbers: random.Random, *shape: int) -> Any:
        if numbers.random() < 0.03:
            shape = (*shape, 2)
        array = np.full(shape, numbers.choice((1.0, 0.5, 2.0, 0.01)))
        if numbers.random() < 0.1:
            array[...] = numbers.choice(NUMBERS)
        if array.size and numbers.random() < 0.1:
            array.flat[numbers.randrange(array.size)] = numbers.choice(NUMBERS)
        return array.astype(numbers.choice((*[np.float64] * 20, np.float32, np.int64)))

    def node(numbers: random.Random, size: int) -> Any:
        other = size if numbers.random() < 0.95 else numbers.choice(SIZES)
        kinds: list[tuple[int, Callable[[], Any]]] = [
            (1, lambda: nir.Input(np.array([numbers.choice((*[size] * 9, 10**12, -1, 1 << 40))]))),
            (1, lambda: nir.Output(np.array([size]))),
            (8, lambda: nir.Linear(values(numbers, other, size))),
            (4, lambda: nir.Affine(values(numbers, other, size), values(numbers, other))),
            (4, lambda: nir.Delay(values(numbers, numbers.choice((size, 1))) * 1e-4)),
            (2, lambda: nir.Flatten({"input": np.array([size])}, 0)),
            (8, lambda: nir.LIF(*(values(numbers, size) for _ in range(5)))),
            (4, lambda: nir.IF(*(values(numbers, size) for _ in range(3)))),
            (8, lambda: nir.CubaLIF(*(values(numbers, size) for _ in range(7)))),
            (1, lambda: nir.Threshold(values(numbers, size))),
        ]
        makers, weights = [make for _, make in kinds], [weight for weight, _ in kinds]
        return numbers.choices(makers, weights)[0]()

    def graph(numbers: random.Random) -> Any:
        size = numbers.choice((2, 3))
        nodes = {"in": nir.Input(np.array([size]))}
        count = numbers.choice((1, 2, 3, 5, 8, 40))
        for place in range(count):
            with contextlib.suppress(Exception):  # nir refuses it itself
                nodes[f"n{place}"] = node(numbers, size)
        nodes["last"] = nir.LIF(*(np.full(size, 0.01) for _ in range(5)))
        names = list(nodes)
        way = list(pairwise(names))
        extra = [
            (numbers.choice(names), numbers.choice(names))
            for _ in range(numbers.choice((0, 0, 0, count // 2)))
        ]
        if numbers.random() < 0.02:
            extra.append(("in", "nowhere"))
        return nir.NIRGraph(nodes, way + extra, type_check=False)

    def attempt(numbers: random.Random) -> str:
        try:
            made = graph(numbers)
        except Exception:
            return "refused"
        try:
            found = from_nir.of_graph(made, clip=numbers.random() < 0.5)
        except (NirError, NetworkError):
            return "refused"
        if not all(np.isfinite([row.wanted, row.got]).all() for row in found.rows):
            return "WRONG: registers that are no numbers"
        return "read"

    return attempt


def float_checkpoint(folder: Path) -> Attempt:
    """A checkpoint of the float reference."""
    import torch

    from hostref import checkpoint

    file = folder / "a.safetensors"
    tensors = {"a": torch.arange(12.0).reshape(3, 4), "b": torch.ones(3)}
    checkpoint.save(file, "bptt", tensors, {"epoch": 3})
    whole = file.read_bytes()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found, facts = checkpoint.load(file, "bptt")
        except checkpoint.CheckpointError:
            return "refused"
        same = all(torch.equal(found[name], tensors[name]) for name in tensors)
        return "same" if same and facts["epoch"] == 3 else "WRONG: another checkpoint"

    return attempt


READERS: dict[str, Callable[[Path], Attempt]] = {
    **{f"events-{name}": events(*how) for name, how in EVENTS.items()},
    "spikes-npz": spikes(".npz"),
    "label-table": label_table,
    "gesture-table": gesture_table,
    "cue-accumulation": cue_text,
    "archive": archive,
    "run-notes": run_notes,
    "vectors": vectors,
    "run-damaged": run_damaged,
    "run-edited": run_edited,
    "network": network,
    "frame-cache": frame_cache,
    "store": store,
    "images": images,
    "sound": sound,
    "memory": memory_image,
    "memory-edited": memory_image_edited,
}
for _needed, _name, _reader in (
    ("PIL", "image-file", image_file),
    ("h5py", "events-hdf5", spike_hdf5),
    ("h5py", "spikes-hdf5", spikes(".h5")),
    ("scipy", "events-mat", matlab),
    ("nir", "nir-file", nir_file),
    ("nir", "nir-graph", nir_graph),
    ("torch", "float", float_checkpoint),
):
    if importlib.util.find_spec(_needed) is not None:
        READERS[_name] = _reader
