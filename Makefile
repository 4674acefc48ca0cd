# Build output, packages and environments are outside the checkout: other clones on the same machine reuse them.
CACHE ?= $(HOME)/.cache/hinomi
export CARGO_TARGET_DIR ?= $(CACHE)/target
export HINOMI_CACHE := $(CACHE)

# Prints a path as the last line. Under `make -C DIR`, make prints "Leaving directory" at its end, and no option in this file prevents that
# (GNU Make 4.3). In that case the path is printed again after make has ended.
define say_path
	@echo $(1)
	@$(if $(findstring w,$(firstword -$(MAKEFLAGS))),(while [ -e /proc/$$PPID/exe ]; do sleep 0.002; done; echo $(1)) &)
endef

PAGE_SOURCES := $(shell find web/src web/public web/index.html web/package.json web/package-lock.json web/tsconfig.json web/vite.config.ts docs/filters.md docs/filters.ja.md -type f)

.PHONY: help build run dist test test-texts test-page test-crates test-e2e e2e-all e2e-newest check check-all api-client fuzz soak bench bench-bell setup clean

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: setup web/dist/index.html ## build the binary with its page; prints its path as the last line
	@cargo build --profile quick --locked --bin hinomi 1>&2
	$(call say_path,$(CARGO_TARGET_DIR)/quick/hinomi)

run: build ## build and start
	@exec $(CARGO_TARGET_DIR)/quick/hinomi serve

dist: setup web/dist/index.html ## build the optimized release binary (half an hour on two cores); prints its path as the last line
	@cargo build --release --locked --bin hinomi 1>&2
	$(call say_path,$(CARGO_TARGET_DIR)/release/hinomi)

test: setup test-texts test-page test-crates test-e2e ## run all tests: texts, page, crates, real programs and a real browser
	@echo "== all passed"

test-texts: # spelling (exceptions are in _typos.toml), line width and links of the docs
	@echo "== texts: spelling, line width, links"
	@scripts/setup.sh check
	@$(CACHE)/python/check/bin/typos
	@scripts/check_docs.py

test-page: web/node_modules/.package-lock.json
	@echo "== page: types, lint, tests"
	@cd web && npm run --silent check && npm run --silent lint && npm test --silent

test-crates: web/dist/index.html
	@echo "== crates: lints as errors"
	@cargo clippy --profile quick --workspace --all-targets --locked -- -D warnings
	@echo "== crates: tests"
	@cargo test --profile quick --workspace --locked

test-e2e: build
	@echo "== real programs, real browser"
	@scripts/setup.sh e2e
	@cd e2e && HINOMI=$(CARGO_TARGET_DIR)/quick/hinomi node --test --test-concurrency=1 --test-reporter=spec tests/*.test.mjs

e2e-all: build ## test every client of e2e/cases.mjs and every set-up snippet against a real server (installs a few gigabytes of packages the first time)
	@echo "== all clients"
	@scripts/setup.sh e2e-all
	@cd e2e && CLIENTS=all HINOMI=$(CARGO_TARGET_DIR)/quick/hinomi node --test --test-concurrency=1 --test-reporter=spec tests/clients.test.mjs tests/errors.test.mjs tests/snippets.test.mjs

NEWEST ?=
e2e-newest: build ## test every client with the newest release of its packages and print what broke (NEWEST="litellm otel" selects sets)
	@scripts/setup.sh e2e-all
	@scripts/newest.sh $(CACHE)/newest $(NEWEST)
	@cd e2e && CLIENTS=newest HINOMI_CACHE=$(CACHE)/newest HINOMI=$(CARGO_TARGET_DIR)/quick/hinomi node --test --test-concurrency=1 --test-reporter=spec tests/clients.test.mjs tests/errors.test.mjs

check: test-texts web/node_modules/.package-lock.json web/dist/index.html ## check spelling, line width, formatting, types and lints (as errors)
	@cargo fmt --all --check
	@cargo clippy --profile quick --workspace --all-targets --locked -- -D warnings
	@cd web && npm run --silent check && npm run --silent lint

check-all: check ## check also links of the crates' documentation, licenses and sources of dependencies, and unused ones (compiles for minutes the first time)
	@RUSTDOCFLAGS="-D warnings" cargo doc --profile quick --workspace --no-deps --document-private-items --locked --quiet
	@scripts/setup.sh check-all
	@$(CACHE)/cargo/bin/cargo-deny --locked --log-level error check bans licenses sources
	@$(CACHE)/cargo/bin/cargo-machete

ROUNDS ?= 50000
fuzz: web/dist/index.html ## run the parsers of external input against ROUNDS damaged and generated inputs each
	@echo "== envelopes, OTLP, spans, JSON, memory and depth, log frames, request bodies, filters: $(ROUNDS) inputs each"
	@PROPTEST_CASES=$(ROUNDS) cargo test --profile quick --locked --workspace --test amplification
	@PROPTEST_CASES=$(ROUNDS) cargo test --profile quick --locked --workspace --lib --test captures -- json envelope damaged strange otlp ingest::decompress filter:: wal::frame::tests::any

SOAK ?=
soak: build ## run mixed load with kills for three minutes and compare the result with what was acknowledged (SOAK="--hours 8")
	@e2e/faults/soak.py $(CARGO_TARGET_DIR)/quick/hinomi $(SOAK)

BENCH ?=
bench: build ## measure ingestion, queries, memory and disk next to lower bounds (BENCH="--help" lists flags, "--against BINARY" compares two binaries; needs DuckDB for Python)
	@bench/bench.py $(CARGO_TARGET_DIR)/quick/hinomi $(BENCH)

bench-bell: build ## measure the time from a call to its notification, and the cost of alert rules (BENCH="--json FILE")
	@scripts/setup.sh e2e
	@HINOMI=$(CARGO_TARGET_DIR)/quick/hinomi node bench/bell.mjs $(BENCH)

api-client: build ## update docs/openapi.json from the server, and the page's API types from it
	@cd web && npm run --silent api-client -- --server $(CARGO_TARGET_DIR)/quick/hinomi

setup: ## install what a fresh machine lacks
	@scripts/setup.sh build

clean: ## delete build output in this checkout
	rm -rf web/dist web/node_modules e2e/node_modules e2e/shots

web/node_modules/.package-lock.json: web/package-lock.json
	@echo "== page: packages" 1>&2
	@cd web && npm ci --silent --no-audit --no-fund 1>&2 && touch node_modules/.package-lock.json

web/dist/index.html: web/node_modules/.package-lock.json $(PAGE_SOURCES)
	@echo "== page: build" 1>&2
	@cd web && npm run --silent build 1>&2 && touch dist/index.html
