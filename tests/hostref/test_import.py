"""Does the package stay out of the way until it is used?"""

import subprocess
import sys


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


def test_the_model_loads_no_compiled_kernel_of_the_chip():
    code = "import hostref.model, hostref.twin, sys; print('numba' in sys.modules)"
    assert run(code).stdout.strip() in ("False", "")
