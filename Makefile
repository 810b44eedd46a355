# Needs make and Python 3.11 or newer; everything else goes into $(VENV), and nothing outside this folder is touched.
# Another interpreter or another place: make test PYTHON=python3.12 VENV=.venv312

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two pips at once would write the same environment
.PHONY: help demo test lint bench docs notebooks clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.run  ## from points to a map on a scene made here; look into demo/
	$(BIN)/geopointseg demo --out demo --overwrite

test: $(VENV)/.test  ## run the tests; some of them: make test ARGS='-m "not slow"'
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.lint  ## check style, layout and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.test  ## the quick form of the speed benchmark
	$(BIN)/python -m benchmarks.speed --quick $(ARGS)

docs: $(VENV)/.docs  ## build the site; then open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)
	@echo "open site/index.html"

notebooks: $(VENV)/.notebook  ## run the notebooks in build/notebooks/; 'make docs' then shows their pictures
	rm -rf build/notebooks && mkdir -p build/notebooks && cp notebooks/*.ipynb build/notebooks/
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=850 --overwrite build/notebooks $(ARGS)

clean:  ## remove what was made, but not the environment, which is slow to make
	rm -rf demo dist build site lightning_logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find geopointseg pipelines benchmarks tests -name __pycache__ -prune -exec rm -rf {} +
	@echo "the environment stays; to remove it too: rm -rf $(VENV)"

# One empty file per set of extras says that it is installed as pyproject.toml and constraints.txt now ask.
EXTRAS_run :=
EXTRAS_test := [test]
EXTRAS_lint := [lint]
EXTRAS_docs := [docs]
EXTRAS_notebook := [notebook]

$(VENV)/.run $(VENV)/.test $(VENV)/.lint $(VENV)/.docs $(VENV)/.notebook: $(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing geopointseg$(EXTRAS_$*) into $(VENV) (some 6 GB, mostly PyTorch: minutes, once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.$(EXTRAS_$*)'
	@touch $@
	@echo "installed; next time only when pyproject.toml or constraints.txt has changed"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "geopointseg needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>/dev/null || echo not here)"; \
	  echo "name another interpreter, such as: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; } >&2
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }  # without pip (Debian's python3-venv missing) it is of no use
