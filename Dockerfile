# One image for every process of stepIQ: its commands are `serve`, `worker`, `migrate`, `backup` and the rest.
# compose.yaml starts a complete server with it. docs/docker.md is the guide.
# An exact version: a new one comes with a commit. `make pin-images` adds the digest.
ARG BASE=python:3.13.16-slim-trixie

# The web interface is the same on all architectures, so it is built on that of the machine.
FROM --platform=$BUILDPLATFORM ${BASE} AS ui
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements-ui.lock /src/
RUN pip install --require-hashes --only-binary :all: --requirement /src/requirements-ui.lock
COPY scripts/build_ui.py /src/scripts/
COPY openapi.json /src/
COPY ui /src/ui
RUN python /src/scripts/build_ui.py

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/stepiq
# Dependencies first: they change less often, so that builds reuse this layer.
COPY requirements.lock /src/
RUN /opt/stepiq/bin/pip install --require-hashes --only-binary :all: --requirement /src/requirements.lock
COPY pyproject.toml LICENSE SECURITY.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md /src/
COPY distributions /src/distributions
COPY scripts/build_ui.py /src/scripts/
COPY scripts/client_library /src/scripts/client_library
COPY openapi.json /src/
COPY src /src/src
COPY --from=ui /src/src/stepiq/server/ui/dist /src/src/stepiq/server/ui/dist
COPY examples /src/examples
COPY docs /src/docs
COPY skills /src/skills
RUN /opt/stepiq/bin/pip install --no-deps --no-build-isolation /src /src/distributions/stepiq

FROM ${BASE}
RUN useradd --system --uid 10001 --no-create-home --home-dir /var/lib/stepiq stepiq \
    && install --directory --mode 0700 --owner stepiq --group stepiq /var/lib/stepiq \
    && install -D --mode 0644 /dev/null /etc/stepiq/stepiq.toml
COPY --from=build /opt/stepiq /opt/stepiq
ENV PATH=/opt/stepiq/bin:$PATH \
    STEPIQ_HOST=0.0.0.0 \
    STEPIQ_DATA_DIR=/var/lib/stepiq \
    STEPIQ_CACHE_DIR=/var/lib/stepiq/cache \
    STEPIQ_CONFIG_FILE=/etc/stepiq/stepiq.toml \
    STEPIQ_LOG_FORMAT=json
USER 10001
WORKDIR /var/lib/stepiq
VOLUME /var/lib/stepiq
EXPOSE 8080
# Not /ready: an outage of the database must not restart the container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; port = os.environ.get('STEPIQ_WORKER_PORT') or os.environ.get('STEPIQ_PORT') or 8080; urllib.request.urlopen(f'http://127.0.0.1:{port}/health', timeout=4)"]
ENTRYPOINT ["stepiq"]
CMD ["serve"]
