# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bench.sh: side by side with hiredis; arguments go to the program.

run_bench() {
    need_packages "${PACKAGES_BENCH[@]}"
    build_preset bench
    mkdir -p build/bench/out
    build/bench/bench/fac_bench --out build/bench/out "$@"
    say "tables and plots are in build/bench/out"
}
