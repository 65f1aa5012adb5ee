# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bench.sh: side by side with hiredis, and the Python package with redis-py, which is the group
# `python` and a program of its own; options (--quick, --only NAME) go to both. `./dev bench store` is
# the memory store beside GLib and memcached, `./dev bench hit_ratio [TRACE…]` the choice of its
# eviction policy.

bench_store() {
    build_preset bench fac_bench_store
    mkdir -p build/bench/out
    build/bench/bench/store_bench/fac_bench_store "$@" | tee build/bench/out/store.txt
    # What a hit costs in instructions: a run of many less a run of few.
    command -v valgrind >/dev/null || { say "no valgrind: instructions are not counted"; return; }
    local few many
    few=$(instructions_of 10000)
    many=$(instructions_of 50000)
    say "a hit of get_into: $(((many - few) / 40000)) instructions, its key made and its call counted" |
        tee -a build/bench/out/store.txt
}

instructions_of() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        build/bench/bench/store_bench/fac_bench_store --probe "$1" 2>&1 |
        sed -n 's/.*Collected : *//p'
}

bench_hit_ratio() {
    build_preset bench fac_hit_ratio
    mkdir -p build/bench/out
    build/bench/bench/hit_ratio/fac_hit_ratio --svg build/bench/out/hit_ratio.svg "$@" |
        tee build/bench/out/hit_ratio.txt
}

# shellcheck source=tools/dev/hiredis_tls.sh
. tools/dev/hiredis_tls.sh

run_bench() {
    case ${1:-} in
        store | hit_ratio)
            need_packages "${PACKAGES_BENCH[@]}" libcmocka-dev
            "bench_$1" "${@:2}"
            return
            ;;
    esac
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
    if [ ${#groups[@]} -eq 0 ] && [ -z "$with_python" ]; then
        case "${options[*]}" in
            '') bench_store ;;
            --quick) bench_store --quick ;;
        esac
    fi
    say "tables and plots are in build/bench/out"
}
