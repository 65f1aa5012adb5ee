#!/bin/sh
# SPDX-License-Identifier: MIT
# The release library is small, and needs nothing but libc.
# Usage: size_test.sh <libfaciliter.so> <strip> <readelf> <folder to write in>
set -eu
export LC_ALL=C

library=$1 strip=$2 readelf=$3 scratch=$4
max_bytes=$((250 * 1024))

"$strip" -o "$scratch/stripped.so" "$library"
bytes=$(wc -c <"$scratch/stripped.so")
rm -f "$scratch/stripped.so"
echo "stripped: $bytes bytes, at most $max_bytes"
[ "$bytes" -le "$max_bytes" ] || exit 1

# The dynamic loader is part of libc.
needed=$("$readelf" -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
echo "needs: $needed"
for name in $needed; do
    case $name in
        libc.so.6 | ld-linux*) ;;
        *)
            echo "$name is not libc" >&2
            exit 1
            ;;
    esac
done
