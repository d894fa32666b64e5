# make demo    set up and predict the sample report with the shipped model
# make test    set up and run the tests           (PYTEST_ARGS='-k metrics' narrows them)
# make lint    set up and run ruff and mypy
# make format  let ruff put the code in order
# make wheel   build dist/stance-*.whl
# make docs-numbers  fail where README or model card differ from the evaluations
#
# PYTHON=...    the interpreter for the virtual environment (3.11 or later)
# VENV=...      where the environment lies, .venv unless told
# PIP_ARGS=...  more arguments for pip install. On Linux the default build of PyTorch carries
#               CUDA and is some gigabytes large. A machine without a GPU wants the CPU build:
#               PIP_ARGS='--extra-index-url URL' with the URL of PyTorch's own CPU index, which
#               the install page of PyTorch names.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)
VENV ?= .venv
PIP_ARGS ?=
PYTEST_ARGS ?=
BIN := $(VENV)/bin

DEMO_TARGETS := ["Der Tiefwasserhafen Norderwiek soll erweitert werden.", \
	"Auf der Küstenautobahn soll ein Tempolimit gelten."]
DEMO_ACTORS := ["Imke Dornhövel", "Küstenwacht", "Änne Rüskamp", "Reederei Möwenlinie", \
	"Tjark Wübbenhorst", "Gewerkschaft Kai und Logistik"]

# Files that say what is installed: a newer pyproject.toml installs again, nothing else does.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint format wheel docs-numbers

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e '.[dev]'
	@touch $(INSTALLED) $@

venv: $(INSTALLED_DEV)

demo: $(INSTALLED)
	@cat examples/report.txt
	@echo
	$(BIN)/python scripts/predict.py input=examples/report.txt targets='$(DEMO_TARGETS)' \
	  actors='$(DEMO_ACTORS)' output=outputs/demo.jsonl overwrite=true show=true

# As many processes as there are cores; each test file stays in one, and torch in one thread, since
# more would only get into each other's way.
test: $(INSTALLED_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(INSTALLED_DEV)
	$(BIN)/python -m hatchling build -t wheel

docs-numbers: $(INSTALLED_DEV)
	$(BIN)/python scripts/ship_model.py card models/stance-minilm-de --check
