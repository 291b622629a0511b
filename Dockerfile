# One image for API, worker and migration: ml-connector api | worker | migrate.
# Pin the base by digest when building to ship: --build-arg BASE_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock constraints.txt ./
# An environment without pip of its own. What it needs comes as wheels, checked by hash.
RUN python3 -m venv --without-pip /opt/ml-connector \
 && python3 -m venv /build/tools \
 && /build/tools/bin/pip --python /opt/ml-connector/bin/python install --require-hashes --only-binary :all: -r requirements.lock \
 && /build/tools/bin/pip install -c constraints.txt hatchling==1.*
COPY pyproject.toml hatch_build.py README.md CHANGELOG.md ./
COPY alembic alembic
COPY app app
COPY sandbox sandbox
COPY workers workers
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheels . \
 && /build/tools/bin/pip --python /opt/ml-connector/bin/python install --no-deps --no-index /build/wheels/*.whl \
 && /opt/ml-connector/bin/ml-connector --version

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ml-connector" \
      org.opencontainers.image.description="Keeps a company's Mailchimp audience true to its Sage X3." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing that installs or builds is left: no pip, no ensurepip, no apt lists.
RUN groupadd --gid 10001 connector \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin connector \
 && find / -xdev -depth \( -name 'pip' -o -name 'pip-*' -o -name 'ensurepip' -o -name 'setuptools' -o -name 'setuptools-*' \
      -o -name 'wheel' -o -name 'wheel-*' -o -name 'idlelib' \) -path '*/python3*' -exec rm -rf {} + \
 && rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/bin/pip* /var/lib/apt/lists/* /root/.cache
COPY --from=build /opt/ml-connector /opt/ml-connector
ENV PATH=/opt/ml-connector/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 HOME=/tmp
WORKDIR /
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["ml-connector"]
CMD ["api", "--host", "0.0.0.0", "--port", "8080"]
