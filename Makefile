# `make` alone lists what there is. Only Python 3.11 or newer (with venv) and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
HOST := 127.0.0.1
PORT := 8000
LIVE := sqlite:///var/store/live.db
TESTS := scripts/sample/experiments.toml
TEST := newest-first
REPORT := var/reports/$(TEST).html
EXAMPLE := business/bright-and-sons-cannery-to-close

.PHONY: help run test check coverage proof bench clean
.DEFAULT_GOAL := help

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(VENV)/.installed  ## install, index the sample newsroom, serve it on http://127.0.0.1:8000
	@mkdir -p var
	$(BIN)/python scripts/sample/newsroom.py --out var/sample.jsonl
	$(BIN)/python scripts/live_store.py upgrade --live $(LIVE)
	$(BIN)/python scripts/rebuild_index.py --source var/sample.jsonl --store var/store --live $(LIVE)
	@test -s var/newsroom.key || { umask 077; rm -f var/keys.toml; $(BIN)/python scripts/keys.py new newsroom \
		--file var/keys.toml --scopes write,editor | sed -n 's/^key: //p' > var/newsroom.key; }
	@echo "The key to write with, and to sign in to the console (signals, drafts, reports), stands in var/newsroom.key"
	@test -s $(REPORT) || { mkdir -p var/reports && $(BIN)/python scripts/ab_simulate.py --store var/store --experiments $(TESTS) \
		--experiment $(TEST) --events var/simulated && $(BIN)/python scripts/ab_report.py --events var/simulated \
		--experiments $(TESTS) --experiment $(TEST) --out $(REPORT); }
	RELATED_EXPERIMENTS=$(TESTS) RELATED_DEMO=on RELATED_REPORTS=var/reports RELATED_HOST=$(HOST) RELATED_PORT=$(PORT) RELATED_STORE=var/store RELATED_LIVE=$(LIVE) RELATED_KEYS=var/keys.toml RELATED_MEDIA_DIR=scripts/sample/media RELATED_TITLE="The Wendmouth Courier" \
		$(BIN)/python scripts/serve.py --example $(EXAMPLE)

test: $(VENV)/.installed-dev  ## everything CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not proof" -n 2 --dist loadfile
	$(BIN)/python scripts/tools/check_wheel.py
	$(BIN)/python scripts/tools/check_docker.py

check: $(VENV)/.installed-dev  ## the fast part of it: lint, types, imports, tests without the model
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m 'not model and not proof' -x -q

coverage: $(VENV)/.installed-dev  ## which lines and branches the tests run
	$(BIN)/python -m pytest -m "not proof" -n 2 --dist loadfile --cov --cov-report=term:skip-covered

proof: $(VENV)/.installed-dev  ## the long form of the proofs
	$(BIN)/python -m pytest -m proof

bench: $(VENV)/.installed-dev  ## the README's figures
	@for script in scripts/benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:  ## remove what the other targets made
	rm -rf $(VENV) var dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Made anew when the dependencies or their pins change; `-e` takes in every change of the code by itself.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "error: Python 3.11 or newer \
	is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1); name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[experiments]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	@touch $@
