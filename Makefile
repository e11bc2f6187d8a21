# `make` alone lists what there is. Long jobs say what they do; a missing tool is named with how to get it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# $(call need,COMMAND,HOW TO GET IT)
need = @command -v $(1) >/dev/null || { echo "$(1) is missing. $(2)" >&2; exit 1; }
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

##
## Testing
##

##
## Trying things out
##

.PHONY: tools
tools: prerequisites ## Build the Go tools (Kubernetes, Helm, ...) and print their folder
	@hack/tools.sh

.PHONY: cluster
cluster: prerequisites ## Start a control plane that stays up, and print how to reach it
	@$(TESTKIT) cluster up

.PHONY: cluster-down
cluster-down: prerequisites ## End the control plane of `make cluster` and remove its files
	@$(TESTKIT) cluster down
