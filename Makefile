# Everything that is done more than once with this project. `make help` explains.

TARGET  := x86_64-unknown-linux-musl
BUILD   := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# The shipped binary: lab, tests and demo drive this very file.
PLUGIN  := $(BUILD)/$(TARGET)/release/kubectl-castai_privatelink
export PLUGIN
LAB     := $(BUILD)/debug/lab
# Debian's musl-tools compile the C parts (allocator, cryptography).
export CC_x86_64_unknown_linux_musl := musl-gcc

.DEFAULT_GOAL := help

.PHONY: help
help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup tools plugin ## Show the main job in the lab: preflight, images before, sync-images, images after
	@echo 'building the lab' >&2
	@cargo build --quiet --workspace --bin lab
	@$(LAB) demo

.PHONY: test
test: setup tools plugin ## Run all tests: units, and the shipped binary in the lab
	cargo test --workspace --locked

.PHONY: test-long
test-long: setup tools plugin ## Run all tests with the full counts of random points
	TEST_LONG=1 cargo test --workspace --locked

.PHONY: lint
lint: ## Check formatting, lints, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --log-level error check bans licenses sources

.PHONY: lab
lab: setup tools plugin ## Open a shell inside a running lab
	@cargo build --quiet --workspace --bin lab
	@$(LAB) shell

.PHONY: plugin
plugin: setup ## Build the release binary (static, musl)
	@echo 'building the plugin (static; minutes the first time)' >&2
	cargo build --release --locked --target $(TARGET) --package kubectl-castai-privatelink

.PHONY: setup
setup: ## Install what is missing on this machine, or say what to install
	@scripts/setup.sh

.PHONY: dist
dist: plugin ## Pack the release binary for krew, and put the archive's hash into krew-manifest.yaml
	@scripts/dist.sh $(PLUGIN) linux amd64

.PHONY: man
man: setup ## Read the manual pages
	@cargo run --quiet --locked --package kubectl-castai-privatelink -- man | man -l -

.PHONY: tools
tools: ## Build the lab's real parts (Kubernetes, etcd, registry, moto) into a cache outside the checkout
	@tests/lab/tools/build.sh >/dev/null
