"""The documentation: the site builds without a warning, its API reference has what users meet, and the
README's Python example runs."""

import ast
import doctest
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest

import neurosim
from learning.rules.rule import Rule
from learning.settings import Settings
from neurosim.data.source import ImageSource, Recordings
from neurosim.network.connections import ConnectionKind

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
PACKAGES = ("neurosim", "learning", "hostref")
NO_INTERFACE = "neurosim.kernels"
"""The overview of the reference says that kernels are none."""


def _mkdocs() -> str:
    beside = Path(sys.executable).parent / "mkdocs"
    command = str(beside) if beside.exists() else shutil.which("mkdocs")
    if command is None:
        pytest.skip("mkdocs is not installed: pip install '.[docs]'")
    return command


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [_mkdocs(), "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def documented(site):
    """Full names of everything that the built reference has an entry for."""
    packed = (site / "objects.inv").read_bytes()
    _, _, body = packed.partition(b"using zlib.\n")
    return {line.split()[0] for line in zlib.decompress(body).decode().splitlines()}


def test_site_with_its_reference_builds_strictly(site):
    page = (site / "reference" / "population.html").read_text()
    assert "neurosim.population.evaluator.Evaluator.apply_update" in page
    assert "<li><code>saturated</code>: int64 (pair, 2): saturations of registers</li>" in page


# --- examples of the reference --------------------------------------------------------------------

EXAMPLES = (
    *("Network", "Population", "Connection", "Conv2d", "Weights", "Chip", "Probe", "Evaluator"),
    *("Batch", "Faults", "Settings", "start", "Training", "RunFolder", "load_run"),
)
"""Public names whose docstrings have an example; those of data are on the page."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_docstrings_say_what_happens(name):
    thing = getattr(neurosim, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(thing, name)
    assert example.examples
    runner = doctest.DocTestRunner()
    output = []
    runner.run(example, out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)


def test_examples_of_the_page_on_data_say_what_happens():
    failed, tried = doctest.testfile(str(REFERENCE / "data.md"), module_relative=False)
    assert tried
    assert failed == 0


# --- what the reference has ------------------------------------------------------------------------


def modules():
    """Names of all modules of the product, and their files."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imported(tree):
    """(local name, module, name in it) of every import of the product's names in a piece of code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in PACKAGES:
            for one in node.names:
                yield one.asname or one.name, node.module, one.name


def home(module, name):
    """Full name of a class, function or module where it is defined; None for one of another package.
    A constant is a part of the module that it is read from."""
    parent = importlib.import_module(module)
    thing = getattr(parent, name, None) or importlib.import_module(f"{module}.{name}")
    if isinstance(thing, ModuleType):
        full = thing.__name__
    elif callable(thing) and hasattr(thing, "__qualname__"):
        full = f"{thing.__module__}.{thing.__qualname__}"
    else:
        full = module
    return full if full.split(".")[0] in PACKAGES else None


def pages():
    """Names of the modules on the pages of the reference."""
    texts = [path.read_text() for path in sorted(REFERENCE.glob("*.md"))]
    return re.findall(r"^::: (\S+)$", "\n".join(texts), re.MULTILINE)


def test_a_module_is_on_one_page():
    assert len(pages()) == len(set(pages()))


def test_public_names_are_in_the_reference(documented):
    missing = []
    for name in sorted(set(neurosim.__all__) - {"__version__"}):
        module, attribute = neurosim._HOME[name]
        full = module if attribute is None else home(module, attribute)
        if full not in documented:
            missing.append(f"{name}: {full}")
    assert missing == []


def test_the_overview_names_all_public_names():
    text = (REFERENCE / "index.md").read_text()
    assert [name for name in neurosim.__all__ if f"`{name}`" not in text] == []


def test_what_a_module_offers_is_in_the_reference(documented):
    """`__all__` says what is meant for others."""
    missing = []
    for module, path in modules():
        if module == "neurosim" or "__all__" not in path.read_text():
            continue
        for name in importlib.import_module(module).__all__:
            full = home(module, name)
            if full is not None and full not in documented:
                missing.append(full)
    assert missing == []


def examples():
    """Python of README, documents and notebooks: where it stands, and its text."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for text in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
            yield path.name, text
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                yield path.name, "".join(cell["source"])


def test_what_the_examples_import_is_in_the_reference(documented):
    missing = []
    for where, text in examples():
        for _, module, name in imported(ast.parse(text)):
            full = None if module == "neurosim" and name in neurosim.__all__ else home(module, name)
            if full and not full.startswith(NO_INTERFACE) and full not in documented:
                missing.append(f"{where}: {full}")
    assert missing == []


def signatures(tree):
    """(name, annotation) of the arguments, results and fields of what is public in a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((node.name, base) for base in node.bases)
            for inner in node.body:
                if isinstance(inner, ast.AnnAssign):
                    yield node.name, inner.annotation
            yield from signatures(node)
        elif isinstance(node, ast.FunctionDef) and (
            not node.name.startswith("_") or node.name == "__init__"
        ):
            given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            for annotation in (*(one.annotation for one in given), node.returns):
                if annotation is not None:
                    yield node.name, annotation


def test_types_of_documented_signatures_are_in_the_reference(documented):
    """A reader who meets a class in a signature finds what it is."""
    missing = {}
    for module in pages():
        tree = ast.parse(dict(modules())[module].read_text())
        origin = {local: (source, name) for local, source, name in imported(tree)}
        for where, annotation in signatures(tree):
            for node in ast.walk(annotation):
                if isinstance(node, ast.Name) and node.id in origin:
                    full = home(*origin[node.id])
                    if full and not full.startswith(NO_INTERFACE) and full not in documented:
                        missing.setdefault(full, f"{module}.{where}")
    assert missing == {}


def members(tree):
    """(name, node) of the public functions and classes of a module, and of what these classes define."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{name}", inner) for name, inner in members(node))


def test_nothing_public_is_left_out_for_want_of_a_docstring():
    """Pages show documented members only; members of an interface are documented there."""
    interface = {*Settings.model_fields}.union(
        *map(vars, (ConnectionKind, ImageSource, Recordings, Rule))
    )
    missing = [
        f"{module}.{name}"
        for module in pages()
        for name, node in members(ast.parse(dict(modules())[module].read_text()))
        if ast.get_docstring(node) is None and name.rpartition(".")[2] not in interface
    ]
    assert missing == []


def test_python_example_of_the_readme_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    short = re.sub(r"generations=\d+", "generations=2", example)
    assert short != example
    done = subprocess.run([sys.executable, "-c", short], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
