# The image of the gateway: `docker build -t dial-gateway .`
#
# To try it without AWS, build an image with the simulated Amazon Connect, which dials nobody:
# `docker build --build-arg SIMULATOR=yes -t dial-gateway:simulator .`, and run it with `serve --simulator`.
#
# Both stages start from the Python that the tests run on. To pin the base by its content, give its
# digest: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG SIMULATOR=no
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements/runtime.txt requirements/dev.txt requirements/
COPY scripts/build_image_root.sh scripts/
COPY clients/python clients/python
COPY gateway gateway
# The script contains all build steps; tests/packaging runs it too.
RUN ["bash", "scripts/build_image_root.sh", "/opt/dial-gateway", "/tmp/wheels"]

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dial-gateway" \
      org.opencontainers.image.description="The one service in a company that talks to Amazon Connect outbound campaigns" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/dial-gateway /opt/dial-gateway
# After a flood of requests, the C library's allocator returns memory to the system; CPython's own keeps it
# (docs/decisions/0019).
ENV PATH=/opt/dial-gateway/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONMALLOC=malloc \
    MALLOC_ARENA_MAX=2 \
    DIAL_GATEWAY_LISTEN=0.0.0.0:50051
WORKDIR /tmp
# A numeric user, so that Kubernetes can verify that it is not root. It owns no file of the image.
USER 65532:65532
EXPOSE 50051 9464
# The gateway is process 1 and receives signals directly. Allow DIAL_GATEWAY_DRAIN_GRACE and some
# seconds more before it is killed: `docker stop --time 30`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["dial-gateway", "health"]
ENTRYPOINT ["dial-gateway"]
CMD ["serve"]
