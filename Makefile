# What a developer does here, each under one name; `make` alone lists them.
# Needs Python 3.11 or newer and make. `make test` also needs the programs that
# tests/e2e/install-packages names, and installs those that are missing.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
WORKERS ?= 3
NODE_MODULES := tests/e2e/clients/node_modules/.package-lock.json
HARAKA := benchmarks/haraka/node_modules
PROPERTIES := $(addprefix tests/unit/,smtp/test_engine_promises.py message/test_header.py \
  message/test_mailbox_list.py message/test_message_promises.py suppression/test_tokens.py \
  suppression/test_token_promises.py)

.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench bench-lists bench-index bench-desk faults kill hostile api-fuzz token-flips soak load oracle opt-outs opt-outs-cluster cluster redis-faults hang-ups bench-cluster bench-feedback notices feedback feedback-kill feedback-fuzz packages clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED) ## start the demo: three outcomes, then a gateway to try by hand (Ctrl-C ends it)
	@$(BIN)/python -m gateway.demo

test: check packages $(NODE_MODULES) ## check, then run every test, with a real Postfix and six mail clients
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(INSTALLED) ## lint, format check and type check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fmt: $(INSTALLED) ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) packages ## how fast on one core, beside other relays (BENCH="--quick": a minute; --help)
	@test -d $(HARAKA) || npm ci --prefix benchmarks/haraka --omit=optional --no-audit --no-fund || true
	@$(BIN)/python -m benchmarks.bench $(BENCH)

bench-lists: $(INSTALLED) packages ## ten million suppressions beside Redis and Postfix (BENCH="--entries 100000": half a minute)
	@$(BIN)/python -m benchmarks.lists $(BENCH)

bench-index: $(INSTALLED) packages ## ten million entries of the index in Redis beside a plain SET (BENCH="--entries 100000": seconds)
	@$(BIN)/python -m benchmarks.index $(BENCH)

bench-desk: $(INSTALLED) ## every screen over a million events and ten thousand cases (BENCH="--events 20000 --cases 500": a minute)
	@$(BIN)/python -m benchmarks.desk $(BENCH)

bench-feedback: $(INSTALLED) packages ## reports, bounces and unsubscribe mails a second on one core, beside a listener that records nothing (three minutes)
	@$(BIN)/python -m benchmarks.feedback $(BENCH)

bench-cluster: $(INSTALLED) packages ## what Redis, PostgreSQL and a second worker cost, beside the embedded gateway (four minutes)
	@$(BIN)/python -m benchmarks.cluster

faults: $(INSTALLED) ## 100,000 messages while customers, next hops and the machine fail: none lost
	@$(BIN)/python -m tests.campaigns.faults

kill: $(INSTALLED) ## kill -9 fifty times under load: nothing lost, back within 5 s
	@$(BIN)/python -m tests.campaigns.kill

hostile: $(INSTALLED) packages ## the hostile-input table row by row, then two million fuzzed inputs (half an hour)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	@$(BIN)/python -m tests.campaigns.hostile
	@HYPOTHESIS_PROFILE=campaign $(BIN)/python -m pytest -q -o timeout=1800 $(PROPERTIES)
	@for target in dialogue message token; do \
	  $(BIN)/python -m tests.campaigns.fuzz --target $$target && \
	  $(BIN)/python -m tests.campaigns.atheris_run --target $$target || exit 1; done

api-fuzz: $(INSTALLED) packages ## made-up requests against the API of a real gateway: all answered as documented (three minutes)
	@$(BIN)/python -m tests.campaigns.api_fuzz

token-flips: $(INSTALLED) ## every bit of 1,000 API tokens and 3,000 link tokens flipped: one refusal (fifteen minutes)
	@$(BIN)/python -m tests.campaigns.token_flips

soak: $(INSTALLED) packages ## an hour at half speed: memory, descriptors and tasks stay flat
	@$(BIN)/python -m tests.campaigns.soak

load: $(INSTALLED) packages ## a big import, 100 messages of 25 MB, 500 slow clients: others do not notice
	@$(BIN)/python -m tests.campaigns.load_lag
	@$(BIN)/python -m tests.campaigns.load_memory
	@$(BIN)/python -m tests.campaigns.load_slow

oracle: $(INSTALLED) ## a million RCPT decisions against an oracle: none suppressed passes, nobody else is refused
	@$(BIN)/python -m tests.campaigns.oracle

opt-outs: $(INSTALLED) packages ## 10,000 one-click opt-outs with kill -9 in between: none that was confirmed is missing
	@$(BIN)/python -m tests.campaigns.opt_outs

opt-outs-cluster: $(INSTALLED) packages ## 10,000 opt-outs while the Redis primary fails over and nodes die: none that was confirmed is missing
	@$(BIN)/python -m tests.campaigns.opt_outs_cluster

cluster: $(INSTALLED) packages ## two nodes behind HAProxy; a worker, a node, Redis and its primary killed in turn (two minutes)
	@$(BIN)/python -m tests.campaigns.cluster

redis-faults: $(INSTALLED) packages ## 14 faults of Redis and 8 of PostgreSQL at five moments of a transaction (twenty minutes)
	@$(BIN)/python -m tests.campaigns.redis_faults

hang-ups: $(INSTALLED) packages ## 10,000 clients that hang up while Redis is in trouble: nobody gets another's answer, nothing leaks
	@$(BIN)/python -m tests.campaigns.hang_ups

notices: $(INSTALLED) packages ## Notices to tenants with kill -9 at every step: none lost, at most one repeat per kill, none unmarked
	@$(BIN)/python -m tests.campaigns.notices

feedback: $(INSTALLED) packages ## mailings of a thousand behind a real Postfix and all that may come back: exactly the right recipients are suppressed (five minutes)
	@$(BIN)/python -m tests.campaigns.feedback

feedback-kill: $(INSTALLED) ## reports, bounces and unsubscribe mails with kill -9 after a 250, a thousand times: none lost, none twice
	@$(BIN)/python -m tests.campaigns.feedback_kill

feedback-fuzz: $(INSTALLED) ## a million mutated mails that come back, through every parser, then led by coverage (half an hour)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	@HYPOTHESIS_PROFILE=campaign $(BIN)/python -m pytest -q -o timeout=1800 tests/unit/feedback/test_parser_promises.py
	@$(BIN)/python -m tests.campaigns.fuzz --target feedback
	@$(BIN)/python -m tests.campaigns.atheris_run --target feedback

packages: ## install the programs the tests need, if any are missing
	@tests/e2e/install-packages

clean: ## remove all that make has made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info demo-state
	rm -rf tests/e2e/clients/node_modules $(HARAKA)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(NODE_MODULES): tests/e2e/clients/package.json tests/e2e/clients/package-lock.json | packages
	npm ci --prefix tests/e2e/clients --no-audit --no-fund
	@touch $@
