# Two commands do all set-up on a machine with Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster
export PYTHONUNBUFFERED = 1
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all ui check bench lock clean realdata

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# Installed once; again when the lock or the project file is newer.
$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(VENV)/.installed ## install, run the whole graph on the built-in sample, print the best opportunities
	$(BIN)/gosales run

realdata: $(VENV)/.installed ## run the whole graph on real transactions (completejourney)
	$(BIN)/gosales run --config examples/completejourney/gosales.yaml

# One process per core: beyond four, the longest file decides. A file stays in one process with what its tests share, and
# files begin in the order of the tests, the long ones first.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed ## the tests
	$(PYTEST)

test-all: $(VENV)/.installed ## the tests, the slow ones too
	$(PYTEST) -m ''

check: $(VENV)/.installed ## lint, types, definitions, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/gosales docs --check
	$(BIN)/dg check defs

ui: $(VENV)/.installed ## the asset graph in the browser, on 127.0.0.1:3000
	@mkdir -p $(DAGSTER_HOME) && cp dagster.yaml $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000 --workspace workspace.yaml

bench: $(VENV)/.installed ## speed and memory as ratios, written to bench/results.json
	$(BIN)/python -m bench

lock: ## pin what pyproject.toml asks for (needs uv)
	uv pip compile --quiet --python-version 3.11 --all-extras --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock

clean: ## remove what runs made: artifacts and the Dagster instance
	rm -rf gosales reports .dagster
