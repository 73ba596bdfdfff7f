"""The folder of compiled kernels: code that is run, so that it is its owner's alone."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

from neurosim import storage

POSIX = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")
CODE = "from neurosim.kernels import compilation as c; print(c.CACHE_FOLDER, '|', c.NO_CACHE)"


def kernel_cache(root, **options):
    """What a process finds for its kernel cache under `root`: folder, reason."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "NEUROSIM_CACHE": str(root), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        **options,
    )
    folder, reason = done.stdout.strip().split(" |")
    return folder, reason.strip()


@POSIX
def test_the_folder_is_private_whatever_the_mask_allows(tmp_path):
    folder, reason = kernel_cache(tmp_path / "cache", umask=0)
    assert reason == ""
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


@POSIX
def test_a_folder_that_others_could_write_is_not_used(tmp_path):
    folder, _ = kernel_cache(tmp_path / "cache")
    os.chmod(folder, 0o777)
    unused, reason = kernel_cache(tmp_path / "cache")
    assert unused == "None"
    assert "can be written by other users" in reason
    os.chmod(folder, 0o755)
    assert kernel_cache(tmp_path / "cache") == (folder, "")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


@POSIX
def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "kernels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="is no folder"):
        storage.make_private(tmp_path / "kernels")


@pytest.mark.skipif(
    os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can make a folder of another user",
)
def test_a_folder_of_another_user_is_not_used(tmp_path):
    folder, _ = kernel_cache(tmp_path / "cache")
    os.chown(folder, 65534, 65534)
    assert kernel_cache(tmp_path / "cache") == ("None", f"{folder} belongs to another user")
    shutil.rmtree(folder)
