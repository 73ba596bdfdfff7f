"""Atomic writes: a file appears whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from neurosim import storage


def test_a_file_has_the_bytes_given(tmp_path: Path):
    storage.write_atomically(tmp_path / "deep" / "file", b"whole")
    assert (tmp_path / "deep" / "file").read_bytes() == b"whole"
    assert os.listdir(tmp_path / "deep") == ["file"]


def test_writing_again_replaces(tmp_path: Path):
    for content in (b"a longer first", b"second"):
        storage.write_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == b"second"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch):
    path = tmp_path / "file"
    storage.write_atomically(path, b"old")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(storage.StorageError, match="the disk is full; free some space") as raised:
        storage.write_atomically(path, b"new")
    assert isinstance(raised.value, OSError)
    assert raised.value.errno == errno.ENOSPC
    assert str(path) in str(raised.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("below", ["page.html", "deep/page.html"])
def test_a_file_in_place_of_a_folder_is_named_as_what_it_is(tmp_path: Path, below):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(storage.StorageError, match="a file stands where a folder is needed"):
        storage.write_atomically(tmp_path / "file" / below, b"new")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_in_place_of_a_file_is_named_as_what_it_is(tmp_path: Path):
    (tmp_path / "page.html" / "mine").mkdir(parents=True)
    with pytest.raises(storage.StorageError, match="a folder stands there; choose another name"):
        storage.write_atomically(tmp_path / "page.html", b"new")
    assert os.listdir(tmp_path) == ["page.html"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_truly_full_device_is_reported(tmp_path: Path):
    with (
        pytest.raises(storage.StorageError, match="the disk is full"),
        storage.atomic_path(tmp_path / "file"),
        open("/dev/full", "wb", buffering=0) as device,
    ):
        device.write(b"x")
    assert os.listdir(tmp_path) == []


def test_an_exception_on_the_way_leaves_nothing(tmp_path: Path):
    def interrupted():
        with storage.atomic_path(tmp_path / "file") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(storage.StorageError, match="cannot write"):
        storage.write_atomically(tmp_path / "file" / "below", b"x")


def test_files_have_ordinary_permissions(tmp_path: Path):
    (tmp_path / "plain").write_bytes(b"")
    storage.write_atomically(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("NEUROSIM_CACHE", "/somewhere")
    assert storage.cache_root() == Path("/somewhere")


def test_the_message_is_a_sentence_without_a_number(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(storage.StorageError) as info:
        storage.write_atomically(tmp_path / "file" / "inside", b"x")
    assert str(info.value).startswith(f"cannot write {tmp_path}")
    assert info.value.errno
