# `make` alone lists the targets. Everything is set up on demand inside .venv; nothing outside the folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

PINS := --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench lock clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt requirements-dev.txt Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'stageline.pth').write_text('$(CURDIR)\n')"
	printf '#!%s\nif __name__ == "__main__":\n    from services.main import main\n\n    main()\n' '$(CURDIR)/$(BIN)/python' > $(BIN)/stageline
	chmod +x $(BIN)/stageline
	touch $@

setup: $(READY)  ## install everything into .venv; afterwards .venv/bin/stageline works

test: $(READY)  ## run every test, those on real Kafka and real PostgreSQL included
	$(BIN)/pytest -n 2 --dist loadfile

check: $(READY)  ## formatter, linter, types, walls between the rooms, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/house

demo: $(READY)  ## three services, real purchases, what happened; EXIT=1 ends by itself
	EXIT='$(EXIT)' $(BIN)/python -m deploy.demo.run

bench: $(READY)  ## measure fold, ingest, the whole path on Kafka and PostgreSQL; writes .bench/figures.json
	$(BIN)/python -m tests.bench $(BENCH)

format: $(READY)  ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## pin every dependency by hash again: the tests' first, since what runs must be what was tested
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(PINS) --extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile $(PINS) -c requirements-dev.txt pyproject.toml -o requirements.txt

clean:  ## remove what setup, tests and the demo made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .servers .demo .bench
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
