# `make` or `make help` lists the targets.
# They install the packages of the lock files into .venv. The tests also install PostgreSQL if they run as root.

BIN := .venv/bin
ARGS ?=
CORES := $(shell getconf _NPROCESSORS_ONLN)
# Each worker takes 20 s of CPU to collect the tests, so that more of them cost more than they save.
WORKERS ?= $(CORES)
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal

# Many images set it. Without stored bytecode, each process would compile stepIQ, and each of the processes that run
# tests would compile all tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo serve ui test test-slow test-tools coverage check ci fix types docs bench bench-ui pictures \
	chaos kills fuzz lock release sbom audit platforms pin-images

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## run an example pipeline on a temporary server and show it live
	@scripts/bootstrap.sh runtime
	@$(BIN)/python scripts/build_ui.py --optional
	@$(BIN)/stepiq demo $(ARGS)

serve: ## start the server on http://127.0.0.1:8080, with its data in .data
	@scripts/bootstrap.sh runtime
	@$(BIN)/python scripts/build_ui.py --optional
	@exec $(BIN)/stepiq serve $(ARGS)

ui: ## start a development server for the web interface, with a running API; STEPIQ_SERVER=http://127.0.0.1:8080
	@scripts/bootstrap.sh runtime
	@$(BIN)/python scripts/build_ui.py dev

# Each command prints its output when it has ended.
TOGETHER := $(BIN)/python scripts/run_together.py
UI := $(BIN)/python scripts/build_ui.py
OIDC_PROVIDER := $(BIN)/python scripts/install_oidc_provider.py
CHECKS := "$(BIN)/ruff check && $(BIN)/ruff format --check" "$(BIN)/lint-imports importlinter.toml" \
	"$(BIN)/hadolint Dockerfile && $(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml"
TEST_TOOLS := "scripts/postgres.sh && scripts/chromium.sh" "$(BIN)/python scripts/fetch_weights.py >&2"

test-tools:
	@scripts/bootstrap.sh dev
	@$(TOGETHER) $(TEST_TOOLS) "$(UI) $(UI_TESTS) && $(OIDC_PROVIDER)"

ifeq ($(strip $(ARGS)),)
test: UI_TESTS = && $(UI) test
endif
test: test-tools ## run the tests that CI runs; ARGS="tests/cli -k run" runs a part of all tests
ifeq ($(strip $(ARGS)),)
	$(GATE)
else
	$(BIN)/pytest $(ARGS)
endif

GATE := $(PYTEST) -m "not slow or smoke" --compare-stores

test-slow: test-tools ## run all other tests: browser, process kills, chaos, packages, PostgreSQL, long ones
	$(PYTEST) -m "slow and not smoke"

coverage: ## run the tests on SQLite, and check the coverage of all packages
	@scripts/bootstrap.sh dev
	@$(BIN)/python scripts/fetch_weights.py
	@rm -f .coverage .coverage.*
	$(PYTEST) -m "not postgresql" --cov --cov-report= \
		--ignore=tests/ui --ignore=tests/deploy --ignore=tests/durability --ignore=tests/chaos
	@$(BIN)/python scripts/coverage_floor.py

check: ## check lint, format, types, layers, container files and the web interface
	@scripts/bootstrap.sh dev
	@$(TOGETHER) "$(BIN)/pyright" "$(UI) lint && $(UI) && $(UI) budget" $(CHECKS)

ci: ## run all checks, and the tests of `make test`
	@scripts/bootstrap.sh dev
	@$(TOGETHER) "$(BIN)/pyright" "$(UI) lint && $(UI) && $(UI) budget && $(UI) test && $(OIDC_PROVIDER)" \
		$(CHECKS) $(TEST_TOOLS)
	$(GATE)

fix: ## fix lint and format problems automatically
	@scripts/bootstrap.sh dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python scripts/build_ui.py fix

types: ## check types only
	@scripts/bootstrap.sh dev
	$(BIN)/pyright $(ARGS)

docs: ## generate the documentation pages that come from the code
	@scripts/bootstrap.sh dev
	$(BIN)/python scripts/generate_docs.py

bench: ## run the benchmarks (about three minutes)
	@scripts/bootstrap.sh runtime
	@$(BIN)/python bench/run.py $(ARGS)

bench-ui: ## measure the web interface against its budgets (five to ten minutes)
	@scripts/bootstrap.sh dev
	@scripts/chromium.sh
	@$(BIN)/python bench/ui.py $(ARGS)

pictures: ## take the pictures of the web interface in docs/images
	@scripts/bootstrap.sh dev
	@scripts/chromium.sh
	@$(BIN)/python scripts/pictures.py

chaos: ## kill processes at random and check the guarantees; ARGS="--store sqlite --kills 500 --runs 5000 --seed 1"
	@scripts/bootstrap.sh dev
	@scripts/postgres.sh
	@$(BIN)/python -m tests.chaos $(ARGS)

kills: ## kill a server 100 times during steps of every type, on both stores (about half an hour)
	@scripts/bootstrap.sh dev
	@scripts/postgres.sh
	@STEPIQ_TEST_CYCLES=100 $(BIN)/pytest -q tests/durability/test_kill_steps.py

fuzz: ## compare 100,000 random templates with Handlebars.js; ARGS="--templates 10000 --seed 1"
	@scripts/bootstrap.sh dev
	@$(BIN)/python -m tests.language.templates $(ARGS)

lock: ## update the lock files from pyproject.toml; ARGS=--upgrade takes the newest versions
	@scripts/bootstrap.sh dev
	@scripts/lock.sh $(ARGS)

release: ## build the packages of a release into dist, with lists of what they contain (docs/releasing.md)
	@scripts/bootstrap.sh dev
	@$(BIN)/python scripts/build_ui.py
	@$(BIN)/python scripts/build_release.py
	@scripts/audit.sh sbom dist

sbom: ## write sbom.json and sbom-ui.json: the packages of a server, as CycloneDX documents
	@scripts/audit.sh sbom

audit: ## look for known vulnerabilities in the packages of a server; needs the network
	@scripts/audit.sh vulnerabilities

platforms: ## check that each locked package has a wheel for each architecture of the image; needs the network
	@scripts/check_platforms.sh

pin-images: ## write the digests of the base images into Dockerfile and compose.yaml; needs the network
	@scripts/bootstrap.sh runtime
	@$(BIN)/python scripts/pin_images.py $(ARGS)
