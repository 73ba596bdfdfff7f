"""Run the notebooks and keep what they show.

    python notebooks/execute.py                         all of them, in place
    python notebooks/execute.py --out FOLDER NOTEBOOK   some, the results elsewhere

Each runs in a process of its own, in an empty folder, with the packages of this repository. An error in a
cell, or anything a cell says on stderr, ends in status 1 and writes nothing.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
CHANNELS = Config({"KernelManager": {"transport_encryption": "auto"}})
"""What goes to and from a notebook's process is encrypted where its version can."""
SECONDS = 300
"""Longest that one cell may take, kernels compiled anew included."""


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs it has now; RuntimeError where a cell fails or complains."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            config=CHANNELS,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise RuntimeError(f"{path}: {error}") from error
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path}: a cell says on stderr: {output['text']}")
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> int:
    asked = argparse.ArgumentParser(description="Run the notebooks and keep what they show.")
    asked.add_argument("notebook", nargs="*", type=Path, default=sorted(HERE.glob("*.ipynb")))
    asked.add_argument("--out", type=Path, help="folder for the results; by default in place")
    arguments = asked.parse_args()
    root = str(HERE.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    for path in arguments.notebook:
        try:
            result = executed(path)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        folder = arguments.out or path.parent
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(result, folder / path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
