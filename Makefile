# The two commands that matter: `make run` sets everything up and serves; `make test` runs every check.
SHELL := /bin/bash
# An inherited PYTHONDONTWRITEBYTECODE would recompile TensorFlow at every start.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
ARGS ?=

.PHONY: run chat test lint models unit e2e setup setup-dev lock clean

run: setup
	$(PY) -m chengda run $(ARGS)

chat: setup
	$(PY) -m chengda chat $(ARGS)

# The models are trained while mypy reads: each uses the core that the other one leaves.
test: setup-dev
	$(MAKE) -j 2 lint models
	$(MAKE) unit
	$(MAKE) e2e

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

models:
	CHENGDA_CITY=city.yml $(PY) -m chengda train all

# tests/conftest.py puts the slowest files first, so that no worker is left alone with one at the end.
unit:
	$(PY) -m pytest tests --ignore tests/e2e -n 2 --dist loadfile --no-loadscope-reorder

e2e:
	$(PY) -m pytest tests/e2e -n 2 --dist loadfile --no-loadscope-reorder

setup:
	@deploy/bootstrap.sh

setup-dev:
	@deploy/bootstrap.sh dev

# Locks carry versions and hashes, no addresses.
lock:
	uv pip compile -q --python-version 3.10 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    --extra base --extra sumo pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.10 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    --extra dev --extra base --extra sumo --extra qdrant pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis
