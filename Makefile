# The arguments of the lab's main job: make run ARGS="reward=regret algo=sac"
ARGS ?= reward=degradation algo=ppo
# Arguments of pytest: make test TESTS="tests/envs/battery/test_physics.py -x"
TESTS ?=
# Arguments of the benchmarks: make bench BENCH="--algos ppo --part all"
BENCH ?=
# Arguments of the fuzzed commands: make fuzz FUZZ="--commands 500 --seed 1"
FUZZ ?= --commands 10000 --seed 0 --workers $(WORKERS)
# How many sweeps `make test-kills` kills; each takes about a minute and a half.
RUNS ?= 50
# How many processes run tests in parallel.
WORKERS ?= 2
# A package index for another build of torch (CUDA, say). Empty: the index of all other packages.
TORCH_INDEX_URL ?=
# The port of `make dashboard`, on this machine only.
PORT ?= 5000
# The first Python 3.11 on the PATH.
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
# Stamps of what is installed: the locked packages, the lab itself, and each extra.
LOCKED := $(VENV)/locked
READY := $(VENV)/ready
EMULATOR := launchers/sagemaker_emulator
TEST_EXTRAS := $(VENV)/extra-aws $(VENV)/extra-live $(VENV)/extra-rehearsal
PYTEST := $(BIN)/python -m pytest
# With --quiet, mkdocs would accept broken links.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Make would delete these stamps, as only a pattern rule names them.
.PRECIOUS: $(VENV)/extra-%
.PHONY: help setup setup-aws setup-docs setup-live setup-rehearsal setup-tf system run test test-walks test-slow test-kills \
	test-nodes test-image fuzz lint docs bench bench-learning dashboard lock clean

help: ## List the targets
	@sed -n 's/^\([a-z -]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY) ## Create .venv with the locked packages and the lab; does nothing if it is up to date

setup-aws setup-docs setup-live setup-rehearsal setup-tf: setup-%: $(VENV)/extra-% ## Add the packages of an extra to .venv

run: $(READY) ## Train a policy, evaluate it and write a report (ARGS="reward=regret algo=sac" for another trial)
	$(BIN)/python -m battery_lab $(ARGS)

test: $(TEST_EXTRAS) ## Run the tests (TESTS="tests/envs -x" for some of them)
	$(PYTEST) $(PARALLEL) $(TESTS)

test-walks: $(TEST_EXTRAS) ## Run the longer tests: whole commands, the SageMaker emulator, a browser, kills
	$(PYTEST) $(PARALLEL) -m "walk and not slow and not full" $(TESTS)

test-slow: $(TEST_EXTRAS) ## Run the tests that train for minutes
	$(PYTEST) -m "slow or full" $(TESTS)

test-kills: $(READY) ## Kill sweeps at random and compare them with a sweep that was left alone (RUNS=50)
	$(BIN)/python -m tests.launchers.kill_harness --runs $(RUNS)

test-nodes: $(READY) ## Kill one of two Ray nodes during a sweep; each is in its own network namespace if permitted
	$(BIN)/python -m tests.launchers.check_node_loss

test-image: $(VENV)/extra-aws ## Train and serve with the packages of the SageMaker image, in an empty environment
	$(BIN)/python -m tests.sagemaker_jobs.check_image_run

fuzz: $(READY) ## Run 10,000 right and wrong commands, none of which may end in a traceback (FUZZ="--commands 500")
	$(BIN)/python -m benchmarks.fuzz_commands $(FUZZ)

lint: $(READY) $(VENV)/extra-docs ## Check style, format, words, types and the links in the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(MKDOCS)

docs: $(READY) $(VENV)/extra-docs ## Build the documentation as a site that opens offline: build/site/index.html
	$(MKDOCS)
	@echo "Open build/site/index.html"

# The peers are a separate extra: nothing else in the lab needs them.
bench: $(VENV)/extra-bench ## Measure training speed beside RLlib, Stable-Baselines3 and torch (BENCH="--part all")
	$(BIN)/python -m benchmarks.bench $(BENCH)

bench-learning: $(READY) ## Compare what rollout=array and rollout=stock learn (BENCH="--tasks cartpole_ppo")
	$(BIN)/python -m benchmarks.array_vs_stock_returns $(BENCH)

# MLflow's front page is for language models, so print the address of its run table.
dashboard: $(READY) ## Compare trials in the browser: MLflow on outputs/mlflow.db, for this machine only
	@mkdir -p outputs
	@echo "Open http://127.0.0.1:$(PORT)/#/experiments?workflowType=machine_learning"
	MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true $(BIN)/python -m mlflow ui \
		--backend-store-uri sqlite:///outputs/mlflow.db --artifacts-destination outputs/mlartifacts \
		--host 127.0.0.1 --port $(PORT) --workers 1

system: ## Install the Debian packages for compilation and browser tests: g++, Chromium (needs root)
	@command -v apt-get >/dev/null || { echo "make system supports Debian and its derivatives only." \
		"Install a C++ compiler (g++), Chromium and Python 3.11 with venv in your system's way." >&2; exit 1; }
	$(if $(filter-out 0,$(shell id -u)),sudo )apt-get update
	$(if $(filter-out 0,$(shell id -u)),sudo )apt-get install -y --no-install-recommends g++ chromium python3-venv

clean: ## Remove .venv, builds and caches; outputs/, with all results, stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find battery_lab launchers tests -name __pycache__ -prune -exec rm -rf {} +

# --- set-up ---

# If torch came from another index than the one requested now, set up again.
ifneq ($(TORCH_INDEX_URL),)
ifneq ($(TORCH_INDEX_URL),$(shell cat $(LOCKED) 2>/dev/null))
.PHONY: $(LOCKED)
endif
endif

# Start from an empty .venv, so that it holds what the lock file says and nothing else. torch is installed last: it brings
# the CUDA packages of its build, if any. Compiling bytecode in parallel takes half the time that pip needs for it; some
# packages contain files for other Python versions, which do not compile.
$(LOCKED): requirements.lock
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "The lab needs Python 3.11; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>&1)." \
		"Install Python 3.11, or set PYTHON: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments: its modules venv and ensurepip are missing." \
		"On Debian: make system, or apt-get install python3.11-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, a few minutes): packages, then torch, then the lab"
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

# --- for changes of the dependencies in pyproject.toml ---

EXTRAS := aws bench docs job live tf
COMPILE = uv pip compile -q --python-version 3.11 --python-platform linux --no-emit-package torch \
	--custom-compile-command "make lock"
BESIDE_CORE = -c build/all.lock --generate-hashes \
	$$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)

# Resolve everything together first, so that all extras fit beside the core; versions that are locked already stay if they
# can. Then write one file per extra, without the packages of the core.
lock: ## Resolve the dependencies into the lock files (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH: pip install uv" >&2; exit 1; }
	@mkdir -p build && cat requirements*.lock > build/all.lock
	$(COMPILE) pyproject.toml $(EMULATOR)/pyproject.toml --group dev --all-extras -o build/all.lock
	$(COMPILE) pyproject.toml --group dev -c build/all.lock --generate-hashes -o requirements.lock
	for extra in $(EXTRAS); do $(COMPILE) pyproject.toml --extra $$extra $(BESIDE_CORE) \
		-o requirements-$$extra.lock || exit 1; done
	$(COMPILE) $(EMULATOR)/pyproject.toml $(BESIDE_CORE) -o requirements-rehearsal.lock
