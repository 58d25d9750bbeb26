# What the main job is given; `make run ARGS="reward=regret algo=sac"` chooses otherwise.
ARGS ?= reward=degradation algo=ppo
# What pytest is given; `make test TESTS="tests/envs/battery/test_physics.py -x"` runs less.
TESTS ?=
# What `make bench` is given; `make bench BENCH="--algos ppo --part all"` measures otherwise.
BENCH ?=
# How many sweeps `make test-kills` kills; about a minute and a half each.
RUNS ?= 50
# How many processes share the tests.
WORKERS ?= 2
# Where torch comes from, for a CPU or another build than the package index has; empty: from where the rest does.
TORCH_INDEX_URL ?=
# Where the dashboard listens, on this machine only.
PORT ?= 5000
# A Python 3.11: the first of these that runs and is one.
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
# What set-up has done, each with its stamp: the locked packages, the lab itself, and an extra.
LOCKED := $(VENV)/locked
READY := $(VENV)/ready
EMULATOR := launchers/sagemaker_emulator

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Stamps that only a pattern names would be swept away, and the extra installed again, without this.
.PRECIOUS: $(VENV)/extra-%
.PHONY: help setup setup-aws setup-rehearsal setup-tf system run test test-slow test-kills test-nodes test-image lint bench bench-learning dashboard lock clean

help: ## Say what can be made
	@sed -n 's/^\([a-z -]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY) ## Make .venv with the locked packages and the lab; does nothing when that is done

setup-aws setup-rehearsal setup-tf: setup-%: $(VENV)/extra-% ## Add what the extra aws, rehearsal or tf wants to .venv

run: $(READY) ## Run the main job: train, judge and report (ARGS="reward=regret algo=sac" for another)
	$(BIN)/python -m battery_lab $(ARGS)

# Of SageMaker jobs too, which the extras are there for.
test: $(VENV)/extra-aws $(VENV)/extra-rehearsal ## Run the tests (TESTS="tests/envs/battery/test_physics.py -x" for some)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-slow: $(VENV)/extra-aws $(VENV)/extra-rehearsal ## Run the tests that train for minutes
	$(BIN)/python -m pytest -m "slow or full" $(TESTS)

test-kills: $(READY) ## Kill sweeps at random, and hold what comes out to one that nobody kills (RUNS=50)
	$(BIN)/python -m tests.launchers.kills --runs $(RUNS)

test-nodes: $(READY) ## Kill one of two Ray nodes during a sweep, each in a network of its own where the rights allow
	$(BIN)/python -m tests.launchers.nodes

test-image: $(VENV)/extra-aws ## Train and serve by the packages of the image for SageMaker, in an empty environment
	$(BIN)/python -m tests.sagemaker_jobs.image_trial

lint: $(READY) ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# MLflow opens on its pages for language models; the address printed first is that of its pages for trials.
# Peers are in .venv for this alone: nothing else of the lab wants them, and nothing of the lab's moves for them.
bench: $(VENV)/extra-bench ## Train beside RLlib, Stable-Baselines3 and torch loops, for speed (BENCH="--part all" for more)
	$(BIN)/python -m benchmarks.bench $(BENCH)

bench-learning: $(READY) ## Train by rollout=array and rollout=stock, for what they learn (BENCH="--tasks cartpole_ppo")
	$(BIN)/python -m benchmarks.equal_learning $(BENCH)

dashboard: $(READY) ## Compare trials in the browser: MLflow on outputs/mlflow.db, for this machine only
	@mkdir -p outputs
	@echo "Open http://127.0.0.1:$(PORT)/#/experiments?workflowType=machine_learning"
	MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true $(BIN)/python -m mlflow ui \
		--backend-store-uri sqlite:///outputs/mlflow.db --artifacts-destination outputs/mlartifacts \
		--host 127.0.0.1 --port $(PORT) --workers 1

system: ## Install the Debian packages that compilation and some tests want (asks for root)
	@command -v apt-get >/dev/null || { echo "make system knows Debian and its children only." \
		"Install a C++ compiler (g++), Chromium and Python 3.11 with venv by your own means." >&2; exit 1; }
	$(if $(filter-out 0,$(shell id -u)),sudo )apt-get update
	$(if $(filter-out 0,$(shell id -u)),sudo )apt-get install -y --no-install-recommends g++ chromium python3-venv

clean: ## Remove .venv, builds and caches; outputs/, where results are, stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find battery_lab tests -name __pycache__ -prune -exec rm -rf {} +

# --- set-up ---

# An index asked for that is not the one torch came from: begin again, rather than keep the other build in silence.
ifneq ($(TORCH_INDEX_URL),)
ifneq ($(TORCH_INDEX_URL),$(shell cat $(LOCKED) 2>/dev/null))
.PHONY: $(LOCKED)
endif
endif

# From nothing each time, so that .venv holds what the lock says and no leftovers. torch brings the CUDA packages of its
# own build, if any; what it shares with the rest is there already, from the lock. Compiling on all cores at the end takes
# half the time that pip takes for it on one; some packages carry files for other Pythons, which cannot be compiled.
$(LOCKED): requirements.lock
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "The lab needs Python 3.11; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>&1)." \
		"Install 3.11, or say where it is: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its modules venv and ensurepip are missing." \
		"On Debian: make system, or apt-get install python3.11-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, some minutes): packages, then torch, then the lab"
	@$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --no-compile --require-hashes -r requirements.lock
	$(PIP) install --no-compile $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) $(TORCH)
	@$(BIN)/python -m compileall -q -j 0 -x '/tests/' $(VENV)/lib >/dev/null || true
	@echo "$(TORCH_INDEX_URL)" > $@

$(READY): pyproject.toml $(LOCKED)
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/extra-%: requirements-%.lock $(READY)
	$(PIP) install --require-hashes -r requirements.lock -r $<
	@touch $@

# The emulator is a distribution beside the lab.
$(VENV)/extra-rehearsal: requirements-rehearsal.lock $(EMULATOR)/pyproject.toml $(READY)
	$(PIP) install --require-hashes -r requirements.lock -r $<
	$(PIP) install --no-deps --no-build-isolation -e $(EMULATOR)
	@touch $@

# --- for who changes the dependencies in pyproject.toml ---

EXTRAS := aws bench job tf
COMPILE = uv pip compile -q --python-version 3.11 --python-platform linux --no-emit-package torch \
	--custom-compile-command "make lock"
BESIDE_CORE = -c build/all.lock --generate-hashes \
	$$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)

# One resolution of everything first, so that every extra fits beside the core; then a file each, an extra's without the
# packages of the core.
lock: ## Resolve the dependencies again into the lock files (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH: pip install uv" >&2; exit 1; }
	@mkdir -p build
	$(COMPILE) pyproject.toml $(EMULATOR)/pyproject.toml --group dev --all-extras -o build/all.lock
	$(COMPILE) pyproject.toml --group dev -c build/all.lock --generate-hashes -o requirements.lock
	for extra in $(EXTRAS); do $(COMPILE) pyproject.toml --extra $$extra $(BESIDE_CORE) \
		-o requirements-$$extra.lock || exit 1; done
	$(COMPILE) $(EMULATOR)/pyproject.toml $(BESIDE_CORE) -o requirements-rehearsal.lock
