"""Choice of a format, and refusal of everything else with a list of what can be read."""

import io
import os
import pickle
import subprocess
import sys

import event_encoders as encoders
import numpy as np
import pytest
from event_strategies import of_quads, quads_of, random_events

from neurosim.data.formats import array_files, arrays, columns, registry, table
from neurosim.data.formats.recording import EVENT, EventFileError, Samples

EVENTS = of_quads([(5, 1, 2, 0), (5, 3, 4, 1), (9, 100, 2, 1)])


def written(folder, raw, name="recording.bin"):
    path = folder / name
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("encode", "name"),
    [
        (encoders.bin_file, "bin"),
        (encoders.dat_file, "dat"),
        (encoders.aedat2_file, "aedat2"),
        (encoders.aedat3_file, "aedat3"),
        (encoders.evt2_file, "evt2"),
        (encoders.evt3_file, "evt3"),
        (encoders.es_file, "es"),
        (encoders.npy_file, "numpy"),
        (encoders.npz_file, "numpy"),
    ],
)
def test_content_decides_before_the_suffix(encode, name, tmp_path):
    for suffix in (".bin",) if name == "bin" else (".bin", ".dat", ".raw", ".anything", ""):
        path = written(tmp_path, encode(EVENTS), f"file{suffix}")
        assert registry.detect(path).name == name
        assert np.array_equal(registry.read(path).events, EVENTS)


def test_every_format_is_named_once_and_listed():
    names = [one.name for one in registry.FORMATS]
    assert len(set(names)) == len(names)
    for one in registry.FORMATS:
        assert one.title in registry.known_formats()
        assert set(one.suffixes) <= registry.suffixes()
        assert (one.read is None) != (one.samples is None)


def test_unknown_files_are_refused_with_the_formats_that_are_known(tmp_path):
    for name in ("notes.md", "picture.png", "x.dat", "x.h5"):
        path = written(tmp_path, b"hello, this is text\n", name)
        with pytest.raises(EventFileError, match=r"Prophesee \.dat") as error:
            registry.read(path)
        assert error.value.offset == 0


def test_files_of_many_samples_and_of_one_are_not_confused(tmp_path):
    many = written(tmp_path, encoders.cue_file([(1, [(3, 4), (3, 5)], 9)]), "cues.dat")
    one = written(tmp_path, encoders.bin_file(EVENTS))
    assert len(registry.read_samples(many)) == 1
    with pytest.raises(EventFileError, match="holds many samples"):
        registry.read(many)
    with pytest.raises(EventFileError, match="holds one recording"):
        registry.read_samples(one)


def test_what_is_no_file_is_refused(tmp_path):
    pipe = tmp_path / "pipe.bin"
    os.mkfifo(pipe)
    link = tmp_path / "link.bin"
    link.symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, pipe, link, tmp_path / "missing.bin", "nul\0.bin", "/dev/zero"):
        with pytest.raises(EventFileError):
            registry.read(path)


def test_the_registry_loads_no_library():
    script = "import neurosim.data.formats.registry, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"h5py", "scipy", "aedat", "numba"} & set(done.stdout.split())


def test_errors_survive_processes(tmp_path):
    error = EventFileError("a.bin", "wrong", 7)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.offset) == (str(error), "a.bin", 7)
    assert str(error) == "a.bin: byte 7: wrong"


def test_samples_are_a_sequence():
    made = Samples(np.array([2, 0, 1]), lambda index: ("recording", index))
    assert len(made) == 3
    assert made[-1] == made[2] == (("recording", 2), 1)
    assert [sample.label for sample in made] == [2, 0, 1]
    assert [sample.label for sample in made[::2]] == [2, 1]
    with pytest.raises(IndexError):
        made[3]


@pytest.mark.parametrize(
    "names",
    [
        ("t", "x", "y", "p"),
        ("timestamp", "x", "y", "polarity"),
        ("ts", "X", "Y", "pol"),
        ("t_us", "col", "row", "on"),
    ],
)
@pytest.mark.parametrize("kind", ["i4", "f8", "u8"])
def test_usual_names_and_dtypes_of_arrays(names, kind, tmp_path):
    given = np.empty(len(EVENTS), [(name, kind) for name in names])
    for name, column in zip(names, "txyp", strict=True):
        given[name] = EVENTS[column]
    path = written(tmp_path, encoders.npy_file(given), "events.npy")
    assert np.array_equal(registry.read(path).events, EVENTS)
    file = io.BytesIO()
    np.savez(file, **{name: given[name] for name in names})
    path = written(tmp_path, file.getvalue(), "events.npz")
    assert np.array_equal(registry.read(path).events, EVENTS)


def test_matrices_are_read_with_an_order_and_a_unit(tmp_path):
    matrix = np.stack([EVENTS[name].astype(float) for name in "xypt"], axis=1)
    matrix[:, 3] /= 1000
    path = written(tmp_path, encoders.npy_file(matrix), "events.npy")
    assert np.array_equal(arrays.read(path, order="xypt", unit_us=1000).events, EVENTS)
    with pytest.raises(EventFileError, match="needed is one structured array"):
        arrays.read(path)
    with pytest.raises(EventFileError, match="needs a matrix"):
        arrays.read(path, order="xyt")


def test_seconds_signs_and_disorder_of_columns_are_noted():
    given = {
        "t": np.array([0.5, 0.25, 1.0]),
        "x": np.arange(3),
        "y": np.arange(3),
        "p": np.array([-1, 1, 1]),
    }
    found = columns.recording("a file", given)
    assert quads_of(found.events) == [(250_000, 1, 1, 1), (500_000, 0, 0, 0), (1_000_000, 2, 2, 1)]
    assert [note.split(":")[0] for note in found.notes] == [
        "times have fractions",
        "polarities -1 and 1",
        "times go back 1 times, first at event 1",
    ]
    del given["p"]
    assert "no polarity: all events taken as ON" in columns.recording("a file", given).notes


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"t": np.array([1, -2, 3])}, "t = -2"),
        ({"t": np.array([1, np.nan, 3])}, "holds nan"),
        ({"t": np.array([1.0, 1e300, 2.0])}, "t = 1e"),
        ({"t": np.array(["a", "b", "c"])}, "needed are numbers"),
        ({"x": np.array([1, 65536, 3])}, "x = 65536"),
        ({"x": np.array([1, 1.5, 3])}, "x = 1.5"),
        ({"p": np.array([0, 2, 1])}, "p = 2"),
        ({"p": np.array([0, -1, 1])}, "needed are two values"),
        ({"y": np.arange(4)}, "needed is one length"),
        ({"y": None}, "no column y"),
        ({name: np.zeros(0) for name in "txyp"}, "at least 1"),
    ],
)
def test_columns_that_are_no_events_are_refused(change, text):
    given = {name: np.arange(3) for name in "txy"} | {"p": np.array([0, 1, 1])} | change
    given = {name: column for name, column in given.items() if column is not None}
    with pytest.raises(EventFileError, match=text):
        columns.recording("a file", given)


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize(
    "names", ["", "t,x,y,p\n", "# a comment\n\nx y t p\n", "\ufefft;x;y;p;z\n"]
)
def test_text_of_several_kinds(separator, names, tmp_path):
    rows = EVENTS.tolist()
    if names.startswith("#"):
        rows = [(x, y, t, p) for t, x, y, p in rows]
    if "z" in names:
        rows = [(*row, 7.5) for row in rows]
    lines = [separator.join(map(str, row)) for row in rows]
    for end in ("\n", "\r\n"):
        raw = (names.replace("\n", end) + end.join([*lines, "# end"]) + end).encode()
        path = written(tmp_path, raw, "events.csv")
        assert np.array_equal(registry.read(path).events, EVENTS)


def test_long_text_is_read_in_blocks(tmp_path, monkeypatch):
    events = random_events(500)
    path = written(tmp_path, encoders.text_file(events), "events.txt")
    for block in (30, 101, 1 << 20):
        monkeypatch.setattr(table, "_BLOCK_BYTES", block)
        assert np.array_equal(registry.read(path).events, events)


@pytest.mark.parametrize(
    "fault", ["5,1,2", "5,1,2,0,4", "5,1,x,0", "5,1,--2,0", "1e5e,1,2,1", "\0,1,2,1"]
)
def test_lines_that_are_no_event_are_refused_with_the_byte(fault, tmp_path):
    path = written(tmp_path, f"t,x,y,p\n1,2,3,0\n{fault}\n9,9,9,1\n".encode(), "events.csv")
    with pytest.raises(EventFileError, match="needed are 4 numbers") as error:
        registry.read(path)
    assert error.value.offset == 16


def test_lines_that_make_up_for_each_other_are_refused(tmp_path):
    path = written(tmp_path, b"t,x,y,p\n1,2,3\n4,5,6,7,8\n", "events.csv")
    with pytest.raises(EventFileError, match="needed are 4 numbers"):
        registry.read(path)


def test_objects_and_odd_archives_are_refused(tmp_path):
    file = io.BytesIO()
    np.savez(file, t=np.array([{"a": 1}], object))
    path = written(tmp_path, file.getvalue(), "objects.npz")
    with pytest.raises(EventFileError, match="Python objects"):
        registry.read(path)
    path = written(tmp_path, b"PK\x05\x06" + bytes(18), "empty.npz")
    with pytest.raises(EventFileError, match="no known format"):
        registry.read(path)


def test_arrays_of_other_shapes_are_loaded_as_they_are(tmp_path):
    made = {
        "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "empty": np.zeros((0, 5), "f4"),
        "scalar": np.array(3.5),
        "records": EVENTS,
    }
    file = io.BytesIO()
    np.savez_compressed(file, **made)
    found = array_files.load(written(tmp_path, file.getvalue(), "many.npz"))
    assert set(found) == set(made)
    for name, array in made.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert found["records"].dtype == EVENT
