# make demo    set up what is needed to run, then a simulated night from raw files to candidates
# make test    set up everything, then the tests
# make check   format, lint, types, import contracts
# make bench   speed and memory against the textbook way, as ratios
# make pictures  every screen, drawn by the real program on a processed night, into docs/pictures
# GNU make 3.81 will do. Everything is installed into .venv and nowhere else.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
PIP_INSTALL = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench pictures clean

demo: $(VENV)/.run
	@$(BIN)/astrid demo $(DEMO)

test: $(VENV)/.develop
	@$(BIN)/python -m pytest -n 3 --dist worksteal

check: $(VENV)/.develop
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/.develop
	@$(BIN)/python -m benchmarks

pictures: $(VENV)/.develop
	@$(BIN)/python docs/make_pictures.py

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info

$(BIN)/pip: # written last, so that a set-up that was cut short is done again
	@test -n "$(PYTHON)" || { echo "AstrID needs Python 3.11, 3.12 or 3.13; none was found. Try: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) lacks venv or ensurepip; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Setting up AstrID in $(VENV): about 400 MB to download, 1.2 GB on disk. Once."
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.develop: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Setting up AstrID with its tests in $(VENV): about 650 MB to download with a CPU build of torch"
	@echo "(gigabytes where pip takes the CUDA build), 2.5 GB on disk. Once."
	$(PIP_INSTALL) -e '.[train,s3,web,test,check,bench]'
	@touch $(VENV)/.run $@
