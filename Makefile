# `make` lists the targets. None but `make ci`, `make bpf-test`, `make bpf-fuzz` and `make torture` needs root, and none needs a network once
# the modules and the linter are there.

GO       ?= go
FUZZTIME ?= 10s
SEEDS    ?= 200
SEED     ?= 1

# The linter is built from source at a fixed version, outside go.mod, which lists only what the product needs.
GOLANGCI_VERSION := v2.15.0
GOLANGCI_DIR      = $(shell $(GO) env GOPATH)/tools/golangci-lint-$(GOLANGCI_VERSION)

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  FUZZTIME=$(FUZZTIME) per fuzz target, SEEDS=$(SEEDS) for the simulator, SEED=$(SEED) the first of the torture"

.PHONY: build
build: ## build every command into bin/
	$(GO) build -o bin/ ./cmd/...
	GOOS=darwin $(GO) build ./...

.PHONY: test
test: vet ## vet and test everything; no root, no containers, a few minutes
	$(GO) test -timeout 5m ./...

.PHONY: vet
vet: ## run go vet
	$(GO) vet ./...

.PHONY: race
race: ## test everything under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 10m ./...

.PHONY: mutants
mutants: ## put known bugs back, one at a time; each must be caught; prints by what, and after how long; in C only as root
	@bash .ci/mutants $(GO)

.PHONY: bpf-fresh
bpf-fresh: ## prove that the committed kernel object is what its sources make (needs clang 14)
	bash bpf/src/fresh.sh

.PHONY: bpf-test
bpf-test: ## test the kernel programs, the kernel path and the laboratory; needs root, and a skip is an error
	ANODE_BPF_REQUIRED=1 $(GO) test -count=1 ./bpf/...
	ANODE_BPF_REQUIRED=1 $(GO) test -count=1 -p 1 ./bench/kernelpath ./bench/lab ./bench/torture ./cmd/anode-lab

.PHONY: bpf-fuzz
bpf-fuzz: ## fuzz the kernel programs against their model for FUZZTIME; needs root
	@GO=$(GO) ANODE_BPF_REQUIRED=1 bash .ci/fuzz $(FUZZTIME) ./bpf

.PHONY: peers
peers: ## vet and test the comparison with other systems, a module of its own
	cd bench/peers && $(GO) vet ./... && $(GO) test ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@GO=$(GO) bash .ci/fuzz $(FUZZTIME)

.PHONY: sim
sim: ## run SEEDS seeds of the deterministic simulator, as many of its swarm, and a third as many across a loss
	$(GO) run ./cmd/anode-lab sim --seeds $(SEEDS)
	$(GO) run ./cmd/anode-lab sim --seeds $(SEEDS) --swarm
	$(GO) run ./cmd/anode-lab sim --seeds $$(( ($(SEEDS) + 2) / 3 )) --loss

.PHONY: torture
torture: ## put clusters of real processes under faults and judge what clients saw; needs root, ip and nft
	$(GO) run ./cmd/anode-lab torture --for 96s --seeds 4 --seed $(SEED) --offload on -o json

.PHONY: lint
lint: $(GOLANGCI_DIR)/golangci-lint ## run the linters of .golangci.yml (built on first use)
	$< run ./...

$(GOLANGCI_DIR)/golangci-lint:
	GOBIN=$(GOLANGCI_DIR) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: fmt-check
fmt-check: ## fail if gofmt would change a file
	@unformatted=$$(gofmt -l .); \
	test -z "$$unformatted" || { echo "gofmt would change, run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: tidy-check
tidy-check: ## fail if a module was altered or go.mod is not tidy
	$(GO) mod verify
	$(GO) mod tidy -diff

.PHONY: image
image: ## build the container image anode:latest, and keys for docker-compose.yml (needs docker)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/image/anode ./cmd/anode
	mkdir -p bin/compose
	test -s bin/compose/keys || (umask 077; bin/image/anode config keys > bin/compose/keys)
	docker build -t anode:latest -f Dockerfile bin/image

.PHONY: ci
ci: ## run what every change must pass; as root it installs a missing compiler
	bash .ci/run
