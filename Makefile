# Everything sets itself up: a fresh machine needs Python >= 3.11, git and make, nothing else.
#   make demo    the 1+4 on this machine with real work; ends by itself
#   make up      the same, until Ctrl-C
#   make demo-engines  the 1+4 on two Slurm clusters, Ray and the sandbox, with what they can do together
#   make simulate  what a federation would have done with a recorded demand; ARGS="--mine FILE" with yours
#   make test    all tests but those of engines, on SQLite and on a real PostgreSQL; two lanes side by side
#   make test-engines  the tests against real engines, two lanes side by side, which it installs where it can (apt-get as root, npm below .cache/)
#   make test-kubernetes  the Kubernetes driver against a real API server, built once (ten minutes, root); records anew
#   make check   linter, types, floors, sizes, docs, translations
#   make test-moving  moves of data killed fifty times, between real S3 servers and folders
#   make test-chaos-data  hub and connectors killed fifty times while data moves; a seed and a table are printed
#   make bench   durable submissions through the API, as a ratio to a bare insert
#   make bench-matching  the matcher against its table of targets, half an hour; ARGS="times --sizes 10k" for less
#   make bundle  the connector with all it needs, for a site without the internet, below dist/
#   make locale  bring the Chinese catalogue up to date with the sources
#   make clean   what tools and runs left here (distclean: the environment too)
# PYTHON=/path/to/python chooses the interpreter of the environment; ARGS="..." goes to pytest or to the demo.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo demo-engines up simulate test test-engines test-kubernetes test-moving test-chaos-data check bench bench-matching bundle locale clean distclean

help:
	@sed -n 's/^#   make/  make/p' Makefile

# An environment that is there is used as it is; the stamps say what is installed in it.
$(PY):
	@$(PYTHON) -c 'pass' 2>/dev/null || { \
	  echo "No '$(PYTHON)' on this machine. Install Python 3.11 or newer, or say which one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Suanlian needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Say which one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Could not make $(VENV). On Debian and Ubuntu: apt install python3-venv; then run the same command again." >&2; exit 1; }

define install
	@echo "Installing suanlian[$(1)] into $(VENV) (once; one to three minutes) ..."
	@$(PIP) -e ".[$(1)]" || { \
	  echo "The install failed; pip's own message stands above." >&2; \
	  echo "  No network, or a proxy: pip reads PIP_INDEX_URL, HTTPS_PROXY and PIP_CERT from the environment." >&2; \
	  echo "  No wheel for this machine or Python: try another one, make distclean && make PYTHON=/path/to/python3.12" >&2; \
	  echo "  A half-made environment: make distclean; then run the same command again." >&2; exit 1; }
endef

# what is compiled is kept: once here, so that nothing waits for it later
define compile
	@$(PY) -m scripts.compile_matcher
endef

$(VENV)/.installed-dev: pyproject.toml | $(PY)
	$(call install,dev)
	$(call compile)
	@touch $(VENV)/.installed-demo $(VENV)/.installed-twin $@

$(VENV)/.installed-demo: pyproject.toml | $(PY)
	$(call install,demo)
	$(call compile)
	@touch $@

$(VENV)/.installed-twin: pyproject.toml | $(PY)
	$(call install,twin)
	@touch $@

# py-tes 1.1 beside the 0.4 that Snakemake's executor wants: a directory of its own
TES_CLIENT := .cache/py-tes-1.1
$(TES_CLIENT)/.installed: | $(VENV)/.installed-dev
	@$(PIP) --no-deps --upgrade --target $(TES_CLIENT) "py-tes==1.1.4"
	@touch $@

demo: $(VENV)/.installed-demo
	@$(BIN)/suanlian demo $(ARGS)

demo-engines: $(VENV)/.installed-dev
	@$(PY) -m scripts.install_engines
	@$(PY) -m scripts.engines_demo $(ARGS)

up: $(VENV)/.installed-demo
	@$(BIN)/suanlian up $(ARGS)

simulate: $(VENV)/.installed-twin
	@$(BIN)/suanlian simulate $(ARGS)

test: $(VENV)/.installed-dev $(TES_CLIENT)/.installed
	@$(PY) -m scripts.run_tests $(ARGS)

test-engines: $(VENV)/.installed-dev
	@$(PY) -m scripts.install_engines
	@$(PY) -m scripts.run_tests --engines $(ARGS)

test-kubernetes: $(VENV)/.installed-dev
	@$(PY) -m scripts.build_kubernetes
	@SUANLIAN_TEST_KUBERNETES=1 SUANLIAN_RECORD=1 $(PY) -m pytest -p scripts.engines tests/engines/test_kubernetes.py $(ARGS)

test-moving: $(VENV)/.installed-dev
	@SUANLIAN_KILLS=50 $(PY) -m pytest tests/storage/test_killed.py $(ARGS)

test-chaos-data: $(VENV)/.installed-dev
	@SUANLIAN_DATA_KILLS=50 $(PY) -m pytest tests/e2e/test_data_killed.py $(ARGS)

# Every check runs, so that one run shows all there is to mend; the last line counts what failed.
check: $(VENV)/.installed-dev
	@failed=""; \
	run() { name="$$1"; shift; echo "== $$name"; "$$@" || failed="$$failed $$name"; }; \
	run ruff $(BIN)/ruff check --quiet .; \
	run format $(BIN)/ruff format --quiet --check .; \
	run mypy $(BIN)/mypy; \
	run floors env COLUMNS=200 $(BIN)/lint-imports --no-logo; \
	run sizes $(PY) -m scripts.check_sizes; \
	run docs $(PY) -m scripts.check_docs --strict; \
	run locale $(PY) -m pytest --quiet tests/checks; \
	if [ -n "$$failed" ]; then echo "make check: failed:$$failed" >&2; exit 1; fi; echo "make check: all well"

bundle: $(VENV)/.installed-dev
	@$(PY) -m scripts.make_bundle $(ARGS)

bench: $(VENV)/.installed-dev
	@test -n "$(wildcard bench/bench_*.py)" || { echo "There is no bench/bench_*.py in this checkout" >&2; exit 1; }
	@for bench in $(wildcard bench/bench_*.py); do echo "== $$bench"; $(PY) -m bench.$$(basename $$bench .py) $(ARGS) || exit 1; done

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/.installed-dev
	$(call install,bench)
	@touch $@

bench-matching: $(VENV)/.installed-bench
	@OPENBLAS_NUM_THREADS=1 $(PY) -m bench.matching $(ARGS)

locale: $(VENV)/.installed-dev
	@$(PY) -m scripts.locale_catalog

clean:
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -rf demo-out; rm -f demo-report.html demo-report.json bench-report.json
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	@rm -rf $(VENV) .cache
