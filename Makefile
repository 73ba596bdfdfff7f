# make train   set up, then train on the embedded data
# make check   set up with the extras of the tests, then a subset of some two minutes
# make test    the same, then the whole suite in a process for each core, four at most
# make docs    set up, then the documentation with its API reference, into build/docs
# Each installs what it needs into .venv, in the versions of constraints.txt: training a few hundred MB, the
# tests 2 GB (PyTorch, mypy, cocotb ...). PYTHON=... chooses the interpreter (3.11 to 3.13).

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS_READY := $(VENV)/.tests-ready
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CHECK := tests/test_imports.py tests/learning/test_intervals.py tests/learning/test_shaping.py \
	tests/learning/test_batches.py tests/learning/test_settings.py tests/learning/test_evolution.py \
	tests/neurosim/test_arithmetic.py tests/neurosim/test_frames.py tests/neurosim/test_readout.py \
	tests/neurosim/test_storage.py tests/neurosim/test_threads.py tests/neurosim/test_generator.py \
	tests/neurosim/test_mapping.py tests/neurosim/test_energy.py tests/cli/test_life_of_a_run.py \
	tests/cli/test_runs.py

.PHONY: train check test docs clean

train: $(READY)
	$(BIN)/neurosim train --data digits --generations 400

check: $(TESTS_READY)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q $(CHECK)

test: $(TESTS_READY) $(VENV)/.norse
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; install one, or give PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(TESTS_READY): $(READY)
	$(PIP) --editable '.[reference,nmnist,test]'
	touch $@

# norse asks for torchvision, which nothing that is used of it needs
$(VENV)/.norse: $(TESTS_READY)
	$(PIP) --no-deps 'norse>=1.1'
	touch $@

$(VENV)/.docs: $(READY)
	$(PIP) --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
