# Everyday verbs. `make` lists them. Every verb but help and findings first brings .venv up to date with envs/requirements.txt.
.DEFAULT_GOAL := help
SHELL := /bin/bash
STUDY ?= demo
PROFILE ?= local
SET ?=
JOBS ?=
AUTHORS ?=
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
EXTRAS := .venv/.extras
STUDY_OPTIONS := --profile profiles/$(PROFILE) --configfile config/$(STUDY).yaml
SETTINGS := $(if $(SET),set='$(SET)')

.PHONY: help demo run study watch board status plan rehearse tidy figures claims publish site test test-services smoke findings lint lock

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 25

demo: $(INSTALLED) ## both systems end to end on real data, two to four minutes on two cores
	@$(MAKE) --no-print-directory run STUDY=demo

run: $(INSTALLED) ## any study: make run STUDY=demo [PROFILE=local] [SET='cells.search.epochs=3 ...']
	@$(BIN)/python -m workflow_scripts.check config/$(STUDY).yaml --profile $(PROFILE)
	@$(BIN)/snakemake $(STUDY_OPTIONS) $(if $(SETTINGS),--config $(SETTINGS))

study: $(INSTALLED) ## config/NAME.yaml, written from STUDY with changed settings: SET='study=NAME ...'
	@$(BIN)/python -m workflow_scripts.write_study config/$(STUDY).yaml $(if $(SET),--set '$(SET)')

watch: $(INSTALLED) ## a study that runs: jobs done and left, time left, curves, failures
	@$(BIN)/python -m workflow_scripts.watch config/$(STUDY).yaml $(if $(SET),--set '$(SET)')

board: $(INSTALLED) $(EXTRAS) ## TensorBoard's files of STUDY, written as its runs go on, in board/STUDY
	@$(BIN)/python -m workflow_scripts.board config/$(STUDY).yaml $(if $(SET),--set '$(SET)')

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

publish: $(INSTALLED) ## a folder of STUDY's results for WorkflowHub and Zenodo: [AUTHORS='Doe, Jane; Roe, Richard']
	@$(BIN)/python -m workflow_scripts.publish results/$(STUDY) published/$(STUDY) \
		$(if $(AUTHORS),--authors "$$AUTHORS") $(if $(SET),--set '$(SET)')

site: $(EXTRAS) ## the documents as a site, in site/; a broken link is an error
	@$(BIN)/python -m sphinx -W --keep-going -q -E -d .venv/.doctrees -c docs/site . site

test: $(EXTRAS) lint ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/services

test-services: $(EXTRAS) ## tests on a headless browser and real clusters (.ci/run names the Debian packages)
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

lock: $(INSTALLED) ## write envs/requirements.txt and envs/extras.txt again from the .in files
	@$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header \
		--upgrade envs/requirements.in --output-file envs/requirements.txt
	@$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header \
		--upgrade envs/extras.in --output-file envs/extras.txt

$(INSTALLED): envs/requirements.txt
	@envs/install.sh $(PYTHON) $< .venv

$(EXTRAS): envs/extras.txt $(INSTALLED)
	@envs/install_extras.sh $< .venv
