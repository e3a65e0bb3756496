# make demo: everything at the demo scale.  make test: every check.  make slurm: the profile on a Slurm of its own,
# where its daemons are installed and the user is root.  All install into .venv first.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test lint slurm install lock clean

demo: install
	snakemake --cores 8 all

test: lint
	pytest -n auto --dist worksteal

lint: install
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	lint-imports --no-cache

slurm: install
	pytest tests/slurm

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
