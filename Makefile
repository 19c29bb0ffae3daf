# `make help` lists the targets. Everything happens in .venv; uv is used where it is on PATH, else venv and pip.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench lock clean

# What was compiled once is kept, also where the variable is set: a second run of the tests begins sooner.
export PYTHONDONTWRITEBYTECODE :=

SIZE ?= s
# Two workers: most of a test is one XLA compilation on one core.
WORKERS ?= 2
BIN := .venv/bin
STAMP := .venv/.diorama-installed

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(STAMP) ## learn a world, train a policy in it, test it, report [SIZE=nano|xs|s|m|l]
	$(BIN)/diorama run push-t --size $(SIZE)

test: lint docs ## lint, import contract, docs, all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: $(STAMP) ## ruff and the import contract
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter

docs: $(STAMP) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(STAMP) ## measure what BENCHMARKS.md lists
	for script in $(wildcard benchmarks/*/run.py); do $(BIN)/python $$script; done

lock: ## make constraints.txt again (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
	  --extra dask --extra import --extra mujoco --extra onnx --extra postgres --extra pusht --extra ray --extra rope --extra sign --extra slurm --extra studio --extra video --extra docs --extra test --group build \
	  --custom-compile-command 'make lock' --quiet --output-file constraints.txt

clean: ## remove the environment, caches and builds (never runs/)
	rm -rf .venv .cache .pytest_cache .hypothesis .ruff_cache site dist build

$(STAMP): constraints.txt pyproject.toml .ci/environment
	@.ci/environment
	@touch $@
