# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bench.sh: side by side with hiredis; arguments (groups, --quick, --only NAME) go to the program.
# `./dev bench store` is the memory store beside GLib and memcached, `./dev bench hit_ratio [TRACE…]`
# the choice of its eviction policy.

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

run_bench() {
    # The fault proxy of the tests, which adds the round trips, needs cmocka.
    need_packages "${PACKAGES_BENCH[@]}" libcmocka-dev
    case ${1:-} in
        store) shift; bench_store "$@"; return ;;
        hit_ratio) shift; bench_hit_ratio "$@"; return ;;
    esac
    build_preset bench fac_bench
    mkdir -p build/bench/out
    build/bench/bench/fac_bench --out build/bench/out "$@"
    case ${1:-} in
        '') bench_store ;;
        --quick) bench_store --quick ;;
    esac
    say "tables and plots are in build/bench/out"
}
