# make demo: everything at the demo scale.  make test: every check.  make slurm: the profile on a Slurm of its own,
# where its daemons are installed and the user is root.  make validators: run crates by roc-validator.  make crates: run
# crates and Croissant files of the demo, once it is made, and of the committed results.  make package: a wheel, in an
# environment of its own, makes and runs a new study.  All install into .venv first.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test lint ruff snakefmt mypy imports slurm validators crates package install lock clean

demo: install
	snakemake --cores 8 all

test: lint
	pytest -n auto --dist worksteal

# Two at once, beside mypy the others: each takes one core.
lint: install
	@$(MAKE) --no-print-directory --jobs=2 mypy imports snakefmt ruff

ruff:
	ruff check .
	ruff format --check .

snakefmt:
	snakefmt --check Snakefile workflow src/ablate/rules

mypy:
	mypy

imports:
	lint-imports --no-cache

slurm: install
	pytest tests/slurm

validators: .venv/roc-validator/installed
	pytest tests/test_crate.py

# An environment of its own: roc-validator wants an older rich than the pipeline. tests/test_crate.py finds it there.
.venv/roc-validator/installed: .venv/installed
	test -x .venv/roc-validator/bin/python || $(PYTHON) -m venv .venv/roc-validator
	.venv/roc-validator/bin/python -m pip install --quiet roc-validator==0.13.0
	touch $@

# Of what the demo made, and of what is committed.
crates: .venv/roc-validator/installed
	ablate records pack --scale demo
	.ci/crates demo paper pilot

package: install
	rm -rf .venv/package && $(PYTHON) -m venv .venv/package
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir .venv/package/wheel .
	.venv/package/bin/python -m pip install --quiet -c requirements.lock "$$(grep ^torch== requirements.lock)" .venv/package/wheel/*.whl
	PATH="$(CURDIR)/.venv/package/bin:$$PATH" .ci/new-study

install: .venv/installed

# The lock only constrains: torch's own CUDA packages follow from torch's pin, and are absent from a CPU build.
.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d; say make PYTHON=python3.11" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c requirements.lock "torch$$(sed -n 's/^torch\(==.*\)/\1/p' requirements.lock)"
	$(BIN)/python -m pip install --quiet -c requirements.lock --editable '.[dev]'
	touch $@

lock: install
	$(BIN)/python -m pip freeze --exclude-editable | grep -v -i -E '^(nvidia|triton|cuda)' | sed 's/+cpu//' > requirements.lock

clean:
	rm -rf .venv .snakemake .ablate data logs results/demo results/runs results/pretrained
