"""Archives of arrays: what numpy writes is read, and whatever else is in a file ends in one error."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neurosim.data.formats import array_files
from neurosim.data.formats.recording import EventFileError

TYPES = st.sampled_from([">i8", "<i8", "u1", "i2", "<f4", ">f8", "?", "<U3", "S2", "c8"])
ARRAYS = TYPES.flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_side=3, min_side=0))
)


@given(
    given=st.dictionaries(st.text("abc", min_size=1, max_size=3), ARRAYS, min_size=1, max_size=4),
    packed=st.booleans(),
    fortran=st.booleans(),
)
def test_what_numpy_writes_is_read(tmp_path_factory, given, packed, fortran):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    if fortran:
        given = {name: np.asfortranarray(array) for name, array in given.items()}
    (np.savez_compressed if packed else np.savez)(path, **given)
    read = array_files.load(path)
    assert set(read) == set(given)
    for name, array in given.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.fixture(scope="module", params=[np.savez, np.savez_compressed])
def raw(request):
    file = io.BytesIO()
    request.param(file, a=np.arange(50, dtype=np.uint8).reshape(5, 10), b=np.array([1.5, 2.5]))
    return file.getvalue()


def read_or_refused(path):
    try:
        return array_files.load(path)
    except EventFileError:
        return None


def assert_same(read):
    np.testing.assert_array_equal(read["a"], np.arange(50, dtype=np.uint8).reshape(5, 10))
    np.testing.assert_array_equal(read["b"], [1.5, 2.5])


def test_every_cut_is_refused(raw, tmp_path):
    for size in range(len(raw)):
        (tmp_path / "a.npz").write_bytes(raw[:size])
        with pytest.raises(EventFileError):
            array_files.load(tmp_path / "a.npz")


def test_every_flipped_bit_is_refused_or_changes_no_number(raw, tmp_path):
    for place in range(0, 8 * len(raw), 7):
        damaged = bytearray(raw)
        damaged[place // 8] ^= 1 << place % 8
        (tmp_path / "a.npz").write_bytes(damaged)
        read = read_or_refused(tmp_path / "a.npz")
        for name in set(read or {}) & {"a", "b"}:
            assert_same({"a": np.arange(50).reshape(5, 10), "b": [1.5, 2.5], name: read[name]})


def npy(header, body=b"", version=1):
    text = header.encode("latin-1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    size = struct.pack(
        "<H" if version == 1 else "<I", len(text) % (65_536 if version == 1 else 2**32)
    )
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + body


def member(shape="(20,)", descr="'|u1'", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


CRAFTED = {
    "huge": npy(member("(1000000000000, 28)")),
    "overflow": npy(member("(9223372036854775807, 28)")),
    "beyond 64 bits": npy(member("(99999999999999999999999,)")),
    "negative": npy(member("(-1,)")),
    "minus minus": npy(member("(-4, -5)"), bytes(20)),
    "fraction": npy(member("(2.5,)")),
    "a list": npy("[1, 2]"),
    "a call": npy("__import__('os').system('touch pwned')"),
    "unfinished": npy("{'descr': ((((((((("),
    "deep": npy("(" * 190 + ")" * 190),
    "deeper": npy("[" * 5000 + "]" * 5000),
    "long": npy("{" + " " * 11_000 + member()[1:]),
    "objects": npy(member(descr="'|O'"), bytes(160)),
    "type": npy(member(descr="'zz'"), bytes(20)),
    "odd type": npy(member(descr="5"), bytes(20)),
    "fortran": npy(member(fortran="3"), bytes(20)),
    "short": npy(member(), bytes(19)),
    "long body": npy(member(), bytes(21)),
    "version": npy(member(), bytes(20), 9),
    "length": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1),
    "empty": b"",
    "magic": b"\x93NUMPY",
    "no array": b"PK\x03\x04",
    "bytes": npy("\xff\xfe"),
    "more": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (20,), 'x': 1}", bytes(20)),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_header_is_refused(name, tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.npy", CRAFTED[name])
    with pytest.raises(EventFileError):
        array_files.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_a_file_that_unpacks_to_more_than_allowed_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made,
        made.open("a.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy(member(f"({5 << 27},)")))
        for _ in range(5 << 3):
            file.write(bytes(1 << 24))
    tracemalloc.start()
    try:
        with pytest.raises(EventFileError, match="are allowed at once"):
            array_files.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_other_compressions_encryption_and_twins_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as made:
            made.writestr("a.npy", npy(member(), bytes(20)))
        with pytest.raises(EventFileError, match="packed by method"):
            array_files.load(path)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.npy", npy(member(), bytes(20)))
        made.writestr("a", npy(member(), bytes(20)))
    with pytest.raises(EventFileError, match="two arrays"):
        array_files.load(path)
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(EventFileError):
            array_files.load(path)
