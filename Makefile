# The commands of the README. Everything is installed into .venv; `make clean` removes it.
# PYTHON=/path/to/python3.12 make test   chooses the interpreter (3.11 or newer).

BIN := .venv/bin
export PYTHON

.PHONY: help demo test lint format clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## Set up and segment the sample image: label map, overlay and legend
	@scripts/setup base
	@$(BIN)/napari-itaclip demo

test: ## Set up and run the tests (ARGS="-k name" passes arguments to pytest)
	@scripts/setup --display --readers test
	@scripts/with-display $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: ## Check style, formatting and types
	@scripts/setup dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

format: ## Format the code and apply the linter's safe fixes
	@scripts/setup dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and the tools' caches
	rm -rf .venv .venv-readers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
