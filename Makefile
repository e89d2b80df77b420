# What people type.  scripts/test is the whole truth; these are its quick parts.
# make check needs the tools of requirements-dev.txt: pip install -r it, or let
# scripts/test make their environment once and put its bin/ into PATH.

PYTHON = python3

.PHONY: check fix test-all deb clean

check: ## everything that needs neither root nor network, in seconds
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo --cache-dir .cache/import-linter
	$(PYTHON) -m pytest -q

fix: ## what tools can mend by themselves
	ruff check --fix .
	ruff format .

test-all: ## every layer; as root on Debian it installs what it needs
	scripts/test

deb: ## the Debian package
	scripts/build-deb

clean:
	rm -rf .cache build dist *.egg-info
