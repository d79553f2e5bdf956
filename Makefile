# make setup   everything into .venv, pinned by hash       make test    the whole suite
# make demo    the whole system on traffic, live           make lint    ruff, mypy, import contracts
# make test-reference   what holds without the accelerator, in a venv without numba and numpy
# make test-bounds   compiled code with every index checked      make fuzz   ten minutes of each fuzzer of compiled code
# make bench   measure against the floor and the peers     make pins    resolve constraints.txt anew
# make audit   what the image contains (SBOM), and known advisories about all pins; needs the network
# make docs    the generated pages of docs/         make screenshots   the board's pages, for docs/screenshots
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PROCESSES ?= 3
NO_SCORING := alert_rules architecture board calibrate card_traffic cases collector dashboards dependencies deploy docs door library_internals logs loop \
	makefile metrics notify scorefile settings templates tracing trial unsubscribe webhooks yamlfile
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: setup install demo test test-reference test-bounds fuzz lint bench audit pins docs screenshots clean

setup: $(STAMP)

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Leadglow needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing everything that Leadglow needs into .venv, pinned by hash; this takes a minute or two."
	@if [ -e $@ ]; then rm -rf .venv.old && mv .venv .venv.old; fi
	@trap : INT TERM; $(MAKE) --no-print-directory install || { if [ -d .venv.old ]; then rm -rf .venv && mv .venv.old .venv && \
		echo "Nothing was installed (see above; it needs the package registry): .venv is as it was before, and works." >&2; fi; exit 1; }
	@rm -rf .venv.old
	@touch $@

install:  # what setup does; it undoes this if it fails
	@$(PYTHON) -m venv --clear .venv
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' constraints.txt > .venv/uv.txt
	$(PIP) --require-hashes -r .venv/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r constraints.txt || \
		$(PIP) --require-hashes -r constraints.txt  # where only pip knows the way to the packages
	$(PIP) --no-deps --no-build-isolation -e .
	@echo "Compiling the accelerator, once; this takes about half a minute."
	@$(BIN)/python -c 'from streams.implementation import choose; choose().warm_up()'  # compiles what is kept compiled

demo: setup
	$(BIN)/leadglow demo

test: setup  # the slow files are first, so that no process waits long for another at the end
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test-reference: .venv-reference/.installed
	.venv-reference/bin/python -m pytest tests/unit tests/properties $(NO_SCORING:%=--ignore-glob='*/unit/test_%*')
	LEADGLOW_ACCELERATOR=off .venv-reference/bin/leadglow demo --events 20000 --json

test-bounds: setup
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest tests/accelerator \
		--deselect tests/accelerator/test_compiled.py --deselect tests/accelerator/test_fuzz.py::test_a_few_seconds_of_fuzzing_find_nothing

fuzz: setup
	$(BIN)/python -m tests.fuzz.accelerator scanner --seconds 600
	$(BIN)/python -m tests.fuzz.accelerator blobs --seconds 600

.venv-reference/.installed: $(STAMP)
	$(PYTHON) -m venv --clear .venv-reference
	$(BIN)/uv pip install --quiet --python .venv-reference/bin/python --require-hashes -r constraints.txt
	$(BIN)/uv pip uninstall --quiet --python .venv-reference/bin/python llvmlite numba numpy
	$(BIN)/uv pip install --quiet --python .venv-reference/bin/python --no-deps --no-build-isolation -e .
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict app streams tests
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m tests.benchmarks

audit: setup
	@$(BIN)/python -m deploy.audit

docs: setup
	$(BIN)/python -m docs.generate

screenshots: setup
	$(BIN)/python -m tests.screenshots

pins: setup
	$(COMPILE) pyproject.toml --all-extras --group build --group setup --upgrade --output-file constraints.txt
	$(COMPILE) pyproject.toml --extra fast --extra tracing --constraints constraints.txt --output-file deploy/docker/requirements.txt
	$(COMPILE) --group build --constraints constraints.txt --output-file deploy/docker/build.txt

clean:
	rm -rf .venv .venv.old .venv-reference build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
