# `make` alone lists what there is. Long jobs say what they do; a missing tool is named with how to get it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# $(call need,COMMAND,HOW TO GET IT)
need = @command -v $(1) >/dev/null || { echo "$(1) is missing. $(2)" >&2; exit 1; }
BUILT := $${CARGO_TARGET_DIR:-target}/debug
TESTKIT := cargo run --quiet --locked --package presigned-testkit --

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: prerequisites
prerequisites: # Rust, Go and a C compiler are all that a machine needs
	$(call need,cargo,Get Rust from https://rustup.rs)
	$(call need,go,Debian: apt-get install golang-go; 1.21 or newer. Or https://go.dev/dl)
	$(call need,cc,Debian: apt-get install build-essential)

##
## Building
##

.PHONY: build
build: prerequisites ## Build the operator
	cargo build --locked --workspace --bins

CHART := charts/presigned-url-operator
# $(call generate,FOLDER)
# The whole workspace is built, with the features that the tests want as well: nothing is built twice.
generate = cargo build --quiet --locked --workspace --bins --examples && \
	$(BUILT)/presigned-url-operator crds --dir $(1)/crds && \
	$(BUILT)/presigned-url-operator crds --dir $(1)/$(CHART)/files/crds && \
	$(BUILT)/examples/generate $(1)/docs/reference

.PHONY: generate
generate: prerequisites ## Write crds/, the chart's copy and docs/reference/ from the types
	@$(call generate,.)
	@(cd hack/chart && go run . readme ../../$(CHART))

.PHONY: check-generated
check-generated: prerequisites ## Fail where a generated file is not what the types say
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(call generate,"$$new") && \
	for folder in crds charts/presigned-url-operator/files/crds docs/reference; do \
		diff -r "$$new/$$folder" "$$folder" >&2 || { echo "Run 'make generate' and commit what it changes." >&2; exit 1; }; \
	done

##
## Testing
##

.PHONY: test
test: lint check-generated test-rust test-chart ## Everything that a change must pass

.PHONY: lint
lint: prerequisites ## Format, clippy and dependencies, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
	@hack/deny.sh

.PHONY: test-rust
test-rust: prerequisites # Unit, golden, simulation, real control plane, real S3 servers
	$(call need,python3,Debian: apt-get install python3-venv)
	@hack/tools.sh botocore >/dev/null
	$(call need,curl,Debian: apt-get install curl)
	$(call need,aria2c,Debian: apt-get install aria2)
	$(call need,wget,Debian: apt-get install wget)
	@hack/tools.sh etcd kube-apiserver kube-controller-manager kubectl helm minio versitygw >/dev/null
	PSU_SIM_SEEDS=$${PSU_SIM_SEEDS:-100} PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-1} cargo test --locked --workspace

.PHONY: test-chart
test-chart: prerequisites # Lint, unit tests, strict schemas, and the chart on a real API server
	@cargo test --quiet --locked --workspace --no-run
	PSU_OPERATOR=$(BUILT)/presigned-url-operator hack/chart-test.sh
	PSU_TESTKIT=$(BUILT)/presigned-testkit hack/chart-cluster-test.sh

SEEDS ?= 2000
.PHONY: simulate
simulate: prerequisites ## Run more seeds of the simulation: a failing seed prints how to replay it
	PSU_SIM_SEEDS=$(SEEDS) cargo test --locked --package presigned-core --test simulation every_promise -- --nocapture

# For how many seconds `make fuzz` looks at each target, and which (all).
FOR ?= 60
TARGETS ?=
.PHONY: fuzz
fuzz: prerequisites ## Fuzz what tenants write and programs read with libFuzzer (FOR=60 seconds each, TARGETS="key files")
	$(call need,c++,Debian: apt-get install build-essential)
	@hack/fuzz.sh $(FOR) $(TARGETS)

.PHONY: mutants
mutants: prerequisites ## Break each line of the core once and see a test fail (hours on two cores)
	$(call need,cargo-mutants,cargo install --locked cargo-mutants)
	cargo mutants --package presigned-core --timeout 120 --no-shuffle

##
## Trying things out
##

.PHONY: demo
demo: prerequisites ## Show the operator at work on this machine and leave nothing behind; KEEP=1 leaves it up
	$(call need,curl,Debian: apt-get install curl)
	@hack/demo.sh $(if $(filter-out 0 no,$(KEEP)),--keep)

.PHONY: tools
tools: prerequisites ## Build the Go tools (Kubernetes, Helm, ...) and print their folder
	@hack/tools.sh

.PHONY: cluster
cluster: prerequisites ## Start a control plane that stays up, and print how to reach it
	@$(TESTKIT) cluster up

.PHONY: cluster-down
cluster-down: prerequisites ## End the control plane of `make cluster` and remove its files
	@$(TESTKIT) cluster down

##
## Measuring
##

# How many PresignedURLs `make bench` issues.
N ?= 3000

.PHONY: bench
bench: tools ## Measure the core and the operator at scale (N=3000); minutes, and many more for the first release build
	@echo "building the operator and the benchmark as for a release" >&2
	@cargo build --quiet --locked --release --package presigned-url-operator --package presigned-bench
	@"$${CARGO_TARGET_DIR:-target}/release/presigned-bench" micro
	@"$${CARGO_TARGET_DIR:-target}/release/presigned-bench" scale --resources $(N) \
	  --operator "$${CARGO_TARGET_DIR:-target}/release/presigned-url-operator"
