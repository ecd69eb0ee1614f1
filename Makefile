# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo run build test test-web screenshots check audit bench figures fuzz postman schemathesis coverage mutants test-install install uninstall deb dist clean

CARGO_TARGET_DIR ?= target
LINKOPSD := $(CARGO_TARGET_DIR)/release/linkopsd
PREFIX ?= /usr/local
TESTS_WEB ?= $(wildcard web/test/*.test.mjs)
CONFIG ?= /etc/linkops/config.ini
# Released binaries carry a current OpenSSL, so that they run everywhere; FEATURES= takes the system's.
FEATURES ?= vendored-openssl

help: ## list the targets
	@awk -F ': .*##|:.*##' '/^[a-z-]+:.*##/ { printf "make %-13s%s\n", $$1, $$2 }' Makefile

demo: ## three SSH machines and linkopsd on this one, until Ctrl-C (with DEMO_ONCE=1: until they ran)
	@.ci/needs build demo
	@web/build
	cargo build --release --locked
	@deploy/demo/run $(LINKOPSD)

run: build ## linkopsd with CONFIG=/etc/linkops/config.ini
	@test -r $(CONFIG) || { echo "there is no $(CONFIG): make run CONFIG=FILE, or make demo"; exit 1; }
	$(LINKOPSD) serve --config $(CONFIG)

build: ## the program, optimised, for this machine's OpenSSL (CONSOLE=no: without the web console)
	@.ci/needs build
	@web/build
	cargo build --release --locked

test: ## all tests
	@.ci/needs build test
	cargo test --locked

test-web: ## the web console: its parts by node, its pages by Chromium on a real linkopsd
	@.ci/needs build demo web
	@web/build --tests
	cargo build --locked
	node --test $(TESTS_WEB)

screenshots: ## docs/screenshots, each page of the console, light and dark
	@.ci/needs build demo web
	@web/build --tests
	cargo build --locked
	node web/test/screenshots.mjs

check: ## formatting, lints, the rules of the source tree, all tests
	cargo fmt --check
	@.ci/needs build test
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --test suite tidy
	$(MAKE) --no-print-directory test

audit: ## the dependency tree; licences, bans, sources and advisories by cargo-deny
	@.ci/audit

bench: ## the figures, measured on this machine
	@.ci/needs build test
	cargo bench --locked --bench bench

TIME ?= 60
fuzz: ## generated input to the parsers, TIME=60 s for each, or for one TARGET
	@.ci/needs build fuzz
	@.ci/fuzz $(TIME) $(TARGET)

figures: build ## what the program costs: start, idle memory, size, crates
	@.ci/needs demo
	@.ci/figures $(LINKOPSD)

postman: ## docs/linkops.postman_collection.json, anew from the OpenAPI document
	LINKOPS_REWRITE=1 cargo test --locked --test suite the_postman_collection

schemathesis: ## requests made from the OpenAPI document against a running server, without a server error
	@.ci/needs build test
	cargo build --release --locked
	@.ci/schemathesis $(LINKOPSD)

coverage: ## lines of src/ that tests run, file by file; fails below 85 %
	@.ci/needs build test coverage
	@.ci/coverage

mutants: ## faults put into the rules, one by one, and whether a test notices; fails below 80 %
	@.ci/needs build test
	@.ci/mutants

test-install: build ## the life of an installation, in a Debian of its own that a real systemd runs
	@.ci/needs install
	@tests/install/run $(LINKOPSD) $(wildcard target/debian/*.deb)

install: ## the built program, unit, user, directories and a first configuration; DESTDIR, PREFIX=/usr/local
	@test -x "$(LINKOPSD)" || { echo "there is no $(LINKOPSD): run make build first"; exit 1; }
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" BINARY="$(LINKOPSD)" deploy/install.sh

uninstall: ## take away what install put there; with PURGE=1 also configuration, database, keys, logs, user
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" PURGE="$(PURGE)" deploy/install.sh uninstall

deb: build ## a Debian package in target/debian, judged by lintian
	@.ci/needs package
	@.ci/deb $(LINKOPSD)

dist: ## an archive in target/dist with checksums and a list of its parts; FEATURES=vendored-openssl
	@.ci/needs build package
	@web/build
	cargo build --release --locked --features "$(FEATURES)"
	@.ci/dist $(LINKOPSD) "$(FEATURES)"

clean: ## remove everything that was built
	cargo clean
	find web/dist -mindepth 1 ! -name .gitignore -delete
	rm -rf web/node_modules
