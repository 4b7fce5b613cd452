# Everyday verbs. `make` lists them. Every verb but help and findings first brings .venv up to date with envs/requirements.txt.
.DEFAULT_GOAL := help
SHELL := /bin/bash
STUDY ?= demo
PROFILE ?= local
SET ?=
JOBS ?=
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
STUDY_OPTIONS := --profile profiles/$(PROFILE) --configfile config/$(STUDY).yaml
SETTINGS := $(if $(SET),set='$(SET)')

.PHONY: help demo run status plan rehearse tidy figures claims test test-services smoke findings lint lock

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 25

demo: $(INSTALLED) ## both systems end to end on real data, one to five minutes on two cores
	@$(MAKE) --no-print-directory run STUDY=demo

run: $(INSTALLED) ## any study: make run STUDY=demo [PROFILE=local] [SET='cells.search.epochs=3 ...']
	@$(BIN)/python -m workflow_scripts.check config/$(STUDY).yaml --profile $(PROFILE)
	@$(BIN)/snakemake $(STUDY_OPTIONS) $(if $(SETTINGS),--config $(SETTINGS))

status: $(INSTALLED) ## what is stale in STUDY, why, and what rerunning it would cost; runs nothing
	@$(BIN)/python -m workflow_scripts.status config/$(STUDY).yaml $(if $(SET),--set '$(SET)')

plan: $(INSTALLED) ## what STUDY will cost: jobs, hours, disk
	@$(BIN)/python -m workflow_scripts.plan config/$(STUDY).yaml $(if $(SET),--set '$(SET)')

rehearse: $(INSTALLED) ## every job of STUDY under PROFILE, each made to take a moment: [JOBS=300], a sample
	@$(BIN)/python -m workflow_scripts.rehearse config/$(STUDY).yaml --profile $(PROFILE) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(SET),--set '$(SET)')

tidy: $(INSTALLED) ## remove what the jobs of STUDY left and is no longer needed; never a result or a record
	@$(BIN)/python -m workflow_scripts.tidy config/$(STUDY).yaml $(if $(SET),--set '$(SET)')

figures: $(INSTALLED) ## tables and figures of STUDY from the existing runs; never starts a search
	@$(BIN)/python -m workflow_scripts.check config/$(STUDY).yaml
	@$(BIN)/snakemake figures $(STUDY_OPTIONS) --config figures_only=true $(SETTINGS)

claims: $(INSTALLED) ## what the studies at hand say of the papers' claims, in one table
	@$(BIN)/python -m workflow_scripts.gather_claims

test: $(INSTALLED) lint ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/services

test-services: $(INSTALLED) ## tests on a headless browser and real clusters (.ci/run names the Debian packages)
	@$(BIN)/python -m pytest -rs tests/services

smoke: $(INSTALLED) ## one training step of every preset of the papers on made-up images
	@$(BIN)/python -m pytest tests/smoke

findings: ## surprises of outside software, each shown again with its own packages (network; half an hour or so)
	@for script in $(filter-out findings/environment.sh,$(wildcard findings/*.sh)); do \
		echo "$$script"; PYTHON='$(PYTHON)' bash $$script || exit 1; done

lint: $(INSTALLED) ## formatting, types, and the workflow's own linter
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/mypy --no-error-summary
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/snakemake --lint --configfile config/demo.yaml

lock: $(INSTALLED) ## write envs/requirements.txt again from envs/requirements.in
	@$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header \
		--upgrade envs/requirements.in --output-file envs/requirements.txt

$(INSTALLED): envs/requirements.txt
	@envs/install.sh $(PYTHON) $< .venv
