# Every target sets itself up: a virtual environment in the checkout, exact versions from the lock files.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCENARIO ?= scenarios/cerebras_launch.yaml
SWEEP ?= scenarios/sweeps/batch_limit.yaml
PLAN ?= scenarios/plans/chat_70b.yaml
ARGS ?=
CASE ?=
PLAIN ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

ifneq ($(PLAIN),)
export INFERMODEL_PLAIN := 1
endif

.DEFAULT_GOAL := help

.PHONY: help run check sweep plan capacity report serve test test-slow golden docs bench clients compiled compile lint lock

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || { echo "setting up $(VENV) (once)" >&2; $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing the test tools (once)" >&2
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)-clients/.installed: requirements-clients.lock
	@$(PYTHON) -m venv $(VENV)-clients
	@$(VENV)-clients/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes -r $<
	@touch $@

clients: $(VENV)-clients/.installed ## install aiperf and guidellm (6.5 GB), which test-slow then points at the stand-in server

compiled: $(VENV)/.installed
	@$(BIN)/python tools/compile.py

run: compiled ## simulate SCENARIO, write reports/<scenario>/
	@$(BIN)/infermodel run "$(SCENARIO)" $(ARGS)

check: $(VENV)/.installed ## read SCENARIO and say whether it is sound, without running it
	@$(BIN)/infermodel run "$(SCENARIO)" --dry-run $(ARGS)

capacity: compiled ## the largest load each service of SCENARIO sustains at its objectives
	@$(BIN)/infermodel capacity "$(SCENARIO)" $(ARGS)

sweep: compiled ## run the what-ifs of SWEEP
	@$(BIN)/infermodel sweep "$(SWEEP)" $(ARGS)

plan: compiled ## the cheapest fleet for PLAN
	@$(BIN)/infermodel plan "$(PLAN)" $(ARGS)

serve: compiled ## answer HTTP requests as SCENARIO's service would
	@$(BIN)/infermodel serve "$(SCENARIO)" $(ARGS)

report: run ## same as run: the page is reports/<scenario>/report.html

lint: $(VENV)/.installed-dev ## style, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

test: lint ## everything that a change must pass, under 10 minutes on 2 cores
	@$(BIN)/python -m pytest -n 2 $(ARGS)

test-slow: $(VENV)/.installed-dev ## statistics, soaks and mutants
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m slow --hypothesis-profile exploring $(ARGS)

compile: $(VENV)/.installed ## compile the inner loops once more (40 s of CPU), as run does where there is a C compiler; PLAIN=1 runs without them
	@$(BIN)/python tools/compile.py --again --within 900

golden: $(VENV)/.installed ## what moved in the five recorded runs; ARGS=--record takes today's
	@$(BIN)/python tests/golden/moved.py $(ARGS)

docs: $(VENV)/.installed ## renew the tables of docs/ that the program writes
	@$(BIN)/python -m infermodel.pages.marked

bench: $(VENV)/.installed ## benchmarks, or one of them with CASE=W1_10k; ARGS="--against CHECKOUT" compares
	@$(BIN)/python benchmarks/run.py $(ARGS) $(CASE)

lock: ## write the lock files from pyproject.toml (needs a network); ARGS=--keep renews only the hashes
	@$(PYTHON) tools/lock.py $(ARGS)
