# firsttoken: `make serve` is all that a first try needs. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DECLARED := pyproject.toml constraints.txt
# workers of the tests: tests/parallel.py says what runs beside what
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install serve test test-fast check bench docs grafana

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## create .venv and install firsttoken with its demo model

serve: $(VENV)/.installed ## install if needed, then serve the demo model; ARGS="--port 8081" adds flags
	@$(BIN)/firsttoken serve $(ARGS)

test: $(VENV)/.installed-dev ## install what the tests need and run them all; ARGS="-k name" selects
	@tests/install-system-packages.sh
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-fast: $(VENV)/.installed-dev ## the tests that need no model, browser or database server, in less than two minutes
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not slow" $(ARGS)

check: $(VENV)/.installed-dev ## format, lint, types and contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict
	@$(BIN)/python -m pytest tests/contracts

bench: $(VENV)/.installed-bench ## run the benchmark; ARGS="--help" lists its options
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.installed ## write docs/settings.md and the table of pages in docs/dashboard.md again
	@$(BIN)/firsttoken settings --markdown > docs/settings.md
	@$(BIN)/python -m dashboard.docs docs/dashboard.md
	@$(BIN)/python -m gateway.api.openai.docs docs/openai.md

grafana: $(VENV)/.installed-dev ## write grafana/dashboards, alerting and kubernetes again
	@$(BIN)/python -m grafana.build

$(VENV)/.installed: $(DECLARED)
	@PYTHON="$(PYTHON)" .ci/install $(VENV) demo
	@touch $@

$(VENV)/.installed-dev: $(DECLARED)
	@PYTHON="$(PYTHON)" .ci/install $(VENV) demo,test,dev
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: $(DECLARED)
	@PYTHON="$(PYTHON)" .ci/install $(VENV) demo,test,dev,bench
	@touch $(VENV)/.installed $(VENV)/.installed-dev $@
