# make demo    train, export, reload and classify, in a virtual environment made for it
# make lab     open the first notebook
# make test    every check that runs in CI
#
# PYTHON=python3.12        the Python that makes the environment (3.11 or newer)
# PIP_FLAGS="..."          options for pip, such as an index with CPU-only builds of torch (see pytorch.org)
# VENV=folder              another place for the environment

PYTHON ?= python3
PIP_FLAGS ?=
VENV ?= .venv
BIN = $(VENV)/bin
# Jupyter wants to hear that it is meant to run as root, as everything does in many containers.
LAB_FLAGS ?= $(if $(filter 0,$(shell id -u)),--allow-root)
JAVASCRIPT = tests/javascript

.PHONY: help demo lab test fast format lint types javascript unit notebook browser

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.installed
	$(BIN)/onnx-workbench demo

lab: $(VENV)/.installed
	$(BIN)/jupyter lab $(LAB_FLAGS) notebooks/00_start_here.ipynb

# Each step is a file, so that a second call does nothing. torch comes first and alone: it is by far the
# largest download, and PIP_FLAGS may choose a smaller build of it.
$(VENV)/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.torch: $(VENV)/.made constraints.txt
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml onnx_workbench/server/jupyter_server_config.json
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[all]"
	@touch $@

$(VENV)/.tested-with: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[all,dev]"
	@touch $@

test: fast notebook browser

fast: lint types javascript unit

format: $(VENV)/.tested-with
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd $(JAVASCRIPT) && npm ci --no-audit --no-fund && npm run format

lint: $(VENV)/.tested-with
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.tested-with
	$(BIN)/mypy

# At home Node may be missing; in CI that would be a check that nobody made.
javascript:
	@if command -v npm >/dev/null 2>&1; then \
	    cd $(JAVASCRIPT) && npm ci --no-audit --no-fund --loglevel=error && npm run check; \
	elif [ -n "$$CI" ]; then \
	    echo "Node and npm are missing: the JavaScript cannot be checked." >&2; exit 1; \
	else \
	    echo "Node and npm are missing: the JavaScript is not checked."; \
	fi

unit: $(VENV)/.tested-with
	$(BIN)/python -m pytest -m "not notebook and not browser and not online"

notebook: $(VENV)/.tested-with
	$(BIN)/python -m pytest -m notebook

browser: $(VENV)/.tested-with
	$(BIN)/python -m pytest -m browser
