"""Leftovers of killed writes, folders that are replaced, and JSON that carries its own hash."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim import storage

DEAD = 2**22 + 1
"""A process number that Linux never gives."""


def temporary_of(name, process):
    return f".{name}.{storage._machine()}-{process}-abcdefgh.tmp"


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_the_next_write_removes_what_a_killed_write_of_the_same_file_left(tmp_path):
    dead, alive = temporary_of("file", DEAD), temporary_of("file", os.getppid())
    other = temporary_of("file2", DEAD)
    for name in (dead, alive, other, ".file.tmp", ".file.notes"):
        (tmp_path / name).write_bytes(b"half")
    storage.write_atomically(tmp_path / "file", b"whole")
    assert leftovers(tmp_path) == sorted([alive, other, ".file.tmp", ".file.notes"])


def test_temporary_files_of_another_machine_go_after_a_day(tmp_path):
    for name, age in ((".file.00000000-1-abc.tmp", 2 * 86_400), (".file.00000000-1-def.tmp", 60)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    storage.write_atomically(tmp_path / "file", b"whole")
    assert leftovers(tmp_path) == [".file.00000000-1-def.tmp"]


def killed(code, folder):
    """The status of a process that runs `code` with `folder` as its current folder."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": os.getcwd()}
    ).returncode


def test_a_process_killed_while_it_writes_leaves_nothing_after_the_next_start(tmp_path):
    code = (
        "import os, signal; from neurosim.storage import atomic_path\n"
        "with atomic_path('file') as temporary:\n"
        "    temporary.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert killed(code, tmp_path) == -9
    assert len(leftovers(tmp_path)) == 1
    storage.write_atomically(tmp_path / "file", b"whole")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_folder_whose_replacement_was_killed_is_whole_after_the_next_start(tmp_path, moment):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_bytes(b"old")
    code = (
        "import os, pathlib, signal; from neurosim.storage import folder_replaced\n"
        "kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "rename = pathlib.Path.rename\n"
        f"if {moment == 'between'}:\n"
        "    pathlib.Path.rename = lambda one, to: kill() if one.name == 'new' else rename(one, to)\n"
        "with folder_replaced('made', lambda folder: None) as new:\n"
        "    (new / 'a').write_bytes(b'new')\n"
        f"    {'pass' if moment == 'between' else 'kill()'}"
    )
    assert killed(code, tmp_path) == -9
    storage.remove_abandoned(tmp_path / "made")
    assert (tmp_path / "made" / "a").read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    for content in (b"1", b"2"):
        with storage.folder_replaced(tmp_path / "made", lambda folder: None) as new:
            (new / "a").write_bytes(content)
        assert (tmp_path / "made" / "a").read_bytes() == content

    def interrupted():
        with storage.folder_replaced(tmp_path / "made", lambda folder: None) as new:
            (new / "a").write_bytes(b"3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "made" / "a").read_bytes() == b"2"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_folder_that_fails_its_check_just_before_it_would_be_replaced_stays(tmp_path):
    seen = []

    def check(folder):
        seen.append(folder)
        if (folder / "mine").exists():
            raise ValueError("not ours")

    (tmp_path / "made").mkdir()

    def replaced():
        with storage.folder_replaced(tmp_path / "made", check):
            (tmp_path / "made" / "mine").write_bytes(b"kept")

    with pytest.raises(ValueError, match="not ours"):
        replaced()
    assert (tmp_path / "made" / "mine").read_bytes() == b"kept"
    assert len(seen) == 2


def test_a_rename_that_fails_leaves_the_old_folder(tmp_path, monkeypatch):
    with storage.folder_replaced(tmp_path / "made", lambda folder: None) as new:
        (new / "a").write_bytes(b"1")
    rename = type(tmp_path).rename

    def fails(path, target):
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    def replaced():
        with storage.folder_replaced(tmp_path / "made", lambda folder: None) as new:
            (new / "a").write_bytes(b"2")

    monkeypatch.setattr(type(tmp_path), "rename", fails)
    with pytest.raises(storage.StorageError, match="Input/output"):
        replaced()
    assert (tmp_path / "made" / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_failed_rename_of_a_file_leaves_the_old_file(tmp_path, monkeypatch):
    storage.write_atomically(tmp_path / "file", b"1")

    def fails(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(storage.StorageError, match="Input/output"):
        storage.write_atomically(tmp_path / "file", b"2")
    assert (tmp_path / "file").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_gone_is_not_made_again_where_that_is_asked_for(tmp_path):
    with pytest.raises(storage.StorageError):
        storage.write_atomically(tmp_path / "gone" / "file", b"1", make_parents=False)
    assert not (tmp_path / "gone").exists()


# --- JSON with its own hash ----------------------------------------------------------------------

DOCUMENTS = st.dictionaries(
    st.text(max_size=3).filter(lambda name: name != "sha256"),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda some: st.lists(some, max_size=2) | st.dictionaries(st.text(max_size=2), some),
        max_leaves=4,
    ),
    max_size=4,
)


@given(content=DOCUMENTS)
def test_what_is_sealed_comes_back(content):
    assert storage.unsealed(storage.sealed(content)) == content


@given(content=DOCUMENTS, data=st.data())
def test_one_changed_bit_is_seen_or_says_the_same(content, data):
    raw = bytearray(storage.sealed(content))
    place = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[place // 8] ^= 1 << place % 8
    with contextlib.suppress(storage.JsonError):
        assert storage.unsealed(bytes(raw)) == content


@pytest.mark.parametrize(
    "text",
    [
        *("", "[1]", '"x"', "null", "{}", "NaN", '{"a": Infinity}', "\ufeff{}"),
        *("[" * 100_000, '{"a":' * 50_000, '{"a": ' + "9" * 5000 + "}"),
    ],
)
def test_odd_json_ends_in_one_kind_of_error(text):
    with pytest.raises(storage.JsonError):
        storage.unsealed(text.encode())


def test_bytes_that_are_no_text_are_no_json():
    with pytest.raises(storage.JsonError):
        storage.parse_json(b"\xff\xfe\xfd")
    assert storage.parse_json(json.dumps({"a": [1]}).encode()) == {"a": [1]}
