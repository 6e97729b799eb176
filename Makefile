# `make run` trains the default experiment, `make test` runs every check. Both set up what they need, once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
VENV_NEXT := .venv-hydra-1.4
HYDRA_NEXT := hydra-core==1.4.0rc3
INSTALL := bin/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore

.PHONY: help run test lint testbed testbed-where-possible testbed-down bench wheel clean

help:  ## list these targets
	@sed -n 's/^\([a-z][a-z-]*\):.*##/  make \1\t/p' Makefile | expand -t 26

run: $(VENV)/.installed  ## train the default experiment, here
	$(VENV)/bin/python -m trainconf

test: $(VENV)/.checked $(VENV_NEXT)/.checked lint testbed-where-possible  ## every check: ruff, mypy, import-linter, pytest on both Hydra lines
	tests/all $(VENV)/bin/python $(VENV_NEXT)/bin/python

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

bench: $(VENV)/.checked  ## measure each figure of docs/performance.md
	$(VENV)/bin/python -m benchmarks

wheel: $(VENV)/.checked  ## build dist/*.whl
	$(VENV)/bin/python -m build --wheel

clean:  ## remove what the checks and builds made; runs, their records and the testbed stay
	rm -rf $(VENV) $(VENV_NEXT) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written when the whole set-up succeeded; it is stale when what it was made from is newer.
$(VENV)/.installed: pyproject.toml Makefile $(VENV)/bin/python
	$(VENV)/$(INSTALL) --editable '.[uv,docker]'
	@touch $@

$(VENV)/.checked: pyproject.toml Makefile $(VENV)/bin/python
	$(VENV)/$(INSTALL) 'pip>=25.1'  # the first that reads dependency groups
	$(VENV)/$(INSTALL) --editable '.[uv,docker]' --group dev
	@touch $(VENV)/.installed $@

$(VENV_NEXT)/.checked: pyproject.toml Makefile $(VENV_NEXT)/bin/python
	$(VENV_NEXT)/$(INSTALL) 'pip>=25.1'
	$(VENV_NEXT)/$(INSTALL) --editable '.[docker]' --group dev '$(HYDRA_NEXT)'
	@touch $@

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "trainconf needs Python 3.10 or later and '$(PYTHON)' is not: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "this Python cannot make virtual environments: apt install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; exit 1; }
	$(PYTHON) -m venv $*
