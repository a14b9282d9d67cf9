# The gateway as an image. Two stages: the first has the compiler that llama.cpp needs, the second only what runs.
#   docker build -t firsttoken .
# A GPU needs a CUDA base image for both stages and, for example, --build-arg CMAKE_ARGS=-DGGML_CUDA=on.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential cmake \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/firsttoken
ARG CMAKE_ARGS=""
WORKDIR /src
# The engine alone, before our own code: changing that does not compile llama.cpp again.
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    CMAKE_ARGS="${CMAKE_ARGS}" /opt/firsttoken/bin/pip install --constraint constraints.txt llama-cpp-python
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY telemetry telemetry
COPY dashboard dashboard
COPY migrations migrations
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/firsttoken/bin/pip install --constraint constraints.txt ".[demo,postgres]"

FROM ${PYTHON}
# libgomp1: llama.cpp computes with OpenMP threads.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin firsttoken \
    && install -d -o firsttoken -g firsttoken /data
COPY --from=build /opt/firsttoken /opt/firsttoken
ENV PATH=/opt/firsttoken/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FIRSTTOKEN_HOME=/data \
    FIRSTTOKEN_SERVER_HOST=0.0.0.0
# It listens on every address and answers to the Host names localhost and 127.0.0.1 only (DNS rebinding), so publish it with
#   docker run -p 127.0.0.1:8080:8080 -v firsttoken:/data firsttoken
# or name the others: -e FIRSTTOKEN_SERVER_ALLOWED_HOSTS=gateway,models.example (`*` is any).
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# SIGTERM lets running requests finish (server.shutdown_s).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["firsttoken"]
CMD ["serve"]
