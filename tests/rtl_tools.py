"""The scripts of hardware/ as modules, and what a test of the Verilog needs to be installed."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HARDWARE = ROOT / "hardware"


def script(name):
    """hardware/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(name, HARDWARE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needs(*commands):
    """A mark that skips a test where one of these commands is not installed; each is a Debian package."""
    missing = [command for command in commands if shutil.which(command) is None]
    reason = f"not installed: apt-get install {' '.join(missing)}"
    return pytest.mark.skipif(bool(missing), reason=reason)
