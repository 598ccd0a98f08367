# What one does with this repository; `make` alone lists it. Every path is relative, so the folder may be called anything.

DEEPUL = .venv/bin/deepul
PYTHON_OF_VENV = .venv/bin/python
GRADED = _build/sample_class/graded
HOMEWORK = $(wildcard solutions/*/*.ipynb)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test book release lint execute clean tools

help:
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

demo: .venv/ready tools ## build the book, release the homework, grade the sample class
	@echo "==> The book"
	@$(DEEPUL) book
	@echo "==> The homework"
	@$(DEEPUL) release
	@echo "==> The sample class and its grades"
	@$(MAKE) --silent --question $(GRADED) && echo "graded before, and nothing has changed since" || $(MAKE) --silent $(GRADED)
	@printf '%s\n' "" "All of it is there:" \
	  "  read    _build/html/index.html, in a browser" \
	  "  learn   exercises/week1_likelihood: .venv/bin/jupyter lab exercises" \
	  "  grade   _build/sample_class: what was handed in, and the feedback on it" \
	  "  go on   README.md, and make test"

test: .venv/ready tools ## run all tests, with coverage
	@$(PYTHON_OF_VENV) -m pytest -n logical --dist loadgroup --cov --cov-report term

book: .venv/ready ## build the site into _build/html
	@$(DEEPUL) book

release: .venv/ready ## make exercises/ from solutions/
	@$(DEEPUL) release

lint: .venv/ready ## repair code and notebooks where that needs no thought, and name the rest
	@$(PYTHON_OF_VENV) -m ruff check --fix
	@$(PYTHON_OF_VENV) -m ruff format
	@$(DEEPUL) lint --fix
	@$(PYTHON_OF_VENV) -m mypy

execute: .venv/ready ## run every chapter again and keep its new outputs
	@$(DEEPUL) book --execute

clean: ## remove what was built, but not .venv
	rm -rf _build build *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# The class is made and graded again when the homework or the grader has changed.
$(GRADED): .venv/ready tests/sample_class.py $(HOMEWORK) $(shell find deepul_utils -name '*.py')
	@$(PYTHON_OF_VENV) tests/sample_class.py
	@$(DEEPUL) grade week1 --course _build/sample_class
	@touch $@

.venv/ready: pyproject.toml constraints.txt
	@.venv/bin/python -m pip --version >/dev/null 2>&1 && exit 0; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	  python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 or newer is needed: install it, or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; \
	  exit 1; \
	fi; \
	if ! "$$python" -m venv --clear .venv; then \
	  echo "Python's own venv is incomplete: install it (on Debian: apt-get install python3-venv), and run make again."; \
	  exit 1; \
	fi
	@echo "==> Python packages into .venv: minutes the first time, seconds later"
	@$(PYTHON_OF_VENV) -m pip install --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What is needed beside Python: bubblewrap for the grader's sandbox; for the tests also a browser, podman for the
# grader's containers, and PostgreSQL for its gradebook.
demo: NEEDED = bubblewrap
test: NEEDED = bubblewrap chromium podman runc postgresql
tools:
	@missing=; \
	for package in $(NEEDED); do \
	  case $$package in \
	    bubblewrap) command -v bwrap ;; \
	    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;; \
	    podman) command -v podman ;; \
	    runc) command -v runc || command -v crun ;; \
	    postgresql) command -v initdb || ls /usr/lib/postgresql/*/bin/initdb ;; \
	  esac >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "==> Installing$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; \
	else \
	  echo "This needs$$missing: install it (on Debian: sudo apt-get install$$missing) and run make $(MAKECMDGOALS) again."; \
	  exit 1; \
	fi
