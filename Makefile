# Everything a person runs, on a laptop as in CI. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help check-locks env install ray-env speech-env repro taxonomy documents deepfake documents-folds explainers doctor test test-system
.PHONY: test-s3 check current verify bench pr-report pr-comment report demo demo-env remote audit lock clean

PYTHON ?= python3
JOBS ?= $(shell nproc)
BASE ?= main
BIN := .venv/bin
# Bytecode makes imports three times faster, and every stage is a process of its own. `make env` compiles what it
# installs, as pip does: the first stages would take 15 CPU-seconds for it, and all of them wherever it may not be kept.
unexport PYTHONDONTWRITEBYTECODE
# DVC starts the stages with `python`: the environment's, activated or not.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# DVC unpickles what it finds in its site cache, which by default is a folder that every user of the machine can write to.
export DVC_SITE_CACHE_DIR ?= $(CURDIR)/.cache/dvc-site
# What the shell gets of a variable is one word, whatever is in it: neither make nor the shell runs a part of it.
unexport URL ENDPOINT BASE PULL_REQUEST PORT
quote = '$(subst ','\'',$(1))'
verbatim = $(call quote,$(value $(1)))

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

# Not in a `make` inside this one: a stage beside it may be writing dvc.lock.
check-locks:
	@[ "$(MAKELEVEL)" -gt 0 ] || .ci/check-locks

# Packages are installed when the content of requirements.txt changes. Times are not compared: two machines that share a
# disk may disagree about them. The environment is made anew where it was never finished, or made in another folder.
LOCKED = $(CURDIR) $(shell cat requirements.txt | sha256sum)
PACKAGE = $(shell cat pyproject.toml | sha256sum)

env: check-locks  ## make .venv from the locked requirements (hashes checked)
	@[ "$$(cat .venv/locked 2>/dev/null)" = $(call quote,$(LOCKED)) ] || $(MAKE) --no-print-directory install
	@[ "$$(cat .venv/package 2>/dev/null)" = "$(PACKAGE)" ] || { VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install \
		--quiet --no-deps --no-build-isolation --editable . && echo "$(PACKAGE)" >.venv/package; }

install: check-locks
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@case "$$(cat .venv/locked 2>/dev/null)" in $(call quote,$(CURDIR))' '*) ;; *) $(PYTHON) -m venv --clear .venv ;; esac
	@rm -f .venv/locked .venv/package
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt >.venv/uv.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r .venv/uv.txt
	VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.txt
	$(BIN)/dvc config --local core.site_cache_dir "$(CURDIR)/.cache/dvc-site"
	@printf '%s\n' $(call quote,$(LOCKED)) >.venv/locked

# Adds to .venv what requirements-$(1).txt names, once for each content, with further options $(2) of uv.
added = $(LOCKED) $(shell cat requirements-$(1).txt | sha256sum)
add = [ "$$(cat .venv/$(1) 2>/dev/null)" = $(call quote,$(call added,$(1))) ] || { VIRTUAL_ENV="$(CURDIR)/.venv" \
	$(BIN)/uv pip install --quiet $(2) --require-hashes -r requirements-$(1).txt && \
	printf '%s\n' $(call quote,$(call added,$(1))) >.venv/$(1); }

# Ray is left out of the environment that everyone gets: 200 MB that few need.
ray-env: env  ## add Ray to .venv, for prediction on several machines (hashes checked)
	@$(call add,ray)

speech-env: env  ## add a voice to .venv that reads sentences aloud, for `reprise vocode --sentences` (hashes checked)
	@$(call add,speech)

# --no-deps: the lock names all that is needed, and gradio asks for older packages than it runs with (pyproject.toml).
demo-env: env  ## add to .venv what the page needs (hashes checked)
	@$(call add,demo,--no-deps)

# Several processes wait for each other's short hold on DVC's lock, where one alone would give up after three seconds.
REPRO := $(BIN)/dvc --wait-for-lock repro

# The longest chain of stages comes first, and the others fill the places beside it; folds of documents fill both at last.
repro: env  ## run every stage whose inputs changed, JOBS tasks and folds at a time
	@$(named) $(MAKE) $(side_by_side) deepfake taxonomy documents
	$(REPRO)

taxonomy: env  ## run the taxonomy task alone
	$(REPRO) taxonomy-ask taxonomy-evaluate

documents: documents-folds  ## run the documents task alone
	$(REPRO) documents-evaluate

deepfake: env  ## run the deepfake task alone
	$(REPRO) deepfake-explain

# The names of the outdated stages of a matrix. Each is a training with one thread: two side by side use two cores fully,
# while a second thread would make one faster by a fifth. Inside `make repro` they share its jobs with the other tasks.
outdated = $$($(BIN)/dvc --wait-for-lock status $(1) | grep -o '^$(1)@[[:alnum:]_-]*')
# Lines of stages that run side by side begin with the stage's name.
named = $(if $(filter 1,$(JOBS)),,REPRISE_NAME_LINES=1)
side_by_side = --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

documents-folds: env
	$(REPRO) documents-prepare
	@$(named) $(MAKE) $(side_by_side) $(call outdated,documents-train) env

explainers: env  ## train the explainers of all prototype modes side by side
	$(REPRO) deepfake-detector
	@$(named) $(MAKE) $(side_by_side) $(call outdated,deepfake-explainer) env

# --single-item: without a look at the stages before, on which two processes would meet.
documents-train@%: env
	$(REPRO) --single-item $@

deepfake-explainer@%: env
	$(REPRO) --single-item $@

doctor: env  ## print what this machine has: devices, memory, versions, `dvc doctor`
	$(BIN)/reprise doctor

test: env  ## run the tests
	$(BIN)/pytest -n 2 --dist worksteal -m "not benchmark and not system and not s3"

test-system: env ray-env demo-env speech-env  ## kill stages, fill disks, share work between processes, open report and demo
	$(BIN)/pytest -n 2 --dist loadgroup -m system tests/system

test-s3: env  ## push to, pull from and break a real S3 server (Ceph) that is started for it
	$(BIN)/pytest -m s3 -s tests/system

check: env  ## lint, format and type checks; the workflows too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github/workflows

current: env  ## fail where dvc.lock is behind the code
	$(BIN)/reprise current

verify: env  ## compute everything anew in a fresh clone, and compare with what is committed
	$(BIN)/reprise verify

pr-report: env  ## Markdown for a pull request, against BASE (main)
	@$(BIN)/reprise pull-request $(call verbatim,BASE)

# The comment is edited in place; without a pull request (a fork's token may not comment) there is the summary alone.
pr-comment: env  ## the same as the job's summary and as the one comment of PULL_REQUEST
	@$(BIN)/reprise pull-request $(call verbatim,BASE) >pr-report.md; status=$$?; \
	cat pr-report.md >>"$${GITHUB_STEP_SUMMARY:-/dev/stdout}"; \
	request=$(call verbatim,PULL_REQUEST); \
	if [ -n "$$request" ]; then \
		gh pr comment "$$request" --edit-last --create-if-none --body-file pr-report.md || status=1; \
	fi; exit $$status

report: env  ## write report.html, one page that needs no network; changes are against BASE (main)
	$(BIN)/reprise report --base $(call verbatim,BASE)

demo: demo-env  ## open a page of this machine to use the models: make demo [PORT=7860]
	@$(BIN)/reprise demo $(if $(value PORT),--port $(call verbatim,PORT))

remote: env  ## set the remote: make remote URL=s3://bucket/path [ENDPOINT=http://...]
	@$(BIN)/reprise remote $(if $(value ENDPOINT),--endpoint $(call verbatim,ENDPOINT)) -- $(call verbatim,URL)

audit: env  ## read every object on the remote, and compare it with dvc.lock; DELETE=1 deletes damaged ones
	$(BIN)/reprise audit $(if $(DELETE),--delete)

bench: env  ## measure speed, as ratios in one run
	$(BIN)/pytest -m benchmark -s tests/benchmarks

compile = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11
# The packages of pyproject.toml's optional group $(1), a line each.
optional = $(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$(1)"], sep="\n")'

lock: env  ## compile requirements.txt, -ray.txt, -speech.txt and -demo.txt anew from pyproject.toml
	$(compile) --extra export --group dev pyproject.toml --output-file requirements.txt
	$(call optional,ray) | $(compile) --constraint requirements.txt --output-file requirements-ray.txt -
	$(call optional,speech) | $(compile) --constraint requirements.txt --output-file requirements-speech.txt -
	$(call optional,demo) | $(compile) --constraint requirements.txt --output-file requirements-demo.txt -

clean:  ## delete checkpoints, caches and logs; data, models and metrics stay
	rm -rf .checkpoints .cache .logs
