# Everything a person runs, on a laptop as in CI. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help env repro taxonomy documents deepfake documents-folds doctor test test-system test-s3 check current verify bench pr-report pr-comment
.PHONY: report remote audit lock clean

PYTHON ?= python3
JOBS ?= $(shell nproc)
BASE ?= main
BIN := .venv/bin
# Bytecode makes imports three times faster, and every stage is a process of its own.
unexport PYTHONDONTWRITEBYTECODE
# DVC starts the stages with `python`: the environment's, activated or not.
export PATH := $(CURDIR)/$(BIN):$(PATH)

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

env: .venv/installed  ## make .venv from the locked requirements (hashes checked)

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.txt)"
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip sync --quiet --require-hashes requirements.txt
	@touch $@

repro: taxonomy documents deepfake  ## run every stage whose inputs changed; with -j2 the tasks side by side
	$(BIN)/dvc repro

taxonomy: env  ## run the taxonomy task alone
	$(BIN)/dvc repro taxonomy-evaluate

documents: documents-folds  ## run the documents task alone
	$(BIN)/dvc repro documents-evaluate

deepfake: env  ## run the deepfake task alone
	$(BIN)/dvc repro deepfake-explain

# One fold is one thread's work: two of them fill two cores, where two threads on one fold gain a fifth. Under
# `make -jN` the folds share its N places with the other tasks.
documents-folds: env
	$(BIN)/dvc repro documents-prepare
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) $$($(BIN)/dvc status $$($(BIN)/dvc stage list --name-only | \
		grep '^documents-train@') | grep -o '^documents-train@[0-9]*') env

# --single-item: without a look at the stages before, on which two processes would meet.
documents-train@%: env
	$(BIN)/dvc repro --single-item $@

doctor: env  ## print what this machine has: devices, memory, versions, `dvc doctor`
	$(BIN)/python -m src.common.doctor

test: env  ## run the tests
	$(BIN)/pytest -n 2 -m "not benchmark and not system and not s3"

test-system: env  ## kill stages, fill disks, share work between processes, open the report in a browser
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
	$(BIN)/python -m src.common.current

verify: env  ## compute everything anew in a fresh clone, and compare with what is committed
	$(BIN)/python -m src.common.verify

pr-report: env  ## markdown for a pull request, against BASE (main)
	@$(BIN)/python -m src.common.pull_request $(BASE)

# The comment is edited in place; without a pull request (a fork's token may not comment) there is the summary alone.
pr-comment: env  ## the same as the job's summary and as the one comment of PULL_REQUEST
	@$(MAKE) --no-print-directory pr-report >pr-report.md; status=$$?; \
	cat pr-report.md >>"$${GITHUB_STEP_SUMMARY:-/dev/stdout}"; \
	if [ -n "$(PULL_REQUEST)" ]; then \
		gh pr comment "$(PULL_REQUEST)" --edit-last --create-if-none --body-file pr-report.md || status=1; \
	fi; exit $$status

report: env  ## write report.html, one page that needs no network; changes are against BASE (main)
	$(BIN)/python -m src.report.build --base $(BASE)

remote: env  ## set the remote: make remote URL=s3://bucket/path [ENDPOINT=http://...]
	$(BIN)/python -m src.common.remote $(URL) $(if $(ENDPOINT),--endpoint $(ENDPOINT))

audit: env  ## check every object on the remote against dvc.lock
	$(BIN)/python -m src.common.audit $(if $(DELETE),--delete)

bench: env  ## measure speed, as ratios in one run
	$(BIN)/pytest -m benchmark -s tests/benchmarks

lock: env  ## compile requirements.txt anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev \
		pyproject.toml --output-file requirements.txt

clean:  ## delete checkpoints, caches and logs; data, models and metrics stay
	rm -rf .checkpoints .cache .logs
