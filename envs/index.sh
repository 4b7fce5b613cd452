# Sourced with a Python that has pip: uv installs from the index that pip was told of.
# shellcheck shell=bash
index=${PIP_INDEX_URL:-$("$1" -m pip config get global.index-url 2>/dev/null || true)}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}; fi
