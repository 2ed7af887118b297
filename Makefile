# What people type. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin

COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help setup demo test chaos hostile lint typecheck check bench sbom up smoke down clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

setup: .venv/.installed ## Make .venv and install everything into it

.venv/.installed: constraints.txt pyproject.toml scripts/setup shared/pyproject.toml $(wildcard services/*/pyproject.toml) demo/pyproject.toml
	@scripts/setup
	@touch $@

demo: setup ## Generate a campus, copy it, verify it, show it (everything is below .demo/)
	@scripts/demo

test: setup ## Run the tests; they start private RabbitMQ and PostgreSQL servers
	@scripts/test-servers
	@scripts/test

SEED ?= 1
RUNS ?= 10

chaos: setup ## Break everything at random moments: SEED=5 RUNS=20 (docs/reliability.md)
	@REPLICATE_TEST_CHAOS_SEED=$(SEED) REPLICATE_TEST_CHAOS_RUNS=$(RUNS) $(BIN)/pytest -s tests/chaos/test_chaos.py

hostile: setup ## 1,000 hostile messages to each stage: SEED=2 COUNT=1000 (docs/reliability.md)
	@REPLICATE_TEST_HOSTILE=$(or $(COUNT),1000) REPLICATE_TEST_HOSTILE_SEED=$(SEED) $(BIN)/pytest -s tests/shared/stages/test_hostile.py tests/chaos/test_hostile.py

lint: setup ## Style, and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

typecheck: setup ## mypy, strict
	@$(BIN)/mypy

check: lint typecheck test ## Everything that CI checks

bench: setup ## Measure against other tools in one run; writes docs/benchmarks.md (QUICK=1: a minute and a half, no page; LONG=1: 50 million rows too)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(LONG),--long) $(CASES)

sbom: setup ## Write a bill of materials per image into sbom/ (CycloneDX)
	@$(BIN)/python scripts/sbom

up: ## Build and start all of it in containers, with a campus in PostgreSQL and a simulated Canvas
	@$(COMPOSE) build -q && $(COMPOSE) up -d

smoke: ## After `make up`: runs through the containers, two extractors and two loaders sharing them
	@COMPOSE="$(COMPOSE)" scripts/smoke

down: ## Stop the containers and delete their data
	@$(COMPOSE) down -v --remove-orphans

clean: ## Remove .venv and .demo
	@rm -rf .venv .demo
