.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# Without compiled modules every start of Python takes a second or more.
unexport PYTHONDONTWRITEBYTECODE
# Everything the environment is made of; a change in any of these makes it anew.
SOURCES := pyproject.toml requirements.lock requirements-uv.lock scripts/setup

help:  ## show what one can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.done  ## make the Python environment in .venv, for runs

setup-dev: .venv/.dev  ## add what tests need to the environment

.venv/.done: $(SOURCES)
	@scripts/setup

.venv/.dev: .venv/.done requirements-dev.lock
	@scripts/setup dev

.venv/.e2e: .venv/.dev scripts/setup-e2e
	@scripts/setup-e2e

lock: setup  ## write the lock files anew
	@scripts/lock

demo: setup  ## run configs/quickstart.cfg and show the report
	$(PYTHON) continuum.py configs/quickstart.cfg

test: setup-dev  ## lint, type-check and run all tests that need neither a daemon nor minutes
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint test-quick
	$(PYTHON) -m pytest -m "measures and not providers and not slow" $(LOCAL)

# Tests mostly wait, so there are more of them at a time than processors.
IN_PARALLEL := --numprocesses=$(shell expr 2 '*' $$(nproc)) --dist=worksteal

# Every process that runs tests loads all files of tests, so those of providers are left out where none is chosen.
LOCAL := --ignore=tests/e2e/providers

test-quick: setup-dev
	$(PYTHON) -m pytest -m "not measures and not providers and not slow" $(LOCAL) $(IN_PARALLEL)

test-slow: setup-dev  ## the tests that mostly wait: kill -9 at random moments, links that die under load
	$(PYTHON) -m pytest -m "slow and not measures and not providers and not long" $(LOCAL) $(IN_PARALLEL)
	$(PYTHON) -m pytest -m "slow and measures and not providers and not long" $(LOCAL)

# CONTINUUM_E2E=docker,qemu (or all) names providers whose tests must not be skipped on this machine.
test-e2e: .venv/.e2e  ## test providers for real; installs and starts the daemons they need
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target test-clusters test-containers test-guests test-hosts

# Each has one daemon for all of its tests, which run one after another.
test-clusters: .venv/.e2e
	$(PYTHON) -m pytest -m "providers and not long and clusters"

test-containers: .venv/.e2e
	$(PYTHON) -m pytest -m "providers and not long and containers"

test-guests: .venv/.e2e
	$(PYTHON) -m pytest -m "providers and not long and guests"

test-hosts: .venv/.e2e
	$(PYTHON) -m pytest -m "providers and not long and not containers and not clusters and not guests" --numprocesses=2 --dist=loadfile

test-long: .venv/.e2e  ## what takes longest: all moments of kills, a Kubernetes cluster of TCG-emulated guests
	$(PYTHON) -m pytest -m long

components: setup-dev  ## build what test-e2e installs, Kubernetes and the like, in build/components; needs Go
	$(PYTHON) -m tests.e2e.components build/components

components-all: setup-dev
	$(PYTHON) -m tests.e2e.components build/components cluster openfaas kwok kubeedge

lint: setup-dev  ## ruff, mypy --strict, and the rule that imports of the core run downward only
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) scripts/check_rooms.py

bench: setup-dev  ## measure what the README claims; prints tables, writes benchmarks/results/*.json
	$(PYTHON) -m benchmarks

docs: setup-dev  ## write the configuration reference anew
	$(PYTHON) -m continuum.config.reference > docs/configuration.md

clean:  ## remove the environment, caches and results (not the runs)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup setup-dev lock demo test test-quick test-slow test-e2e test-clusters test-containers test-guests test-hosts test-long lint bench docs clean components components-all
