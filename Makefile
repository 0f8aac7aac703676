# What a newcomer needs is `make run` and `make test`; everything else hangs off the same .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A locale-independent sort and no stray user configuration: the same result on every machine.
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Without bytecode every process compiles us anew, and pytest rewrites every assertion again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install browser firefox postgresql spark run test test-flows test-all test-long lint bench fuzz mutation torture audit sbom docs docs-site lock plotlyjs clean

install: $(STAMP)

# The lock names everything: without --no-deps, the pip that comes with Python 3.11 would look for
# newer ones of what is asked for with an extra. What a first start would do is done here: kernels are
# compiled, and Prefect's migrations make the template of its database.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "weightstream needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -c "import weightstream.engine"
	$(BIN)/python -m deployments.prefect_database
	touch $(STAMP)

# Only pictures (--png) and the tests of pages need one: Debian's, where we may install it.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	  echo "No Chromium was found and none could be installed: everything works but pictures (--png)."

# Only tests of pages need it; without one those in Firefox are skipped.
firefox:
	@command -v firefox-esr >/dev/null || command -v firefox >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends firefox-esr >/dev/null; } || \
	  echo "No Firefox was found and none could be installed: the tests of pages in it are skipped."

# Only tests of Prefect's server on PostgreSQL need it; without one they are skipped.
postgresql:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; } || \
	  echo "No PostgreSQL was found and none could be installed: its tests are skipped."

# Only the test of the recipe for Spark needs it, and 460 MB to download; without one it is skipped.
spark: install
	@command -v java >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jre-headless >/dev/null; } || true
	@command -v java >/dev/null && \
	  $(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation -r requirements-spark.lock || \
	  echo "No PySpark was found and none could be installed: its test is skipped."

# Apart from data/, the store of whoever works here.
run: install browser
	$(BIN)/weightstream ingest sample/weights.csv --data-dir sample-data

PYTEST := $(BIN)/python -m pytest -q
PARALLEL := -n logical --dist

# Kernels are compiled before the workers start, which would each do it.
test: install
	$(BIN)/python -c "import weightstream.engine"
	$(PYTEST) -m "not flow and not slow" $(PARALLEL) worksteal

# Each worker starts a Prefect server of its own.
test-flows: install
	$(PYTEST) -m "flow and not slow" $(PARALLEL) worksteal

# First what is not slow, all at once; then by files: what is slow to start, as a browser, is started for each.
test-all: install browser firefox postgresql spark
	$(BIN)/python -c "import weightstream.engine"
	$(PYTEST) -m "not slow" $(PARALLEL) worksteal
	$(PYTEST) -m "slow and not long and not alone" $(PARALLEL) loadfile
	$(PYTEST) -m "slow and not long and alone"

# Failures of a server in the middle of a run, strangers on it, other Pythons, an image's steps, kills at
# every point: most of an hour.
test-long: install browser postgresql
	WEIGHTSTREAM_GUEST_SECONDS=600 $(PYTEST) -m long

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	test ! -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: install
	$(BIN)/python -m benchmarks

# Minutes: every reader against inputs that grow by what they reach in the code.
fuzz: install
	$(BIN)/python -m fuzz

# An hour: what no test misses when it is changed; MUTATION="engine --seed 2 --minutes 10" for less.
mutation: install
	$(BIN)/uv tool run --from cosmic-ray==8.7.0 python -u -m mutation $(MUTATION)

# Twenty minutes of faults, with figures at the end; docs/reliability.md has those of the release.
torture: install
	$(PYTEST) -m torture tests/torture

# What is known of the packages in the lock, and what they are; both ask the network.
audit: install
	$(BIN)/uv tool run pip-audit --require-hashes --disable-pip -r requirements.lock

sbom: install
	mkdir -p build
	$(BIN)/uv tool run --from cyclonedx-bom cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o build/sbom.json

docs: install
	$(BIN)/python docs/generate.py

docs-site: docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock:
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group build --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra serve --extra sql --group build --universal --python-version 3.11 \
	  --constraint requirements.lock --generate-hashes --no-header --quiet --output-file requirements-serve.lock
	echo pyspark | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  --output-file requirements-spark.lock

# The plotly.js that pages carry. To renew it, write the version and the hash that
# `npm view plotly.js-basic-dist-min version dist.integrity` tells into $(PLOTLYJS)/npm.
PLOTLYJS := weightstream/outputs/pages/assets/plotly

plotlyjs:
	read package integrity < $(PLOTLYJS)/npm && folder=$$(mktemp -d) && \
	  npm pack --silent --pack-destination $$folder $$package && \
	  test "sha512-$$(openssl dgst -sha512 -binary $$folder/*.tgz | base64 -w 0)" = "$$integrity" && \
	  tar -xzf $$folder/*.tgz -C $(PLOTLYJS) --strip-components 1 --touch --no-same-owner package/plotly-basic.min.js package/LICENSE && \
	  rm -r $$folder

clean:
	rm -rf $(VENV) build data sample-data *.egg-info .pytest_cache .mypy_cache .ruff_cache
