# Needs make and Python 3.11 or newer; each target sets .venv up first, once.
# PYTHON=/path/to/python chooses the interpreter, ARGS="-k seams" is handed to pytest.

PYTHON ?= python3
WORKERS ?= auto

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCHMARKS := $(sort $(wildcard benchmarks/bench_*.py))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench faults fix docs pictures

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(READY) ## the sample film, made with the emulator: no account, no cost
	@$(BIN)/prefect-videogen demo

test: $(READY) ## every test
	@$(BIN)/pytest -n $(WORKERS) --dist loadscope $(ARGS)

check: $(READY) ## style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(READY) ## every comparison in benchmarks/
	@missed=0; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script || missed=1; done; \
	exit $$missed

fix: $(READY) ## what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Looks for an interpreter that is new enough, PYTHON first, and installs when these two files change.
$(READY): pyproject.toml constraints.txt
	@set -e; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		for python in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11 none; do \
			if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
		done; \
		if [ "$$python" = none ]; then \
			echo "Python 3.11 or newer not found; name one: make PYTHON=/path/to/python3" >&2; exit 1; \
		fi; \
		"$$python" -m venv $(VENV); \
	fi; \
	echo "Installing into $(VENV), a minute or two"; \
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'; \
	touch $@

faults: $(READY) ## the emulator's whole failure menu: entry, outcome, clips charged, time
	@$(BIN)/python tests/faults/table.py

docs: $(READY) ## docs/reference and the tables that are written from the code
	@$(BIN)/python -m tests.docs.generate

pictures: $(READY) ## docs/pictures, taken of a film that is made for it; needs Chromium
	@VIDEOGEN_PICTURES=docs/pictures $(BIN)/pytest -q tests/browser/test_pictures.py
