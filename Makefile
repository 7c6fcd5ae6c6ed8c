# `make help` lists the targets. Everything is installed into .venv, nothing outside it, but for
# a browser for the tests where the machine has none.
PYTHON ?= python3
PORT ?= 8501
ADDRESS ?= localhost
TORCH_INDEX ?=
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help run test unit browser lint types format bench readme screenshot clean
.PHONY: install install-dev install-browser

help:
	@echo "make run         install what is missing, start the app, print its address"
	@echo "                 (PORT=$(PORT), ADDRESS=$(ADDRESS); 0.0.0.0 is reached from elsewhere)"
	@echo "make test        install what is missing, then lint and every test, in a browser too"
	@echo "make unit        the tests that need no browser"
	@echo "make browser     the tests in a browser"
	@echo "make lint        ruff (format and check)"
	@echo "make types       pyright on app.py, pages and snn_core"
	@echo "make format      let ruff lay out and fix the code"
	@echo "make bench       the benchmarks"
	@echo "make readme      write README.md's tables anew"
	@echo "make screenshot  take README.md's picture anew"
	@echo "make clean       remove .venv and every cache"
	@echo "TORCH_INDEX=URL  take torch from that package index, such as one with CPU builds"

run: install
	@echo "The app is at http://$(ADDRESS):$(PORT) as soon as it has started; Ctrl+C ends it."
	@$(PY) -m streamlit run app.py --server.address $(ADDRESS) --server.port $(PORT) \
		--server.headless true --browser.gatherUsageStats false

test: lint types install-browser
	$(PY) -m pytest

unit: install-dev
	$(PY) -m pytest -m "not browser"

browser: install-browser
	$(PY) -m pytest -m browser

lint: install-dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: install-dev
	$(PY) -m pyright --pythonpath $(PY)

format: install-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: install
	@set -e; for file in $$(grep -l __main__ benchmarks/*.py); do \
		echo "== $$file"; $(PY) -m benchmarks.$$(basename $$file .py); done

readme: install
	$(PY) -m docs.make_readme

screenshot: install-browser
	$(PY) -m docs.make_screenshot

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What was installed is remembered as a copy of the file, not by its date, which a checkout changes.
install: $(PY)
	@cmp -s requirements.txt $(VENV)/requirements.txt || { set -e; \
		echo "Installing torch into $(VENV) (once, a minute or more) ..."; \
		$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.txt)"; \
		echo "Installing the other packages ..."; \
		$(PIP) -r requirements.txt; \
		cp requirements.txt $(VENV)/requirements.txt; }

install-dev: install
	@cmp -s requirements-dev.txt $(VENV)/requirements-dev.txt || { set -e; \
		echo "Installing the test tools ..."; \
		$(PIP) -r requirements-dev.txt; \
		cp requirements-dev.txt $(VENV)/requirements-dev.txt; }

install-browser: install-dev
	@$(PY) -m tests.browser.chromium
