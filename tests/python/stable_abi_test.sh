#!/bin/sh
# SPDX-License-Identifier: MIT
# The extension uses only what every CPython from 3.9 on exports, and exports one name of its own.
# Usage: stable_abi_test.sh <_native.abi3.so> <nm>
set -eu
module=$1 nm=$2
folder=$(dirname "$0")

"$nm" -D --undefined-only "$module" | sed -n 's/^ *U \(_\{0,1\}Py[A-Za-z0-9_]*\).*/\1/p' |
    LC_ALL=C sort -u >"${TMPDIR:-/tmp}/faciliter-abi.$$"
trap 'rm -f "${TMPDIR:-/tmp}/faciliter-abi.$$"' EXIT
[ -s "${TMPDIR:-/tmp}/faciliter-abi.$$" ] || { echo "no name of Python's is used?" >&2; exit 1; }
if grep -v '^#' "$folder/stable_abi.txt" | LC_ALL=C sort -u |
    LC_ALL=C comm -13 - "${TMPDIR:-/tmp}/faciliter-abi.$$" | grep .; then
    echo "these are not in stable_abi.txt, the names used that 3.9's limited interface has" >&2
    exit 1
fi
exported=$("$nm" -D --defined-only "$module" | awk '{ print $3 }' | grep -v '^_init$\|^_fini$' | tr '\n' ' ')
[ "$exported" = "PyInit__native " ] || { echo "it exports $exported" >&2; exit 1; }
