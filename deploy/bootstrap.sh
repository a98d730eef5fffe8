#!/usr/bin/env bash
# Find a Python 3.10 that really starts, make .venv and install the locked dependencies into it.
# Usage: deploy/bootstrap.sh [dev]     "dev" adds the test tools. A second run with unchanged locks does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=requirements.lock
[ "${1:-}" = dev ] && lock=requirements-dev.lock
stamp=".venv/.installed-$(cat "$lock" pyproject.toml | cksum | tr ' ' '-')-$lock"
[ -e "$stamp" ] && exit 0

starts() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1; }

find_python() {
    local candidate
    if [ -n "${CHENGDA_PYTHON:-}" ]; then
        starts "$CHENGDA_PYTHON" && { echo "$CHENGDA_PYTHON"; return 0; }
        echo "CHENGDA_PYTHON=$CHENGDA_PYTHON is not a Python 3.10 that starts." >&2
        return 1
    fi
    while read -r candidate; do
        [ -n "$candidate" ] && starts "$candidate" && { echo "$candidate"; return 0; }
    done < <(
        type -ap python3.10 python3 python 2>/dev/null || true
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10*/bin/python 2>/dev/null || true
        ls -d /opt/python*/bin/python3.10 /usr/local/bin/python3.10 2>/dev/null || true
        if command -v uv >/dev/null 2>&1; then uv python find 3.10 2>/dev/null || true; fi
    )
    if command -v uv >/dev/null 2>&1 && uv python install --quiet 3.10 >/dev/null 2>&1; then
        uv python find 3.10
        return 0
    fi
    return 1
}

if ! [ -x .venv/bin/python ] || ! starts .venv/bin/python; then
    if ! python=$(find_python); then
        cat >&2 <<'MESSAGE'
No Python 3.10 was found that starts. Rasa 3.6 needs exactly 3.10. Install one of these, then run the command again:
  Debian/Ubuntu   apt-get install python3.10 python3.10-venv   (or pyenv: pyenv install 3.10)
  macOS           brew install python@3.10
  any system      uv python install 3.10
or point to it:   CHENGDA_PYTHON=/path/to/python3.10 make run
没有找到可用的 Python 3.10。Rasa 3.6 只支持 3.10，请按上面任一方式安装后重试。
MESSAGE
        exit 1
    fi
    echo "[1/3] Python $("$python" -c 'import platform; print(platform.python_version())') ($python): making .venv"
    rm -rf .venv
    "$python" -m venv .venv
fi

echo "[2/3] installing $(grep -c '^[a-zA-Z]' "$lock") locked packages from $lock (several GB the first time)"
# uv installs in well under a minute what takes pip several; it also lives in the venv, so nothing else is needed.
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv && uv=.venv/bin/uv || true
fi
if [ -n "$uv" ]; then
    "$uv" pip install --python .venv/bin/python --no-deps --require-hashes -r "$lock"
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
else
    .venv/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
fi

echo "[3/3] byte-compiling (saves half a minute at every start)"
env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m compileall -q -j 0 \
    .venv/lib/python3.10/site-packages -x 'torch/_inductor|triton/|caffe2|tests?/|jaxlib|nvidia' >/dev/null 2>&1 || true
touch "$stamp"
