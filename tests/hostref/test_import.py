"""Import of the package: lazy, without torch."""

import subprocess
import sys

import pytest


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_loads_nothing():
    code = "import hostref, sys; print({'torch', 'numpy', 'numba'} & set(sys.modules))"
    assert run(code).stdout.strip() == "set()"


def test_settings_load_no_torch():
    code = "import hostref.settings, sys; print('torch' in sys.modules, 'numba' in sys.modules)"
    assert run(code).stdout.strip() == "False False"


def test_without_torch_the_extra_is_named():
    result = run("import sys; sys.modules['torch'] = None; import hostref.model")
    assert result.returncode != 0
    assert 'pip install "neurosim-eggroll[reference]"' in result.stderr


@pytest.mark.parametrize("words", [["bptt"], ["bench-host"]])
def test_a_command_without_torch_names_the_extra(words):
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError('no torch', name='torch')\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from neurosim.app.cli import main\n"
    )
    result = run(code + f"sys.exit(main({words!r}))")
    assert result.returncode == 1, result.stderr
    assert 'pip install "neurosim-eggroll[reference]"' in result.stderr
    assert "Traceback" not in result.stderr


def test_the_model_loads_no_compiled_kernel_of_the_chip():
    code = "import hostref.model, hostref.twin, sys; print('numba' in sys.modules)"
    assert run(code).stdout.strip() in ("False", "")
