# make train   set up, then train on the embedded data
# make test    set up, then the whole suite
# make docs    set up, then the documentation with its API reference, into build/docs
# They install all they need into .venv, in the versions of constraints.txt; PYTHON=... chooses the
# interpreter (3.11 to 3.13).

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: train test docs clean

train: $(READY)
	$(BIN)/neurosim train --data digits --generations 400

test: $(READY) $(VENV)/.norse
	$(BIN)/python -m pytest

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; install one, or give PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[reference,nmnist,test]'
	touch $@

# norse asks for torchvision, which nothing that is used of it needs
$(VENV)/.norse: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps 'norse>=1.1'
	touch $@

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
