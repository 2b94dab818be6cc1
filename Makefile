# Every target makes the virtual environment by itself. PYTHON picks the interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
WHEEL_ROOM := build/wheel-demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-uncompiled test-checked test-workflows test-rooms check bench docs reference wheel-demo clean

help:
	@echo "make demo        sample scenes to velocity map and report, in ./demo"
	@echo "make test        all tests"
	@echo "make check       format, lint, types, spelling, structure"
	@echo "make bench       benchmarks: time and peak memory"
	@echo "make docs        the documentation, in ./site"
	@echo "make reference   reference pages of docs/ from the code"
	@echo "make wheel-demo  build the wheel, install it alone, run the demo from it"
	@echo "make clean       remove what was made, the environment excepted"

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,docs]"
	touch $@

demo: $(STAMP)
	$(BIN)/creepmeter demo -o demo

# The kernels run three times: as plain Python and compiled with bounds checks, side by side, and as users run them.
# All other tests run in two halves side by side, as most of them keep one core busy.
WORKFLOWS := tests/workflow tests/tracking tests/kernels
test: $(STAMP)
	$(MAKE) --no-print-directory --jobs 2 test-uncompiled test-checked
	$(MAKE) --no-print-directory --jobs 2 test-workflows test-rooms

test-workflows: $(STAMP)
	$(BIN)/python -m pytest -q -m "not network" --durations=10 $(WORKFLOWS)

test-rooms: $(STAMP)
	$(BIN)/python -m pytest -q -p no:cacheprovider -m "not network" --durations=10 $(WORKFLOWS:%=--ignore=%) tests src

test-uncompiled: $(STAMP)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -p no:cacheprovider -m "kernel and not slow and not golden" tests

test-checked: $(STAMP)
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -q --durations=10 -m "kernel and not slow and not golden" tests

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python tools/check_structure.py
	$(BIN)/python tools/make_reference.py --check

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/mkdocs build --strict --quiet --site-dir site

reference: $(STAMP)
	$(BIN)/python tools/make_reference.py

wheel-demo: $(STAMP)
	rm -rf $(WHEEL_ROOM)
	$(BIN)/python -m build --wheel --no-isolation --outdir $(WHEEL_ROOM)/dist .
	$(BIN)/python -m venv $(WHEEL_ROOM)/venv
	$(WHEEL_ROOM)/venv/bin/python -m pip install --quiet --constraint constraints.txt $(WHEEL_ROOM)/dist/*.whl
	cd $(WHEEL_ROOM) && venv/bin/creepmeter demo -o demo

clean:
	rm -rf build dist site demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .numba-checked
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
