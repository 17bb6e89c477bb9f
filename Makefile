# SPDX-License-Identifier: Apache-2.0
# Everything runs in .venv, which is made, updated and repaired as needed.

PYTHON ?= python3
# The same versions as python_requires in setup.py.
PYTHONS := 3.11 3.12 3.13

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
RUN := runs/quickstart

# Text: the piece of Wikipedia that is in gensim's package.
QUICKSTART_DATA_FLAGS := --input=gensim:enwiki --vocab_size=4096 \
  --seq_length=128 --max_predictions_per_seq=20 --packing=full \
  --validation_share=0.05 --duplicates=4

LONG := runs/long
GPT := runs/gpt
MT := runs/translation
LONG_DATA_FLAGS := --input=gensim:enwiki --packing=best-fit --masking=dynamic

# TensorFlow reports its start-up below this level; 0 shows everything.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help venv quickstart quickstart-long quickstart-gpt \
  quickstart-translation test test-slow lint format clean check-python

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' \
	  $(MAKEFILE_LIST)

venv: $(STAMPS)/package ## Make .venv with the package and what it needs

quickstart: $(STAMPS)/quickstart ## Prepare data and train a small BERT on CPU
	$(BIN)/python -m token_dropping.data.prepare $(QUICKSTART_DATA_FLAGS) \
	  --output_dir=$(RUN)/data
	$(BIN)/python -m token_dropping.train --experiment=bert/token_drop \
	  --config_file=experiments/quickstart/wikipedia.yaml \
	  --model_dir=$(RUN)/model --mode=train_and_eval

LONG_TRAIN := $(BIN)/python -m token_dropping.train --mode=train_and_eval \
  --experiment=modernbert/token_drop \
  --config_file=experiments/quickstart/long_256.yaml

quickstart-long: $(STAMPS)/quickstart ## Train a small ModernBERT, then extend its context
	$(BIN)/python -m token_dropping.data.prepare $(LONG_DATA_FLAGS) \
	  --seq_length=256 --vocab_size=4096 --output_dir=$(LONG)/data_256
	$(BIN)/python -m token_dropping.data.prepare $(LONG_DATA_FLAGS) \
	  --seq_length=2048 --vocab_file=$(LONG)/data_256/vocab.txt \
	  --output_dir=$(LONG)/data_2048
	$(LONG_TRAIN) --model_dir=$(LONG)/model_256
	$(LONG_TRAIN) --config_file=experiments/quickstart/long_2048.yaml \
	  --model_dir=$(LONG)/model_2048
	$(BIN)/python -m token_dropping.study.context \
	  --model_dir=$(LONG)/model_2048 --contexts=256,512,1024 \
	  --output=$(LONG)/context.json

quickstart-gpt: $(STAMPS)/quickstart ## Train a small GPT-2, then write with it
	$(BIN)/python -m token_dropping.data.prepare --objective=causal_lm \
	  --input=gensim:enwiki --vocab_size=4096 --seq_length=128 \
	  --validation_share=0.05 --output_dir=$(GPT)/data
	$(BIN)/python -m token_dropping.train --experiment=gpt/token_drop \
	  --config_file=experiments/quickstart/gpt.yaml \
	  --model_dir=$(GPT)/model --mode=train_and_eval
	$(BIN)/python -m token_dropping.generate --model_dir=$(GPT)/model \
	  --prompt='The history of the city' --max_new_tokens=32

quickstart-translation: $(STAMPS)/quickstart ## Train a small Transformer, then translate
	$(BIN)/python -m benchmarks.parallel_corpus --corpus=homeassistant \
	  --output_dir=$(MT)/pairs
	$(BIN)/python -m token_dropping.data.prepare_pairs \
	  --input='$(MT)/pairs/*.tsv' --source_language=en --target_language=de \
	  --vocab_size=4000 --seq_length=64 --target_length=64 \
	  --output_dir=$(MT)/data
	$(BIN)/python -m token_dropping.train \
	  --experiment=wmt_transformer/token_drop \
	  --config_file=experiments/quickstart/translation.yaml \
	  --model_dir=$(MT)/model --mode=train_and_eval
	head -n 5 $(MT)/data/validation.source.txt | tee $(MT)/five.txt
	$(BIN)/python -m token_dropping.translate --model_dir=$(MT)/model \
	  --input=$(MT)/five.txt

# TensorFlow keeps what it has compiled until a process ends. So that none grows
# over 4 GB the tests run in parts, each in new processes; a part is a list of
# paths with commas, files of long tests first. The tests of a file share what
# they make.
ROOM := token_dropping
TEST_PARTS := tests/[h-z]*_test.py tests/[a-g]*_test.py \
  $(ROOM)/training,$(ROOM)/tasks,benchmarks,$(ROOM)/data,$(ROOM)/huggingface,$(ROOM)/serving,$(ROOM)/study,$(ROOM)/models,$(ROOM)/dropping,$(ROOM)/common,$(ROOM)/explain,official
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4

test: $(STAMPS)/test ## Run all tests but those that take minutes each
	@failed=0; for part in $(TEST_PARTS:%='%'); do \
	  $(PYTEST) --dist=loadfile --no-loadscope-reorder \
	    $$(echo "$$part" | tr , ' ') || failed=1; \
	done; exit $$failed

# Most of the time is that of one file, whose tests share little.
test-slow: $(STAMPS)/test ## Run the tests that take minutes each
	$(PYTEST) --dist=load -m slow

lint: $(STAMPS)/test ## Check style, and which room imports which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

format: $(STAMPS)/test ## Fix style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean: ## Remove .venv and caches; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

check-python: # Used by .ci/run
	$(check_python)

define check_python
@found=$$($(PYTHON) -c \
    'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
    || found="no Python"; \
  case " $(PYTHONS) " in \
    *" $$found "*) ;; \
    *) echo "error: PYTHON must be one of Python $(PYTHONS)." \
         "Received: $(PYTHON) ($$found)" >&2; exit 1 ;; \
  esac; \
  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
    echo "error: PYTHON must have the modules venv and ensurepip" \
      "(Debian and Ubuntu: apt install python3-venv)." \
      "Received: $(PYTHON)" >&2; exit 1; }
endef

# $(VENV)/ready holds the folder that the environment was made for. It is absent
# while something is installed, so an interrupted or moved environment is not
# ready, and the next call makes it anew.
ifneq ($(shell test -x $(BIN)/python && cat $(VENV)/ready 2>/dev/null),$(CURDIR))
.PHONY: $(STAMPS)/created
endif

$(STAMPS)/created:
	$(check_python)
	$(PYTHON) -m venv --clear $(VENV)
	@mkdir $(STAMPS)
	@touch $@

# $(call install,EXTRA,STAMPS): installs the package in place, for development.
define install
	@rm -f $(VENV)/ready
	@echo "Installing. The first time takes minutes and 3.5 GB (TensorFlow)."
	$(BIN)/python -m pip --disable-pip-version-check install --quiet \
	  --editable '.$(1)'
	@touch $(addprefix $(STAMPS)/,$(2))
	@echo '$(CURDIR)' > $(VENV)/ready
endef

# Each of these holds the ones before it.
$(STAMPS)/package: $(STAMPS)/created setup.py pyproject.toml
	$(call install,,package)

$(STAMPS)/quickstart: $(STAMPS)/created setup.py pyproject.toml
	$(call install,[quickstart],package quickstart)

$(STAMPS)/test: $(STAMPS)/created setup.py pyproject.toml
	$(call install,[test],package quickstart test)
