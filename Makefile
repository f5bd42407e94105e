PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format benchmark clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## install into .venv, then train the default GAN on the embedded digits (about 3 minutes)
	$(BIN)/python train.py

test: $(INSTALLED) ## the tests of every commit (minutes)
	$(BIN)/python -m pytest -m "not slow and not gpu"

test-slow: $(INSTALLED) ## the tests that take longer, and those that need a GPU where there is one
	$(BIN)/python -m pytest -m "slow or gpu"

lint: $(INSTALLED) ## ruff (format and check), mypy, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## let ruff rewrite the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(INSTALLED) ## gan_lab's training step against a bare PyTorch loop
	$(BIN)/python scripts/benchmark.py step

clean: ## remove the installation and caches; runs and data stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
