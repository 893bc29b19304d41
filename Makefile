# Everything a user or CI calls. Each target sets up what it needs; the first run takes a minute.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_WORKERS ?= auto
PYTEST_OPTIONS ?=

.PHONY: help demo test lint bench coverage format traces verdicts clean qemu chromium gdb

help:
	@echo "make demo      run the main guest program on 4 cores"
	@echo "make test      run the whole test suite"
	@echo "make lint      formatter, linter, types, layers"
	@echo "make bench     measure against a raw engine; writes build/bench.json"
	@echo "make coverage  the tests, with the branches of devices/ and core/ counted"
	@echo "make verdicts  docs/verdicts.md: the protocols judged and their costs counted, made anew"
	@echo "make traces    the reference recordings of traces/, made anew"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV) || { tools/apt_install python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[test,lint]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/unismp run pmm_smp --cores 4

qemu:
	@command -v qemu-system-x86_64 >/dev/null || tools/apt_install qemu-system-x86 \
		|| echo "qemu-system-x86_64 is not installed: the oracle tests will be skipped"

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| tools/apt_install chromium \
		|| echo "chromium is not installed: the tests of the page of a trace will be skipped"

gdb:
	@command -v gdb >/dev/null || tools/apt_install gdb \
		|| echo "gdb is not installed: the sessions with the real gdb will be skipped"

test: $(VENV)/installed qemu chromium gdb
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_OPTIONS)

coverage:
	$(MAKE) test PYTEST_OPTIONS="$(PYTEST_OPTIONS) --cov --cov-report="
	$(BIN)/python -m coverage report --include='uniSMP/devices/*,uniSMP/core/*' --fail-under=95

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed
	$(BIN)/python benchmarks/run.py

traces: $(VENV)/installed
	$(BIN)/python tools/refresh_traces

verdicts: $(VENV)/installed
	$(BIN)/unismp protocols --jobs 2 --markdown docs/verdicts.md

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
