# Tasks of this project. `make help` lists them.

TARGET  := x86_64-unknown-linux-musl
BUILD   := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# The release binary, which lab, tests and demo run.
PLUGIN  := $(BUILD)/$(TARGET)/release/kubectl-castai_privatelink
export PLUGIN
LAB     := $(BUILD)/debug/lab
# Tests wait for rollouts: with one thread for each core, 30 % of the cores' time was idle.
THREADS := $(shell expr 2 '*' $$(nproc))

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup tools plugin ## Show the main job in the lab: preflight before and after endpoints create, and the images before and after sync-images
	@echo 'building the lab' >&2
	@cargo build --quiet --workspace --bin lab
	@$(LAB) demo

.PHONY: test
test: setup-tests tools plugin ## Run all tests: unit tests, and tests of the release binary in the lab
	cargo test --package probe --features binary --bin probe --locked
	PROBE_LAYERS=$$(scripts/build-probes.sh) RUST_TEST_THREADS=$(THREADS) cargo test --workspace --locked

.PHONY: test-long
test-long: setup-tests tools plugin ## Run all tests with more random cases
	PROBE_LAYERS=$$(scripts/build-probes.sh) TEST_LONG=1 RUST_TEST_THREADS=$(THREADS) cargo test --workspace --locked

.PHONY: lint
lint: ## Check formatting, lints, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --package probe --features binary --bin probe --locked -- -D warnings
	cargo deny --log-level error check bans licenses sources

.PHONY: lab
lab: setup tools plugin ## Open a shell inside a running lab
	@cargo build --quiet --workspace --bin lab
	@$(LAB) shell

.PHONY: plugin
plugin: setup ## Build the release binary (static, musl)
	@scripts/build.sh linux amd64 >/dev/null

.PHONY: setup
setup: ## Install the missing programs, or print what to install
	@scripts/setup.sh

.PHONY: setup-tests
setup-tests:
	@scripts/setup.sh tests

.PHONY: dist
dist: setup ## Pack archives for Linux (amd64, arm64) and Windows, with checksums and krew-manifest.yaml
	@scripts/dist.sh

.PHONY: bench
bench: setup tools plugin ## Measure the release binary and compare it with crane; writes docs/benchmarks.md
	@cargo build --quiet --workspace --bin lab
	@[ -x /usr/bin/time ] || { echo 'bench: GNU time is missing: apt-get install time' >&2; exit 1; }
	@tests/lab/bench.py $(LAB) $$(tests/lab/tools/build.sh) $$(tests/lab/tools/build.sh crane)/crane

.PHONY: man
man: setup ## Read the manual pages
	@cargo run --quiet --locked --package kubectl-castai-privatelink -- man | man -l -

.PHONY: tools
tools: ## Build the lab's tools (Kubernetes, etcd, registry, moto, AWS CLI) into a cache outside the checkout
	@tests/lab/tools/build.sh >/dev/null
