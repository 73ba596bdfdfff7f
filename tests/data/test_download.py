"""Archives of downloads: unpacked within their folder, checked by hash, fetched by https."""

import io
import os
import stat
import subprocess
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import pytest

from neurosim import storage
from neurosim.data.sets import download
from neurosim.data.source import SourceError

OUTSIDE = ["../escaped", "a/../../escaped", "/tmp/escaped", "..\\escaped", "C:/escaped", "/"]


def zipped(path, members, mode=0o644):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return path


def tarred(path, members, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_what_an_archive_holds_is_unpacked(tmp_path, pack):
    made = pack(tmp_path / "a.bin", {"Train/0/1.bin": b"x", "Test/2.bin": b"y"})
    download.unpack(made, tmp_path / "out")
    assert files(tmp_path / "out") == {"Train/0/1.bin", "Test/2.bin"}


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_that_would_lie_outside_is_refused(tmp_path, pack, name):
    (tmp_path / "deep" / "out").mkdir(parents=True)
    made = pack(tmp_path / "a.bin", {"fine": b"x", name: b"x"})
    with pytest.raises(SourceError, match="outside its folder"):
        download.unpack(made, tmp_path / "deep" / "out")
    assert files(tmp_path) == {"a.bin"}


def test_links_and_devices_are_refused(tmp_path):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        with pytest.raises(SourceError, match="links or devices"):
            download.unpack(tarred(tmp_path / "a", {"link": b""}, kind), tmp_path / "out")
    with pytest.raises(SourceError, match="holds links"):
        download.unpack(
            zipped(tmp_path / "b", {"link": b"/etc"}, stat.S_IFLNK | 0o777), tmp_path / "out"
        )


def test_an_archive_of_more_than_any_data_set_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 10)
    with pytest.raises(SourceError, match="unpacks to 11 bytes"):
        download.unpack(zipped(tmp_path / "a", {"a": bytes(11)}), tmp_path / "out")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_cut_archive_is_refused(tmp_path, pack):
    whole = pack(tmp_path / "a", {f"{n}": os.urandom(50) for n in range(9)}).read_bytes()
    for size in range(0, len(whole), 23):
        (tmp_path / "b").write_bytes(whole[:size])
        try:
            download.unpack(tmp_path / "b", tmp_path / "out")
        except SourceError:
            continue
        assert pack is tarred  # a tar file has no end that is missed


def test_a_killed_download_is_removed_by_the_next_one(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = Path(storage._temporary_prefix("SET").replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
    (tmp_path / f"{left}x.tmp" / "new").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "tonic", fake())

    def fetch(tonic, work):
        (work / "made").mkdir()
        assert len(list(tmp_path.iterdir())) == 1
        return work / "made"

    download.download("SET", tmp_path / "SET", fetch, "1 kB", "SET")
    assert [path.name for path in tmp_path.iterdir()] == ["SET"]


@pytest.mark.parametrize("error", [OSError("connection reset"), RuntimeError("MD5"), KeyError("x")])
def test_a_download_that_fails_leaves_nothing(tmp_path, monkeypatch, error):
    monkeypatch.setitem(sys.modules, "tonic", fake())

    def fetch(tonic, work):
        (work / "part").write_bytes(b"x")
        raise error

    with pytest.raises(SourceError, match="downloading SET"):
        download.download("SET", tmp_path / "SET", fetch, "1 kB", "SET")
    assert not list(tmp_path.iterdir())


def fake():
    """tonic's download_utils, as far as they are guarded."""
    utils = types.SimpleNamespace(
        _urlretrieve=lambda url, path: f"fetched {url}",
        check_integrity=lambda path, md5=None: md5 == "right",
        _ARCHIVE_EXTRACTORS={".zip": "theirs", ".tar": "theirs"},
    )
    return types.SimpleNamespace(download_utils=utils)


def test_a_download_is_fetched_by_https_and_checked_by_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    tonic = fake()
    before = vars(tonic.download_utils).copy()
    with download.guarded(tonic):
        utils = tonic.download_utils
        assert utils._urlretrieve("https://a", "p") == "fetched https://a"
        with pytest.raises(SourceError, match="https"):
            utils._urlretrieve("http://a", "p")
        assert utils.check_integrity(str(tmp_path / "a"), "right")
        assert not utils.check_integrity(str(tmp_path / "a"), "other")
        assert not utils.check_integrity(str(tmp_path / "none"))
        assert not utils.check_integrity(str(tmp_path / "a"))  # no hash is known
        zipped(tmp_path / "b", {"../c": b"x"})
        with pytest.raises(SourceError, match="outside"):
            utils._ARCHIVE_EXTRACTORS[".zip"](str(tmp_path / "b"), str(tmp_path), None)
    assert vars(tonic.download_utils) == before
    assert tonic.download_utils._ARCHIVE_EXTRACTORS == {".zip": "theirs", ".tar": "theirs"}


def test_tonic_has_what_is_guarded():
    tonic = pytest.importorskip("tonic", reason='needs the extra "nmnist"')
    with download.guarded(tonic):
        assert tonic.download_utils._urlretrieve.__name__ == "secure"
