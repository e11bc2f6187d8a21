# `make` alone lists what there is. Long jobs say what they do.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# cargo uses every core by itself, and the check of what a machine has comes before what needs it.
.NOTPARALLEL:

# $(call needs,COMMAND...) goes first in a recipe: what is missing is installed, or all of it is named within a second.
needs = @hack/prerequisites.sh $(sort $(1))
RUST := cargo cc
RUST_AND_GO := $(RUST) go ca-certificates
CONTROL_PLANE := etcd kube-apiserver kube-controller-manager
BUILT := $${CARGO_TARGET_DIR:-target}/debug
# As `make build` does it: with other features much would be built twice.
TESTKIT := cargo build --locked --workspace --bins && $(BUILT)/presigned-testkit

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: prerequisites
prerequisites: # What a build of the Rust code needs
	$(call needs,$(RUST))

##
## Building
##

.PHONY: build
build: prerequisites ## Build the operator
	cargo build --locked --workspace --bins

CHART := charts/presigned-url-operator
VERSION := $(shell sed -n 's/^appVersion: "\{0,1\}\([^"]*\)"\{0,1\}$$/\1/p' $(CHART)/Chart.yaml)
DOCKER ?= docker
IMAGE ?= presigned-url-operator:$(VERSION)
.PHONY: image
image: ## Build the operator's image (DOCKER=podman, IMAGE=registry.example.com/presigned-url-operator:0.1.0)
	$(call needs,$(DOCKER))
	$(DOCKER) build --file Containerfile --tag $(IMAGE) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) .

KIND_CLUSTER ?= presigned
.PHONY: kind
kind: ## Install the chart with this image in a kind cluster, which is made if it is not there
	$(call needs,$(DOCKER) kind $(RUST_AND_GO))
	@kind get clusters 2>/dev/null | grep --quiet --line-regexp $(KIND_CLUSTER) || kind create cluster --name $(KIND_CLUSTER)
	@$(MAKE) --no-print-directory image IMAGE=presigned-url-operator:$(VERSION)
	kind load docker-image presigned-url-operator:$(VERSION) --name $(KIND_CLUSTER)
	@PATH=$$(hack/tools.sh helm):$$PATH && set -x && helm upgrade --install presigned-url-operator $(CHART) \
	  --kube-context kind-$(KIND_CLUSTER) --namespace presigned-system --create-namespace --wait \
	  --set-string podAnnotations.built="$$(date)"

# $(call generate,FOLDER)
# The whole workspace is built, with the features that the tests want as well: nothing is built twice.
generate = cargo build --quiet --locked --workspace --bins --examples && \
	$(BUILT)/presigned-url-operator crds --dir $(1)/crds && \
	$(BUILT)/presigned-url-operator crds --dir $(1)/$(CHART)/files/crds && \
	$(BUILT)/examples/generate $(1)/docs/reference

.PHONY: generate
generate: ## Write crds/, the chart's copy and docs/reference/ from the types
	$(call needs,$(RUST_AND_GO))
	@$(call generate,.)
	@(cd hack/chart && go run . readme ../../$(CHART))

CHECK_GENERATED_NEEDS := $(RUST) diff
.PHONY: check-generated
check-generated: ## Fail where a generated file is not what the types say
	$(call needs,$(CHECK_GENERATED_NEEDS))
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(call generate,"$$new") && \
	for folder in crds charts/presigned-url-operator/files/crds docs/reference; do \
		diff -r "$$new/$$folder" "$$folder" >&2 || { echo "Run 'make generate' and commit what it changes." >&2; exit 1; }; \
	done

##
## Testing
##

LINT_NEEDS := $(RUST_AND_GO) cargo-clippy cargo-fmt
TEST_RUST_NEEDS := $(RUST_AND_GO) aria2c chromium curl fish node python3-venv script tinyproxy wget zsh
TEST_CHART_NEEDS := $(RUST_AND_GO) curl jq prometheus promtool python3-venv tar

.PHONY: test
test: test-prerequisites lint check-generated test-rust test-chart ## Everything that a change must pass

# Minutes of building must not end in the name of a program that is missing.
.PHONY: test-prerequisites
test-prerequisites:
	$(call needs,$(LINT_NEEDS) $(CHECK_GENERATED_NEEDS) $(TEST_RUST_NEEDS) $(TEST_CHART_NEEDS))

.PHONY: lint
lint: ## Format, clippy, dependencies and workflows, warnings denied
	$(call needs,$(LINT_NEEDS))
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
	@hack/deny.sh
	@$$(hack/tools.sh actionlint)/actionlint -shellcheck= -pyflakes=

.PHONY: test-rust
test-rust: # Unit, golden, simulation, real control plane, real S3 servers
	$(call needs,$(TEST_RUST_NEEDS))
	@hack/tools.sh argo-artifact botocore $(CONTROL_PLANE) etcdutl kubectl helm minio versitygw >/dev/null
	PSU_SIM_SEEDS=$${PSU_SIM_SEEDS:-100} PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-1} cargo test --locked --workspace

.PHONY: test-chart
test-chart: # Lint, unit tests, strict schemas, the chart on a real API server, a real Prometheus, the docs' commands
	$(call needs,$(TEST_CHART_NEEDS))
	@cargo test --quiet --locked --workspace --no-run
	PSU_OPERATOR=$(BUILT)/presigned-url-operator hack/chart-test.sh
	PSU_TESTKIT=$(BUILT)/presigned-testkit hack/chart-cluster-test.sh
	PSU_TESTKIT=$(BUILT)/presigned-testkit PSU_OPERATOR=$(BUILT)/presigned-url-operator hack/monitoring-test.sh
	PSU_TESTKIT=$(BUILT)/presigned-testkit PSU_OPERATOR=$(BUILT)/presigned-url-operator hack/tutorial-test.sh
	PSU_TESTKIT=$(BUILT)/presigned-testkit PSU_OPERATOR=$(BUILT)/presigned-url-operator hack/docs-test.sh

# The oldest Kubernetes that the chart installs on. `hack/kube/$(OLDEST)` pins it.
OLDEST := $(shell sed -n 's/^kubeVersion: ">=\([0-9]*\.[0-9]*\)\..*/\1/p' $(CHART)/Chart.yaml)
# What differs between versions of Kubernetes: schemas, admission, lists, printing, ownership, quota, tokens.
ON_OLDEST := admission:: columns:: faults:: fence:: finalizers:: issuing:: leadership:: outages:: own_cluster:: \
	ownership:: policies:: restore:: rotation:: snapshots:: statuses:: store_changes:: strict:: streams_no_lists
.PHONY: test-oldest
test-oldest: export PSU_KUBERNETES := $(OLDEST)
test-oldest: ## The operator and its chart on the oldest Kubernetes that they support; the first time builds it
	$(call needs,$(RUST_AND_GO) curl)
	@hack/tools.sh $(CONTROL_PLANE) etcdutl helm helm3 kubectl >/dev/null
	@cargo build --quiet --locked --workspace --bins
	cargo test --locked --workspace --test it -- of_the_kubernetes_that_is_asked_for $(ON_OLDEST)
	PSU_TESTKIT=$(BUILT)/presigned-testkit hack/chart-cluster-test.sh

E2E_NEEDS := $(RUST_AND_GO) aria2c busybox curl wget
NODE_NEEDS := buildah cni-plugins containerd ctr ip openssl runc
.PHONY: e2e
e2e: ## The chart, the image and pods on a real cluster: E2E_KUBECONFIG=FILE, or as root a node of this machine
	@[[ -n "$(E2E_KUBECONFIG)" ]] || hack/e2e/able.sh
	@$(MAKE) --no-print-directory e2e-prerequisites
	@hack/e2e.sh
	@[[ -n "$(E2E_KUBECONFIG)" ]] || hack/e2e/interrupted.sh

.PHONY: e2e-prerequisites
e2e-prerequisites:
	$(call needs,$(E2E_NEEDS) $(if $(E2E_KUBECONFIG),$(if $(shell command -v docker),docker,buildah),$(NODE_NEEDS)))

# Optimised, by a profile of its own: `make test` does not build it, and the first run here does.
SEEDS ?= 2000
.PHONY: simulate
simulate: prerequisites ## Run more seeds of the simulation, optimised (SEEDS=2000): a failing seed prints how to replay it
	PSU_SIM_SEEDS=$(SEEDS) cargo test --locked --profile simulation --package presigned-core --test simulation every_promise -- --nocapture

# For how many seconds `make fuzz` looks at each target, and which (all).
FOR ?= 60
TARGETS ?=
.PHONY: fuzz
fuzz: ## Fuzz what tenants write and programs read with libFuzzer (FOR=60 seconds each, TARGETS="key files")
	$(call needs,$(RUST) c++)
	@hack/fuzz.sh $(FOR) $(TARGETS)

.PHONY: mutants
mutants: ## Break each line of the core once and see a test fail (hours on two cores)
	$(call needs,$(RUST) cargo-mutants)
	cargo mutants --package presigned-core --timeout 120 --no-shuffle

##
## Trying things out
##

.PHONY: demo
demo: ## Show the operator at work on this machine and leave nothing behind; KEEP=1 leaves it up
	$(call needs,$(RUST_AND_GO) curl)
	@hack/demo.sh $(if $(filter-out 0 no,$(KEEP)),--keep)

# Which tools `make tools` builds (all).
TOOLS :=
.PHONY: tools
tools: ## Build the tools of the tests and print their folder (TOOLS="kubectl versitygw" for these only)
	@hack/tools.sh $(TOOLS)

.PHONY: cluster
cluster: ## Start a control plane that stays up, and print the export that reaches it, for eval
	$(call needs,$(RUST_AND_GO))
	@hack/tools.sh $(CONTROL_PLANE) >/dev/null
	@$(TESTKIT) cluster up

.PHONY: cluster-down
cluster-down: prerequisites ## End the control plane of `make cluster` and remove its files
	@$(TESTKIT) cluster down

.PHONY: pictures
pictures: ## Make the pictures in docs/images again, of the upload page and the plugin, with a real browser
	$(call needs,$(RUST_AND_GO) chromium fonts-inter)
	@hack/tools.sh $(CONTROL_PLANE) helm versitygw >/dev/null
	PSU_PICTURES=docs/images cargo test --locked --package presigned-url-operator --test it -- \
		a_page_of_another_origin status_tells_what_was_issued

# Of three minutes in which something happens, so it takes five.
.PHONY: dashboard-picture
dashboard-picture: ## Draw the dashboard in docs/images again, from what a real Prometheus answers
	$(call needs,$(TEST_CHART_NEEDS))
	@cargo build --quiet --locked --workspace --bins
	PSU_PICTURES=docs/images PSU_TESTKIT=$(BUILT)/presigned-testkit PSU_OPERATOR=$(BUILT)/presigned-url-operator \
	  hack/monitoring-test.sh

##
## Measuring
##

# How many PresignedURLs a benchmark issues; `make bench-envelope` takes several numbers.
N ?= 3000
# How many Secrets of others are beside them in the end.
OTHERS ?= 10000
RELEASED := $${CARGO_TARGET_DIR:-target}/release

# What all benchmarks of the operator need.
.PHONY: bench-build
bench-build:
	$(call needs,$(RUST_AND_GO))
	@hack/tools.sh $(CONTROL_PLANE) >/dev/null
	@echo "building the operator and the benchmark as for a release" >&2
	@cargo build --quiet --locked --release --package presigned-url-operator --package presigned-bench \
	  --bin presigned-url-operator --bin presigned-bench

.PHONY: bench
bench: bench-build ## Measure the core and the operator at scale (N=3000 OTHERS=10000); minutes, and many more for the first release build
	@"$(RELEASED)/presigned-bench" micro
	@"$(RELEASED)/presigned-bench" scale --resources $(N) --others $(OTHERS) \
	  --operator "$(RELEASED)/presigned-url-operator"

.PHONY: bench-peers
bench-peers: bench-build ## Measure the operator beside External Secrets and cert-manager (N=3000); the first time builds both
	@hack/tools.sh external-secrets cert-manager >/dev/null
	@"$(RELEASED)/presigned-bench" peers --resources $(N) --operator "$(RELEASED)/presigned-url-operator"

.PHONY: bench-envelope
bench-envelope: N = 10000
bench-envelope: bench-build ## Measure first issue, restart and renewals, and the API server beside them (N=10000,30000)
	@"$(RELEASED)/presigned-bench" envelope --resources $(N) --operator "$(RELEASED)/presigned-url-operator"

.PHONY: bench-transfer
bench-transfer: ## Measure fetch against curl, aria2c and aws s3 cp (LARGE_MIB=4096 SMALL_COUNT=1000 SMALL_KIB=100 RUNS=3)
	$(call needs,$(RUST_AND_GO) aria2c curl python3-venv)
	@echo "building the operator as for a release" >&2
	@cargo build --quiet --locked --release --package presigned-url-operator --bin presigned-url-operator
	@hack/bench-transfer.sh "$${CARGO_TARGET_DIR:-target}/release/presigned-url-operator"

# The memory of the operator's container in MiB, and what there is beside it.
LIMIT ?= 128
ORDINARY ?= 1000
LARGE ?= 500

.PHONY: bench-memory
bench-memory: bench-build ## Run the operator in LIMIT=128 MiB beside a tenant that makes all that the API takes; as root
	@"$(RELEASED)/presigned-bench" memory --limit $(LIMIT) --ordinary $(ORDINARY) --resources $(LARGE) \
	  --operator "$(RELEASED)/presigned-url-operator"
