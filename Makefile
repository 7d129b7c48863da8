# Tapeline. `make run` and `make test` need Python 3.11 or later, make and a package index; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# The development lock holds everything of the other, and the tools.
LOCK := requirements-dev.lock
RESULTS ?= benchmarks/results

.PHONY: run test soak bench bench-peers lint format lock docs site clean

run: $(VENV)/.ready  ## Run the pipeline on config.toml (the demo exchange, unless you change it)
	$(BIN)/python supervisor.py run $(ARGS)

test: $(VENV)/.ready-dev  ## Run all tests
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

soak: $(VENV)/.ready-dev  ## Run the long fault tests
	$(BIN)/python -m pytest -n 2 -m soak $(PYTEST_ARGS)

bench: $(VENV)/.ready-dev  ## Run all benchmarks, and write docs/performance.md anew; takes half an hour
	mkdir -p $(RESULTS)
	for name in throughput latency scale stores start micro; do \
		$(BIN)/python -m benchmarks $$name --json $(RESULTS)/$$name.json || exit 1; done
	$(BIN)/python -m benchmarks report $(RESULTS)/*.json -o docs/performance.md

bench-peers: $(VENV)/.ready-dev  ## Measure peers; PEER_PYTHONS names Pythons that have them, separated by colons
	mkdir -p $(RESULTS)
	$(BIN)/python -m benchmarks peers --json $(RESULTS)/peers.json

lint: $(VENV)/.ready-dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

format: $(VENV)/.ready-dev  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.ready-dev  ## Write the generated pages anew
	$(BIN)/python -m docs.generate

site: $(VENV)/.ready-dev  ## Build the documentation as a site, into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lock:  ## Resolve the dependencies anew
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q pyproject.toml --group dev -o requirements-dev.lock

clean:  ## Remove what make has made (not data/)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Tapeline needs Python 3.11 to 3.13, this is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	$(PYTHON) -m venv $(VENV)

# The kernels are compiled here, so that no run waits for it.
$(VENV)/.ready: requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m core.kernel_cache
	touch $@

$(VENV)/.ready-dev: $(LOCK) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m core.kernel_cache
	touch $@ $(VENV)/.ready
