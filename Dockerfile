# Prefect's server, and the worker that runs ingests: see compose.yaml and docs/operations.md.
FROM python:3.13-slim-bookworm

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/weightstream/.venv/bin:$PATH

RUN useradd --system --create-home --uid 10001 weightstream \
 && install -d -o weightstream -g weightstream -m 700 /srv/weightstream

WORKDIR /opt/weightstream

# What rarely changes comes first, so that a new version of ours builds in seconds.
COPY requirements-serve.lock ./
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --require-hashes --no-deps -r requirements-serve.lock

COPY pyproject.toml MANIFEST.in README.md LICENSE config.toml prefect.toml prefect.yaml ./
COPY build_backend build_backend
COPY weightstream weightstream
COPY tasks tasks
COPY flows flows
COPY deployments deployments
RUN .venv/bin/python -m pip install --no-deps --no-build-isolation -e .

USER 10001
# Kernels go into the home folder, and so into the volume that begins as a copy of it.
RUN .venv/bin/python -c "import weightstream.engine"
VOLUME /srv/weightstream
ENTRYPOINT ["weightstream"]
CMD ["--help"]
