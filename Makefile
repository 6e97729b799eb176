# `make run` trains the default experiment, `make test` runs every check. Both set up what they need, once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
VENV_NEXT := .venv-hydra-1.4
VENV_NEWEST := .venv-newest
VENV_DOCS := .venv-docs
SITE := site
INSTALL := bin/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore
LOCKED := $(INSTALL) --no-build-isolation --require-hashes --requirement
THIS := $(INSTALL) --no-build-isolation --no-deps --editable .
LOCK := $(VENV)/bin/uv pip compile --universal --python-version 3.10 --generate-hashes --upgrade --quiet --no-annotate \
  --custom-compile-command 'make lock'

.PHONY: help run test test-all test-newest lint lock testbed testbed-where-possible testbed-down bench soak faults docs wheel clean

help:  ## list these targets
	@sed -n 's/^\([a-z][a-z-]*\):.*##/  make \1\t/p' Makefile | expand -t 26

run: $(VENV)/.installed  ## train the default experiment, here
	$(VENV)/bin/python -m trainconf

test: $(VENV)/.checked $(VENV_NEXT)/.checked lint testbed-where-possible  ## every check: ruff, mypy, import-linter, pytest on both Hydra lines
	tests/all $(VENV)/bin/python $(VENV_NEXT)/bin/python

test-all: $(VENV)/.checked $(VENV_NEXT)/.checked lint testbed-where-possible  ## the same, and the tests marked nightly
	tests/all $(VENV)/bin/python $(VENV_NEXT)/bin/python --nightly

test-newest:  ## the tests with the newest releases that the ranges of pyproject.toml allow; their warnings are no errors here
	$(PYTHON) -m venv --clear $(VENV_NEWEST)
	$(VENV_NEWEST)/$(INSTALL) --upgrade 'pip>=25.1'  # the first that reads dependency groups
	$(VENV_NEWEST)/$(INSTALL) --editable '.[uv,docker]' --group dev
	$(VENV_NEWEST)/bin/python -m pytest -o filterwarnings=default --numprocesses=2 --dist=loadfile -m 'not docker and not slurm and not nightly'

lint: $(VENV)/.checked  ## style, types and floors only
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache  # its cache has hidden a broken contract

testbed-where-possible:
	@tests/testbed/up || [ $$? -eq 3 ]  # 3: not on this machine; the tests that need it are skipped, each with the reason

testbed:  ## bring up what some tests need: a Docker engine, as root on Debian
	tests/testbed/up

testbed-down:  ## end what `make testbed` started
	tests/testbed/down

lock: $(VENV)/bin/python  ## renew locks/, what `make` installs, and conf/env/*.lock.txt, what env=NAME does: each release with its hashes
	$(VENV)/$(INSTALL) 'uv>=0.7'  # the first that locks dependency groups
	$(LOCK) pyproject.toml --extra uv --extra docker --group dev --output-file locks/dev.txt
	$(LOCK) pyproject.toml --extra uv --extra docker --group build --constraint locks/dev.txt --output-file locks/run.txt
	$(LOCK) --group build --constraint locks/dev.txt --output-file locks/build.txt
	$(LOCK) pyproject.toml --extra docker --group dev --group hydra-next --output-file locks/dev-hydra-1.4.txt
	$(LOCK) locks/release.in --output-file locks/release.txt
	$(LOCK) locks/notebook.in --constraint locks/dev.txt --output-file locks/notebook.txt
	$(LOCK) locks/docs.in --output-file locks/docs.txt
	$(LOCK) locks/trackers.in --output-file locks/trackers.txt
	$(LOCK) locks/trackio.in --output-file locks/trackio.txt
	$(LOCK) locks/node.in --output-file locks/node.txt
	$(VENV)/bin/python locks/environments.py

faults: $(VENV)/.checked  ## kill, stop, fill disks and turn clocks at random moments, and kill controllers at every line, for an hour
	$(VENV)/bin/python -m tests.faults --seed $${SEED:-1}
	$(VENV)/bin/python -m tests.faults.kills one two all

bench: $(VENV)/.checked  ## measure each figure of docs/performance.md
	$(VENV)/bin/python -m benchmarks

docs: $(VENV_DOCS)/.installed  ## build the site of the documents: site/index.html; a link or an anchor that leads nowhere fails
	$(VENV_DOCS)/bin/python -m sphinx --quiet --fail-on-warning --keep-going -c docs -d $(SITE)/.doctrees . $(SITE)

soak: $(VENV)/.checked  ## how the page and its server grow in an hour with 50 live runs: `make soak SOAK_S=300` for five minutes
	$(VENV)/bin/python -m benchmarks.page.soak --check --seconds $${SOAK_S:-3600}

wheel: $(VENV)/.checked  ## build dist/*.whl
	$(VENV)/bin/python -m build --wheel

clean:  ## remove what the checks and builds made; runs, their records and the testbed stay
	rm -rf $(VENV) $(VENV_NEXT) $(VENV_NEWEST) $(VENV_DOCS) dist build $(SITE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written when the whole set-up succeeded; it is stale when what it was made from is newer.
$(VENV)/.installed: locks/run.txt locks/build.txt pyproject.toml Makefile $(VENV)/bin/python
	$(VENV)/$(LOCKED) locks/build.txt
	$(VENV)/$(LOCKED) locks/run.txt
	$(VENV)/$(THIS)
	@touch $@

$(VENV)/.checked: locks/dev.txt $(VENV)/.installed
	$(VENV)/$(LOCKED) locks/dev.txt
	@touch $@

$(VENV_NEXT)/.checked: locks/dev-hydra-1.4.txt locks/build.txt pyproject.toml Makefile $(VENV_NEXT)/bin/python
	$(VENV_NEXT)/$(LOCKED) locks/build.txt
	$(VENV_NEXT)/$(LOCKED) locks/dev-hydra-1.4.txt
	$(VENV_NEXT)/$(THIS)
	@touch $@

$(VENV_DOCS)/.installed: locks/docs.txt $(VENV_DOCS)/bin/python
	$(VENV_DOCS)/$(LOCKED) locks/docs.txt
	@touch $@

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "trainconf needs Python 3.10 or later and '$(PYTHON)' is not: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "this Python cannot make virtual environments: apt install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; exit 1; }
	$(PYTHON) -m venv $*
