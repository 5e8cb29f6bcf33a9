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
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

.PHONY: demo
demo: tools plugin ## Show the main job in the lab: preflight, images before, sync-images, images after
	@cargo build --quiet --workspace --bin lab
	@$(LAB) demo

.PHONY: test
test: tools plugin ## Run all tests: units, and the shipped binary in the lab
	cargo test --workspace --locked

.PHONY: test-long
test-long: tools plugin ## Run all tests with the full counts of random points
	TEST_LONG=1 cargo test --workspace --locked

.PHONY: lint
lint: ## Check formatting, lints, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --log-level error check bans licenses sources

.PHONY: lab
lab: tools plugin ## Open a shell inside a running lab
	@cargo build --quiet --workspace --bin lab
	@$(LAB) shell

.PHONY: plugin
plugin: ## Build the release binary (static, musl)
	@command -v musl-gcc >/dev/null || { echo 'musl-gcc is missing: apt-get install musl-tools' >&2; exit 1; }
	cargo build --release --locked --target $(TARGET) --package kubectl-castai-privatelink

.PHONY: dist
dist: plugin ## Pack the release binary for krew, and put the archive's hash into krew-manifest.yaml
	@scripts/dist.sh $(PLUGIN) linux amd64

.PHONY: tools
tools: ## Build the lab's real parts (Kubernetes, etcd, registry, moto) into a cache outside the checkout
	@tests/lab/tools/build.sh >/dev/null
