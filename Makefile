# Strata's commands. `make help` lists them.
#
# Tools are pinned in tools/*/go.mod and built into bin/ when a target first
# needs them, so a fresh clone needs Go, make, git, a C compiler (for the race
# detector) and PostgreSQL's binaries, and nothing else.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
PACKAGES := ./...
# How long each fuzz target runs.
FUZZTIME ?= 60s
# Which benchmarks run: layer, rule, merge, compile, server, control, push, sdk,
# or empty for all.
SUITE ?=
BENCHTIME ?= 1s
# How long `make soak` breaks things.
SOAK ?= 30m
# How many random cases `make differential` and `make fuzz-parity` compare.
CASES ?= 1000000

# Stamps of what the SDKs' tools are installed into.
TS := sdk/ts/node_modules/.package-lock.json
PYTHON := sdk/python/.venv/.installed
PEERS := sdk/bench/ts/node_modules/.package-lock.json sdk/bench/python/.venv/.installed

export PATH := $(CURDIR)/bin:$(PATH)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- build and run

.PHONY: build
build: ## Build the strata binary into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/strata ./cmd/strata

.PHONY: run
run: build ## Run everything on this machine, with a demo
	bin/strata dev

.PHONY: dev
dev: build ## The same with detailed logs
	bin/strata dev --log-level debug

# --- test

.PHONY: test
test: test-go test-ts test-python ## Run all tests, in all languages

.PHONY: test-go
test-go: sdks ## Run the tests in Go, with the race detector
	$(GO) test -race -timeout 10m $(PACKAGES)
	$(GO) test -run Alloc ./sdk/go ./sdk/go/engine ./dataplane/internal/api # not with the race detector, which allocates

.PHONY: test-ts
test-ts: build sdks ## Run the tests of the TypeScript SDK
	cd sdk/ts && npx vitest run

.PHONY: test-python
test-python: build sdks ## Run the tests of the Python SDK
	cd sdk/python && .venv/bin/pytest -q

.PHONY: race
race: test-go

.PHONY: test-unit
test-unit: ## Run the tests of the engine and other parts without I/O
	$(GO) test ./sdk/... ./internal/...

.PHONY: test-integration
test-integration: ## Run the tests that start servers, watch files or run the binary
	$(GO) test -race ./controlplane/... ./dataplane/... ./db/... ./internal/pgcluster ./cmd/...

.PHONY: test-performance
test-performance: ## Run each benchmark once, to see that all of them work
	STRATA_STREAMS=200 STRATA_PUBLISHES=20 $(MAKE) bench BENCHTIME=1x

.PHONY: faults
faults: ## Break a running system in all the ways of sdk/e2e/faults/README.md
	$(GO) test -tags faults -count=1 -timeout 15m ./sdk/e2e/faults ./sdk/e2e/fleet ./sdk/e2e/history ./sdk/e2e/network

.PHONY: soak
soak: ## Break a running system at random for SOAK, and print the seed
	STRATA_SOAK=$(SOAK) $(GO) test -tags faults -count=1 -timeout 0 -v -run '^TestF18$$' ./sdk/e2e/faults

# The SDKs that conformance and parity run. Whatever makes them writes to stderr,
# so that the results stand alone on stdout.
.PHONY: sdks
sdks:
	@$(MAKE) --silent --no-print-directory $(TS) $(PYTHON) sdk/ts/dist/.built >&2

.PHONY: conformance
conformance: sdks ## Run the shared vectors, or those of VECTORS=path, in all languages
	@$(GO) run ./sdk/conformance $(if $(VECTORS),-vectors '$(VECTORS)')

.PHONY: fuzz-parity
fuzz-parity: sdks ## Compare CASES random cases in all languages, from SEED, with the error PLANT in one
	@$(GO) run ./sdk/conformance/parity -cases $(CASES) $(if $(SEED),-seed $(SEED)) $(if $(PLANT),-plant $(PLANT))

.PHONY: test-parity
test-parity: sdks ## Show that such a comparison finds errors that are planted in each language
	$(GO) test -tags parity -count=1 -timeout 30m ./sdk/conformance/...

.PHONY: differential
differential: ## Compare CASES random cases with the naive implementation
	$(GO) test ./sdk/go/engine -run 'AgreesWithNaive$$' -timeout 0 -v -args -differential.cases=$(CASES) -differential.reads=$(CASES)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME
	@tools/fuzz.sh $(FUZZTIME)

# --- benchmarks

BENCH_layer := BenchmarkLayer
BENCH_rule := BenchmarkRule
BENCH_merge := BenchmarkMerge
BENCH_compile := BenchmarkCompile
BENCH_server := BenchmarkServer
BENCH_control := BenchmarkControl
BENCH_push := Benchmark(Push|Publish|FanOut|Sign|Verify|Middleware)
BENCH_sdk := BenchmarkSDK
BENCH_ := Benchmark
PACKAGES_sdk := ./sdk/e2e/sdks
PACKAGES_control := ./controlplane/...
PACKAGES_push := ./sdk/e2e/push ./internal/push ./internal/auth ./sdk/go/accesskey
PACKAGES_ := ./sdk/go/... ./dataplane ./controlplane/... ./internal/push ./internal/auth ./sdk/e2e/push ./sdk/e2e/sdks
BENCH_PACKAGES := $(or $(PACKAGES_$(SUITE)),./sdk/go/engine ./dataplane)

.PHONY: bench
bench: $(if $(filter-out sdk,$(SUITE)),,sdks) ## Run the benchmarks of SUITE=layer|rule|merge|compile|server|control|push|sdk, or all
	$(if $(BENCH_$(SUITE)),,$(error SUITE=$(SUITE) is unknown: want layer, rule, merge, compile, server, control, push or sdk))
	$(GO) test -run '^$$' -bench '^$(BENCH_$(SUITE))' -benchtime $(BENCHTIME) -timeout 0 $(BENCH_PACKAGES)
	$(if $(filter sdk,$(SUITE)),$(MAKE) --no-print-directory bench-peers)

.PHONY: bench-peers
bench-peers: $(PEERS) ## Run the workload of SUITE=sdk with the SDKs of others
	cd sdk/bench/go && $(GO) test -run '^$$' -bench .
	cd sdk/bench/ts && node peers.mjs
	cd sdk/bench/python && .venv/bin/python peers.py

# --- code

.PHONY: gen
gen: bin/buf bin/protoc-gen-go bin/protoc-gen-connect-go bin/protoc-gen-connect-openapi bin/sqlc .deps/protovalidate $(TS) $(PYTHON) ## Generate code from the schemas
	bin/buf generate
	bin/buf generate --template buf.gen.sdk.yaml
	bin/buf generate --template buf.gen.openapi.yaml
	cd db && ../bin/sqlc generate

GENERATED := gen docs/openapi db/dbsqlc

.PHONY: check-gen
check-gen: gen ## Fail if generated code is not what is committed
	@changed="$$(git status --porcelain -- $(GENERATED))"; \
	if [ -n "$$changed" ]; then echo "generated code differs, run 'make gen' and commit:"; echo "$$changed"; git diff -- $(GENERATED) | head -50; exit 1; fi

.PHONY: lint
lint: bin/golangci-lint bin/buf .deps/protovalidate sdks ## Check code and schemas
	bin/golangci-lint run
	bin/golangci-lint run --build-tags faults,parity ./sdk/e2e/... ./sdk/conformance/...
	bin/buf lint proto
	bin/buf format --diff --exit-code proto
	$(GO) mod tidy -diff
	cd sdk/ts && npm run --silent typecheck && npx oxlint --quiet && npx prettier --check --log-level warn .
	cd sdk/python && .venv/bin/ruff check --quiet && .venv/bin/ruff format --check --quiet && .venv/bin/mypy

.PHONY: fmt
fmt: bin/golangci-lint bin/buf .deps/protovalidate $(TS) $(PYTHON) ## Format code and schemas
	bin/golangci-lint fmt
	bin/buf format -w proto
	cd sdk/ts && npx prettier --write --log-level warn .
	cd sdk/python && .venv/bin/ruff check --fix --quiet && .venv/bin/ruff format --quiet

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin .deps dist sdk/ts/node_modules sdk/ts/dist sdk/python/.venv sdk/bench/ts/node_modules sdk/bench/python/.venv

# --- tools

$(TS): sdk/ts/package-lock.json
	cd sdk/ts && npm ci --no-audit --no-fund
	touch $@

$(PYTHON): sdk/python/requirements-dev.txt sdk/python/pyproject.toml
	cd sdk/python && { [ -x .venv/bin/python ] || python3 -m venv .venv; }
	cd sdk/python && .venv/bin/pip install -q --disable-pip-version-check -r requirements-dev.txt
	cd sdk/python && .venv/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

sdk/bench/ts/node_modules/.package-lock.json: sdk/bench/ts/package-lock.json
	cd sdk/bench/ts && npm ci
	touch $@

sdk/bench/python/.venv/.installed: sdk/bench/python/requirements.txt
	cd sdk/bench/python && { [ -x .venv/bin/python ] || python3 -m venv .venv; }
	cd sdk/bench/python && .venv/bin/pip install -q --disable-pip-version-check -r requirements.txt
	touch $@

# Everything that is built, with its folders, from which a file may have gone.
sdk/ts/dist/.built: $(TS) $(shell find -L sdk/ts/src) sdk/ts/package.json sdk/ts/tsconfig.json
	cd sdk/ts && npm run --silent build
	touch $@

.deps/protovalidate: bin/protodeps
	bin/protodeps $@

bin/protoc-gen-go: go.sum
	CGO_ENABLED=0 $(GO) build -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

bin/protoc-gen-connect-go: go.sum
	CGO_ENABLED=0 $(GO) build -o $@ connectrpc.com/connect/cmd/protoc-gen-connect-go

bin/protodeps: tools/go.sum tools/protodeps/main.go
	cd tools && CGO_ENABLED=0 $(GO) build -o ../$@ ./protodeps

bin/buf: tools/go.sum
	cd tools && CGO_ENABLED=0 $(GO) build -o ../$@ github.com/bufbuild/buf/cmd/buf

bin/sqlc: tools/go.sum
	cd tools && CGO_ENABLED=0 $(GO) build -o ../$@ github.com/sqlc-dev/sqlc/cmd/sqlc

bin/protoc-gen-connect-openapi: tools/openapi/go.sum
	cd tools/openapi && CGO_ENABLED=0 $(GO) build -o ../../$@ github.com/sudorandom/protoc-gen-connect-openapi

bin/grpcurl: tools/go.sum
	cd tools && CGO_ENABLED=0 $(GO) build -o ../$@ github.com/fullstorydev/grpcurl/cmd/grpcurl

bin/golangci-lint: tools/lint/go.sum
	cd tools/lint && CGO_ENABLED=0 $(GO) build -o ../../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
