# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bench.sh: side by side with hiredis, and the Python package with redis-py, which is the group
# `python` and a program of its own; options (--quick, --only NAME) go to both.

# shellcheck source=tools/dev/hiredis_tls.sh
. tools/dev/hiredis_tls.sh

run_bench() {
    local groups=() options=() with_python=
    while [ $# -gt 0 ]; do
        case $1 in
            python) with_python=yes ;;
            --only) options+=("$1" "${2:-}") && shift ;;
            -*) options+=("$1") ;;
            *) groups+=("$1") ;;
        esac
        [ $# -eq 0 ] || shift
    done
    # The fault proxy of the tests, which adds the round trips, needs cmocka.
    need_packages "${PACKAGES_BENCH[@]}" libcmocka-dev
    need_hiredis_tls
    configure_preset bench "-DFAC_HIREDIS_TLS_SOURCE=$PWD/$hiredis_tls"
    build_preset bench fac_bench faciliter_python
    mkdir -p build/bench/out
    if [ ${#groups[@]} -gt 0 ] || [ -z "$with_python" ]; then
        build/bench/bench/fac_bench --out build/bench/out "${groups[@]}" "${options[@]}"
    fi
    if [ ${#groups[@]} -eq 0 ] || [ -n "$with_python" ]; then
        say "the Python package against redis-py"
        PYTHONPATH=build/bench/python PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \
            bench/python_bench.py --out build/bench/out "${options[@]}"
    fi
    say "tables and plots are in build/bench/out"
}
