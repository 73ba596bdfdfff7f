"""Memory images: read back by hardware tools, and changes of a folder found by file name."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim import storage
from neurosim.export import memory_images
from neurosim.export.memory_images import Image, ImageError


@st.composite
def pictures(draw):
    """Any array that fits its bits, its largest and smallest values included."""
    bits, signed = draw(st.integers(1, 48)), draw(st.booleans())
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    rows, fields = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    word = draw(st.sampled_from([word for word in range(1, fields + 1) if fields % word == 0]))
    numbers = st.integers(low, high) | st.sampled_from([low, high])
    flat = draw(st.lists(numbers, min_size=rows * fields, max_size=rows * fields))
    array = np.array(flat).reshape(rows, fields)
    return Image.of("one", array, bits, "", signed=signed, word=word)


@given(pictures(), st.integers(1, 200))
def test_a_line_is_a_word_and_field_0_is_lowest(image, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_images, "BITS_AT_ONCE", at_once)
        lines = image.lines()
    words = image.values.reshape(-1, image.word).tolist()
    for line, word in zip(lines, words, strict=True):
        fields = [(value % (1 << image.bits)) << image.bits * k for k, value in enumerate(word)]
        assert int(line, 16) == sum(fields)
        assert len(line) == -(-image.bits * len(word) // 4)


@given(pictures())
def test_what_was_packed_is_unpacked(image):
    back = memory_images.unpack(image.lines(), image.word, image.bits, image.signed)
    assert np.array_equal(back.reshape(image.values.shape), image.values)


@pytest.mark.parametrize("word", [0, -1, 2, 4, 6])
def test_words_divide_the_fields_of_a_row(word):
    with pytest.raises(ImageError, match=rf"weights_L0: words of {word} fields; .* 3 of a row"):
        Image.of("weights_L0", [[1, 2, 3]], 8, "", signed=True, word=word)


@pytest.mark.parametrize(
    ("bits", "signed", "value"), [(8, True, 128), (8, False, -1), (1, False, 2)]
)
def test_a_value_that_does_not_fit_is_refused_by_file(bits, signed, value):
    with pytest.raises(ImageError, match=rf"weights_L0: .*{value}.*{bits} bits hold"):
        Image.of("weights_L0", [[0, value]], bits, "", signed=signed)


@pytest.fixture
def folder(tmp_path):
    image = Image.of(
        "weights_L0", [[1, -2, 0, 5], [3, 4, 6, 7]], 8, "weights", signed=True, word=2, start=True
    )
    memory_images.write(
        tmp_path / "hdl", {"about": 1}, [image], {"params.vh": "localparam A = 1;\n"}
    )
    return tmp_path / "hdl"


def test_hardware_starts_with_the_same_rows_in_both_formats(folder):
    lines = (folder / "weights_L0.mem").read_text().split()
    assert lines == ["fe01", "0500", "0403", "0706"]
    coe = (folder / "weights_L0.coe").read_text()
    assert coe.startswith("memory_initialization_radix=16;\nmemory_initialization_vector=\n")
    assert coe.endswith(";\n")
    assert coe.split("=\n")[-1].rstrip(";\n").split(",\n") == lines


def test_a_folder_is_read_back(folder):
    read = memory_images.read(folder)
    assert read.array("weights_L0").tolist() == [[1, -2, 0, 5], [3, 4, 6, 7]]
    assert read.manifest["about"] == 1
    assert read.holds("weights_L0")
    assert not read.holds("weights_L1")


def test_a_file_of_fewer_words_than_its_rows_is_refused(folder):
    read = memory_images.read(folder)
    (folder / "weights_L0.mem").write_text("fe01\n0500\n0403\n")
    with pytest.raises(ImageError, match=r"weights_L0.mem holds 3 words of 2.*2 rows of 4"):
        read.array("weights_L0")


@pytest.mark.parametrize("name", ["weights_L0.mem", "weights_L0.coe", "params.vh"])
def test_a_changed_or_missing_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"1", b"7"))
    with pytest.raises(ImageError, match=rf"{name} does not agree with manifest.json: sha256 is"):
        memory_images.read(folder)
    (folder / name).unlink()
    with pytest.raises(ImageError, match=rf"{name} is missing"):
        memory_images.read(folder)


def rewrite(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest.update(about=2), "was changed since it was written"),
        (lambda manifest: manifest.update(format="other/9"), "other/9.*reads 'neurosim-hdl/3'"),
        (lambda manifest: manifest.pop("files"), "is damaged"),
        (lambda manifest: manifest["files"].update(x=3), "is damaged"),
    ],
)
def test_a_changed_manifest_is_refused(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(ImageError, match=rf"manifest.json.* {message}|manifest.json: .*{message}"):
        memory_images.read(folder)


def test_a_manifest_cannot_reach_outside_its_folder(folder):
    (folder.parent / "secret").write_text("")

    def change(manifest):
        manifest["files"]["../secret"] = {"sha256": ""}
        manifest["sha256"] = storage.content_sha256(manifest)

    rewrite(folder, change)
    with pytest.raises(ImageError, match=r"secret.* is no entry"):
        memory_images.read(folder)


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ImageError, match="holds no memory images"):
        memory_images.read(tmp_path)


def test_an_export_replaces_an_export_and_nothing_else(folder):
    memory_images.write(folder, {"about": 2}, [], {})
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    other = folder.parent / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    for taken, message in ((other, "is not replaced"), (other / "mine", "is a file")):
        with pytest.raises(ImageError, match=message):
            memory_images.write(taken, {}, [], {})
    assert sorted(path.name for path in folder.parent.iterdir()) == ["hdl", "other"]


def test_an_error_on_the_way_leaves_the_old_export(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail():
        yield Image.of("weights_L0", [[0]], 8, "", signed=True)
        raise ImageError("no further")

    with pytest.raises(ImageError, match="no further"):
        memory_images.write(folder, {}, fail(), {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["hdl"]


# --- what is replaced, and what is read ----------------------------------------------------------


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "others",
    [
        {"manifest.json": b"{}", "src/work.py": b"x"},
        {"manifest.json": b"not JSON"},
        {"manifest.json": b'{"format": "neurosim-hdl/1"}', ".git/HEAD": b"x"},
        {"data": b"1"},
        {"manifest.json": storage.sealed({"inputs": {}, "sha256": {}}), "train-bits.npy": b"x"},
    ],
)
def test_a_folder_of_somebody_else_is_never_replaced(tmp_path, others):
    for name, data in others.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(data)
    with pytest.raises(ImageError, match="is not replaced"):
        memory_images.write(tmp_path / "out", {}, [], {})
    assert everything(tmp_path) == {f"out/{name}": data for name, data in others.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "notes.txt").write_bytes(b"mine"),
        lambda folder: (folder / "sub").mkdir(),
        lambda folder: (folder / "params.vh").write_bytes(b"edited by hand"),
        lambda folder: (folder / "params.vh").unlink(),
    ],
)
def test_an_export_that_was_changed_or_holds_more_is_not_replaced(tmp_path, change):
    folder = tmp_path / "out"
    memory_images.write(folder, {}, [], {"params.vh": "// 1\n"})
    memory_images.write(folder, {}, [], {"params.vh": "// 2\n"})
    assert (folder / "params.vh").read_text() == "// 2\n"
    change(folder)
    before = everything(tmp_path)
    with pytest.raises(ImageError, match="is not replaced"):
        memory_images.write(folder, {}, [], {"params.vh": "// 3\n"})
    assert everything(tmp_path) == before


@pytest.mark.parametrize("entry", ["rows", "fields", "word", "bits", "signed"])
@pytest.mark.parametrize("value", [None, -1, 0, 10**30, 1.5, "x", [], {}, True, 1 << 20, 65])
def test_sizes_of_a_manifest_are_checked_before_anything_is_unpacked(tmp_path, entry, value):
    image = Image.of("a", [[1, 2, 3]], 4, "three numbers", signed=False)
    memory_images.write(tmp_path / "out", {}, [image], {})
    file = tmp_path / "out" / "manifest.json"
    manifest = json.loads(file.read_bytes())
    right = manifest["files"]["a.mem"][entry]
    manifest["files"]["a.mem"][entry] = value
    file.write_bytes(storage.sealed(manifest))
    if value is True and entry == "signed":
        assert memory_images.read(tmp_path / "out").array("a").shape == (1, 3)
        return
    assert value != right or type(value) is not type(right)
    with pytest.raises(ImageError, match=r"a\.mem"):
        memory_images.read(tmp_path / "out")
