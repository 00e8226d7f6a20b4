# The commands of this project; `make help` lists them.
# PYTHON and VENV name another Python and another environment: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= $(shell scripts/python.sh 3.11 3.12 3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos -name '*.proto')
.DEFAULT_GOAL := help
.PHONY: help install demo fleet-demo test cases fuzz check check-types check-others check-clients clients conformance fix protos manifests lock upgrade faults soak picture bench dist clean

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## create the environment in .venv, with dial-gateway and dialctl

$(VENV)/.installed: requirements/dev.txt pyproject.toml clients/python/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python scripts/install.py requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

demo: install ## send 2,000 dial requests through a gateway with a simulated Amazon Connect
	$(BIN)/dial-gateway demo examples/leads.csv

fleet-demo: install ## run three gateways with a Valkey server, kill one, hold a campaign through another
	$(BIN)/dial-gateway fleet-demo examples/leads.csv

# Tests mostly wait, so they use more workers than the machine has processors. Each worker imports all tests, and tests
# start new interpreters, so bytecode is always cached: without it, collecting the tests takes three times as long.
WORKERS ?= 10

test: install ## run every test of the Python parts
	scripts/proxies.sh $(VENV)
	scripts/chromium.sh
	scripts/helm.sh $(VENV)
	scripts/promtool.sh $(VENV)
	scripts/redis_server.sh $(VENV)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS)

cases: install ## run the tests of random cases with all their cases: more, and new ones each time
	PYTHONDONTWRITEBYTECODE= DIAL_GATEWAY_MORE_CASES=yes $(BIN)/python -m pytest -n $(WORKERS) \
		$$(grep -rlE '\bcases\(' tests --include='test_*.py')

FUZZ_S ?= 60

fuzz: install $(VENV)/.fuzz-installed ## search for input that breaks the wire conversion, for FUZZ_S seconds
	@mkdir -p .fuzz
	$(BIN)/python -m tests.fuzz.wire -max_total_time=$(FUZZ_S) -artifact_prefix=.fuzz/ .fuzz

$(VENV)/.fuzz-installed: requirements/fuzz.txt $(VENV)/.installed
	$(BIN)/python scripts/install.py requirements/fuzz.txt
	@touch $@

check: install .venv-protos/.installed ## check lint, types, import rules, contract, and that generated code is up to date
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-types check-others check-clients

check-types:
	$(BIN)/mypy

check-others:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python scripts/check_contract.py
	$(BIN)/python scripts/check_generated.py
	$(BIN)/python scripts/truth.py --check
	$(BIN)/python scripts/check_client_window.py
	scripts/helm.sh $(VENV)
	scripts/chart_tools.sh $(VENV)
	$(BIN)/python -m scripts.check_deploy
	scripts/promtool.sh $(VENV)
	$(BIN)/python -m scripts.check_alerts

# The clients in other languages. Each has check-NAME, part of `make check`, and clients-NAME, part of `make clients`.
CLIENTS := go java typescript

check-clients: $(addprefix check-,$(CLIENTS))

clients: conformance ## build and test the clients in Go (1.26), Java (JDK 17) and TypeScript (Node.js 20.19), then the scenarios of all

SCENARIOS ?=
BEHIND ?=

conformance: install $(addprefix clients-,$(CLIENTS))
	$(if $(BEHIND),scripts/proxies.sh $(VENV))
	$(BIN)/python -m conformance $(addprefix --client ,python $(CLIENTS)) $(addprefix --behind ,$(BEHIND)) $(SCENARIOS)

check-go: install
	BUF=$(abspath $(BIN))/buf clients/go/check.sh

clients-go:
	clients/go/test.sh

check-typescript: install
	BUF=$(abspath $(BIN))/buf clients/typescript/check.sh

clients-typescript:
	clients/typescript/test.sh

check-java:
	clients/java/check.sh

clients-java:
	clients/java/test.sh

fix: install ## format the code and fix what ruff and eslint can fix, where the tools of a client are installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(foreach client,$(CLIENTS),clients/$(client)/fix.sh &&) true

protos: .venv-protos/.installed ## generate the Python stubs from protos/, and conformance/truth.json
	.venv-protos/bin/python scripts/generate_stubs.py clients/python
	.venv-protos/bin/python scripts/truth.py
	BUF=$(abspath $(BIN))/buf clients/go/generate.sh
	BUF=$(abspath $(BIN))/buf clients/typescript/generate.sh
	clients/java/generate.sh

manifests: install ## generate the dashboard, the chart's schema, page and renderings, and the schema of the guard's rules
	scripts/helm.sh $(VENV)
	scripts/chart_tools.sh $(VENV)
	$(BIN)/python -m scripts.dashboard
	$(BIN)/python -m scripts.values_schema
	$(BIN)/python -m scripts.chart
	$(BIN)/python -m scripts.guard_schema

.venv-protos/.installed: requirements/protos.txt
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/python scripts/install.py requirements/protos.txt
	@touch $@

lock: install ## pin what the requirements need, with hashes; `make upgrade` takes the newest versions
	$(BIN)/python scripts/lock.py

upgrade: install ## pin the newest versions, with hashes, that the version ranges allow
	$(BIN)/python scripts/lock.py --upgrade

faults: install ## run crashes, shutdowns and a failing Connect at full size with each sender, and check each answer
	scripts/proxies.sh $(VENV)
	$(BIN)/python -m tests.faults

soak: install ## run mixed load with faults: DURATION seconds (600), RATE a second (400), SENDER, FLEET=1, or LONG=1 for steady sizes
	$(BIN)/python -m tests.faults.soak --duration $(or $(DURATION),600) --rate $(or $(RATE),$(if $(LONG),40,400)) --seed $(or $(SEED),0) \
		--sender $(or $(SENDER),direct) $(if $(FLEET),--fleet) $(if $(LONG),--long)

picture: install ## take the console's picture in README again: two minutes
	scripts/chromium.sh
	$(BIN)/python -m tests.console.scene docs/pictures/console.png

bench: install ## compare the gateway with services that call boto3 themselves
	$(BIN)/python -m benchmarks

dist: install ## build both wheels in dist/, and write the contract, a bill of materials and the licenses
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist clients/python
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist .
	$(BIN)/python scripts/contract_bundle.py dist
	$(BIN)/python -m scripts.materials dist

clean: ## remove everything that the other commands created
	rm -rf clients/typescript/build clients/typescript/dist clients/typescript/node_modules
	rm -rf .venv .venv-3.* .venv-protos .fuzz dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
