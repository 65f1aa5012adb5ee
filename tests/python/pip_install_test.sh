#!/bin/sh
# SPDX-License-Identifier: MIT
# `pip install ./python` without a network: into a virtual environment of its own, with the
# distribution's setuptools; the wheel is for every CPython from 3.9 on, and works from anywhere.
# Usage: pip_install_test.sh <python3> <source folder> <scratch>
set -eu
python=$1 source=$2 scratch=$3
rm -rf "$scratch"
mkdir -p "$scratch/elsewhere"
unset PYTHONPATH PYTHONHOME

"$python" -m venv --system-site-packages "$scratch/venv"
"$scratch/venv/bin/python" -m pip --isolated install --no-index --no-build-isolation --no-deps \
    --no-cache-dir "$source/python"
cd "$scratch/elsewhere"
CACHE_BACKEND=memory "$scratch/venv/bin/python" - "$scratch" <<'PYTHON'
import importlib.metadata
import pathlib
import sys

from faciliter_lib.cache import _native, cache_get, cache_set, set_cache

assert set_cache() is True
assert cache_set("user:123", {"name": "Alice"}, ttl=300) is True
assert cache_get("user:123") == {"name": "Alice"}

path = pathlib.Path(_native.__file__)
assert sys.argv[1] in str(path), path
assert path.name == "_native.abi3.so", path
assert (path.parent.parent / "py.typed").exists()
assert (path.parent / "_native.pyi").exists()
assert importlib.metadata.version("faciliter-lib") == _native.version
tags = importlib.metadata.distribution("faciliter-lib").read_text("WHEEL")
assert "Tag: cp39-abi3-" in tags, tags
print("installed", path)
PYTHON
# Nothing was left in the sources.
for left in build faciliter_lib.egg-info faciliter_lib/cache/_native.abi3.so; do
    [ ! -e "$source/python/$left" ] || { echo "pip left $left in the sources" >&2; exit 1; }
done
"$scratch/venv/bin/python" -m pip --isolated uninstall -y faciliter-lib
rm -rf "$scratch"
