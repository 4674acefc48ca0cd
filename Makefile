# Compiled code stays outside the checkout, so that another clone on the same machine need not compile the query engine again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/hinomi/target

.PHONY: build run test check web

web: ## the page, into web/dist
	cd web && npm ci --silent && npm run --silent build

build: ## the binary; its path is the last line printed
	@cargo build --profile quick --bin hinomi
	@echo $(CARGO_TARGET_DIR)/quick/hinomi

run: ## build and start
	@cargo run --profile quick --bin hinomi -- serve

test: ## everything: page, crates
	@echo "== page: packages"; cd web && npm ci --silent
	@echo "== page: types, lint, tests, build"; cd web && npm run --silent check && npm run --silent lint && npm test --silent && npm run --silent build
	@echo "== crates: tests"; cargo test --profile quick --workspace --locked

check: ## lints as errors
	cargo clippy --profile quick --workspace --all-targets --locked -- -D warnings
