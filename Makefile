PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SMALL := select={choices.experiment:table_2_2_small}

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format benchmark table-2-2 table-2-2-run table-2-2-small clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

benchmark: $(INSTALLED) ## the training step against a bare PyTorch loop; cost and memory of the scores
	$(BIN)/python scripts/benchmark.py step
	$(BIN)/python scripts/benchmark_scores.py

table-2-2: $(INSTALLED) ## collect the runs of Table 2-2; its table and figures from results/records
	for runs in $(wildcard outputs/table_2_2*); do $(BIN)/python scripts/collect.py runs=$$runs || true; done
	$(BIN)/python scripts/tables.py table=2-2
	$(BIN)/python scripts/figures.py figure=[2-7,2-13,2-14,2-15]

table-2-2-run: $(INSTALLED) ## train Table 2-2: 75 runs of 200,000 steps, and 72 more with TINY_IMAGENET=FOLDER
	-$(BIN)/python train.py experiment=table_2_2 dataset=cifar10
	-$(BIN)/python train.py experiment=table_2_2_wgan_gp
	-$(if $(TINY_IMAGENET),$(BIN)/python train.py experiment=table_2_2 dataset=tiny_imagenet dataset.root=$(TINY_IMAGENET))

table-2-2-small: $(INSTALLED) ## Table 2-2 on the embedded digits, in small: train 24 runs, then its table and figures
	@OMP_NUM_THREADS=1 $(BIN)/python train.py experiment=table_2_2_small seed=0 & first=$$!; \
	OMP_NUM_THREADS=1 $(BIN)/python train.py experiment=table_2_2_small seed=1 & second=$$!; \
	trap 'kill $$first $$second; wait' INT TERM; \
	wait $$first; one=$$?; wait $$second; two=$$?; \
	if [ $$one$$two != 00 ]; then echo "some jobs did not finish (above); the table shows those that did"; fi
	$(BIN)/python scripts/collect.py runs=outputs/table_2_2_small
	$(BIN)/python scripts/tables.py table=2-2 datasets=[digits] name=table_2_2_small $(SMALL)
	$(BIN)/python scripts/figures.py figure=[2-7,2-14] datasets=[digits] $(SMALL)

clean: ## remove the installation and caches; runs and data stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
