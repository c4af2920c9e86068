# Two stages: the first makes a virtual environment, the second holds it without what made it.
# Build: docker build -t related-stories .        Run: README, "Docker".

FROM python:3.11-slim AS build
# Where the index has CPU-only wheels of torch, name it and save the gigabytes of the GPU libraries:
# --build-arg PIP_EXTRA_INDEX_URL=https://...
ARG PIP_EXTRA_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PATH=/venv/bin:$PATH
RUN python -m venv /venv
WORKDIR /src
# The dependencies first: a layer that stays the same while the code changes. The model is one of them; a rebuild in the
# container reads pages, feeds and tables as well.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    more = p['optional-dependencies']; print(*p['dependencies'], *more['postgres'], *more['remote'], *more['sources'], sep='\n')" \
    > dependencies.txt \
    && pip install -c constraints.txt -r dependencies.txt
COPY README.md ./
COPY index ./index
COPY service ./service
RUN pip install -c constraints.txt ".[postgres,remote,sources]"

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin related \
    && install --directory --owner 10001 --group 10001 /data
COPY --from=build /venv /venv
COPY scripts /app/scripts
WORKDIR /app
# Everything that is written goes to /data, so that the root may be read-only. Scripts import one another as scripts.*.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app \
    HF_HUB_OFFLINE=1 \
    HF_HOME=/data/.cache \
    HOME=/data \
    TMPDIR=/data \
    RELATED_HOST=0.0.0.0 \
    RELATED_PORT=8000 \
    RELATED_STORE=/data/store \
    RELATED_SEARCH_SOCKET=/data/search.sock
VOLUME /data
EXPOSE 8000
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['RELATED_PORT'] + '/livez', timeout=2)"]
CMD ["python", "scripts/serve.py"]
