# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the others.
# Everything runs in .venv, made from the locks: every package is pinned and its hash is checked.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PARALLEL := --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder
WAITING := --numprocesses 2 --dist loadfile --no-loadscope-reorder
LOCKS := requirements-dev.lock requirements-installer.lock
COMPILE := uv pip compile --generate-hashes --python-version 3.11 --no-header --annotation-style line

export DVC_NO_ANALYTICS := 1
export RAY_USAGE_STATS_ENABLED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env install demo test quick check format lock s3 s3-stop cluster cluster-stop test-s3-strict clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: .venv/.installed ## create or update .venv from the locks

.venv/.locked: $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "error: the locks are made for Python 3.11, $(PYTHON) is another one; install it, or make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "environment: .venv, from $(LOCKS)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-installer.lock
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes --build-constraints requirements-dev.lock $(LOCKS)
	@touch $@

# No build isolation: setuptools comes from the lock too.
.venv/.installed: .venv/.locked pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

install: ## the command `ssgan` without development tools, into an environment of its own: make install VENV=FOLDER
	@$(PYTHON) -m venv $(or $(VENV),$(error name the folder: make install VENV=FOLDER))
	@$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-installer.lock
	@$(VENV)/bin/uv pip sync --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes --build-constraints requirements.lock requirements.lock requirements-installer.lock
	@rm -rf build # setuptools would pack files that are there from a build before
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation .

demo: env ## run the whole job on handwritten digits with 40 labels, and say how it went
	dvc repro
	@ssgan summary
	@echo "next, on your own photos: $(BIN)/ssgan init ../my-photos --images /path/to/your/photos"

test: env ## run `make check` and all tests, those at the end that want the machine for themselves
	@PARALLEL="$(PARALLEL)" WAITING="$(WAITING)" .ci/test

quick: env ## run the tests while you work: those that are neither slow nor exclusive and need neither S3 nor Ray
	pytest $(PARALLEL) -m "not (slow or exclusive or s3 or ray)"

check: env ## ruff, mypy and the rules of import
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: env ## let ruff format the code
	ruff format .
	ruff check --fix .

# All packages are resolved together; a lock that exists makes uv keep its versions, so that both have the same ones.
lock: env ## pin the newest versions that pyproject.toml allows
	$(COMPILE) pyproject.toml --all-extras --upgrade -o requirements-dev.lock
	cp requirements-dev.lock requirements.lock
	$(COMPILE) pyproject.toml --extra aws -o requirements.lock
	echo uv | $(COMPILE) - --no-annotate --upgrade -o requirements-installer.lock
	python -m infra.locks requirements.lock requirements-dev.lock requirements-installer.lock

s3: env ## start a local S3 server with keys of its own, for dvc push and s3:// checkpoints
	python -m infra.s3.local start

s3-stop: env ## stop the local S3 server; its data stays
	python -m infra.s3.local stop

cluster: env ## start two Ray nodes and an S3 server on this machine, to submit to
	python -m infra.cluster.local start

cluster-stop: env ## stop them; what is in S3 stays
	python -m infra.cluster.local stop

test-s3-strict: env ## run the S3 tests against Ceph's radosgw as well (needs the Debian packages of Ceph)
	SSGAN_S3_SERVER=rgw pytest -m strict_s3

clean: ## remove caches of tools; data, results and .venv stay
	rm -rf build dist dvc_plots .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
