# What can be done here. `make` alone lists the targets: the words after `##`.

# The distribution's own where it is new enough: it is what the images carry, and a quarter quicker
# than one that was built without optimisation. Another one: make PYTHON=python3.12 …
PYTHON ?= $(if $(shell /usr/bin/python3 -c 'import sys; print(sys.version_info >= (3, 11) or "")' \
	2>/dev/null),/usr/bin/python3,python3)
SETUP := $(PYTHON) scripts/setup.py
RUN := .venv/bin/python

ARGS ?=
ONLY ?=
JSON ?=
STAGES ?=
VERSION ?=
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test check fuzz churn bench guest module tools setup clean

help: ## list the targets
	@echo "A load balancer for bare-metal Kubernetes. Targets:"
	@echo
	@awk -F '## ' '/^[a-z]+:.*## / { split($$1, t, ":"); printf "  make %-7s %s\n", t[1], $$2; next } \
		/^#> / { printf "               %s\n", substr($$0, 4) }' Makefile
	@echo
	@echo "What a target needs and is missing is installed first (Debian, Ubuntu; root for the lab)."

demo: ## build a cluster on this machine, give Services addresses, kill a node, show the outage
#> ARGS="--control-plane=real --nodes 5 --keep --json FILE"; needs root
#> ARGS=--module installs the module itself: its images as pods under the real control plane
#> ARGS="--mode bgp" announces to BIRD and FRR, which are installed first
	@$(SETUP) $(if $(findstring --module,$(ARGS)),pods,$(if $(findstring \
		--mode bgp,$(subst =, ,$(ARGS))),routers,lab))
	@$(RUN) -m metallb_lab demo $(ARGS)

test: ## run everything that checks this project, from lint to packets; needs root
#> STAGES=check,pure,tools,unit,images,programs,netns,alone,churn picks some; ten minutes
#> of churn run by themselves only where CI is set
	@$(SETUP) test
	@$(RUN) scripts/run_tests.py $(if $(STAGES),--stages $(STAGES)) $(ARGS)

check: ## lint, format, types, direction of imports, spelling, lock, links of the documents
	@$(SETUP) python
	@$(RUN) scripts/run_checks.py $(ARGS)

fuzz: ## throw thousands of hostile objects, texts and BGP messages at what reads them
#> at random, for a night or ARGS="-k ranges"; what fails is printed with how to see it again
#> and then, for FUZZ_SECONDS=60, messages that grow by what they reach in the BGP codec
	@$(SETUP) python
	@HYPOTHESIS_PROFILE=hunt $(RUN) -m pytest --timeout 0 tests/property/test_parsers.py \
		tests/property/test_translation.py tests/property/test_bgp_codec.py $(ARGS)
	@$(RUN) scripts/fuzz_bgp.py -max_total_time=$(FUZZ_SECONDS)

churn: ## change Services and pools, kill controllers, and judge every change of it; needs root
#> ARGS="--services 10000 --seconds 3600 --seed 7" for an hour; the seed is printed
	@$(SETUP) lab
	@$(RUN) -m metallb_lab.tools build
	@$(RUN) -m metallb_lab churn $(ARGS)

bench: ## measure us and a peer or limit side by side, and say whether the goals are met; needs root
#> ONLY=F7,F8 picks some, JSON=FILE writes the figures
	@$(SETUP) bench
	@$(RUN) -m metallb_lab.tools build
	@$(RUN) -m metallb_lab bench $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON)) $(ARGS)

guest: ## run the tests of TCP-AO and VRF in a kernel that has both, built first; needs root
	@$(SETUP) guest
	@$(RUN) -m metallb_lab.guest build
	@$(RUN) -m metallb_lab.guest run --built tests/guest/tcp_ao.py tests/guest/vrf.py

module: ## build the images and the bundle of the module into dist/; needs root
#> VERSION=v1.2.3 for a release
	@$(SETUP) module
	@$(RUN) -m metallb_lab.images module $(VERSION)

tools: ## build the real Kubernetes programs into the cache, if they are not there
	@$(SETUP) tools
	@$(RUN) -m metallb_lab.tools build $(ARGS)

setup: ## install what is missing for the other targets, and do nothing else
	@$(SETUP) lab

clean: ## remove what was generated in this tree; built Kubernetes programs stay in the cache
	@rm -rf .venv .uv out dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
