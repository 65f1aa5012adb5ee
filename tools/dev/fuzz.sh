# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# fuzz.sh: each fuzzer for a while. What it learns is kept in build/fuzz-corpus, what it starts
# from is in fuzz/: seeds in seeds/NAME/, and the dictionary that fuzz/CMakeLists.txt names.

run_fuzz() {
    local seconds=${1:-60}
    [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || die "fuzz takes a number of seconds, not $seconds"
    need_packages "${PACKAGES_FUZZ[@]}"
    build_preset fuzz
    local fuzzers=() program
    while IFS= read -r program; do
        fuzzers+=("$program")
    done < <(find build/fuzz/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | sort)
    [ ${#fuzzers[@]} -gt 0 ] || die "no fuzzer was built"

    local failed=()
    for program in "${fuzzers[@]}"; do
        fuzz_one "$program" "$seconds" || failed+=("$(basename "$program")")
    done
    [ ${#failed[@]} -eq 0 ] || die "a fuzzer found something: ${failed[*]}"
    say "${#fuzzers[@]} fuzzers found nothing"
}

# fuzz_one PROGRAM SECONDS
fuzz_one() {
    local program=$1 seconds=$2 name options=() log status=0 seeds dictionary
    name=$(basename "$program")
    name=${name#fuzz_}
    log=build/fuzz/$name.log
    mkdir -p "build/fuzz-corpus/$name" build/fuzz/crashes
    seeds=fuzz/seeds/$name
    [ ! -d "$seeds" ] || options+=("$seeds")
    dictionary=fuzz/$(sed -n "s/^fac_fuzzer($name [^ ]* \([a-z_]*\.dict\)).*/\1/p" fuzz/CMakeLists.txt)
    [ -f "$dictionary" ] || dictionary=fuzz/$name.dict
    [ ! -f "$dictionary" ] || options+=("-dict=$dictionary")
    "$program" "build/fuzz-corpus/$name" "${options[@]}" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
        >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        grep -v '^#' "$log" | tail -n 60
        printf 'fuzz: %s failed; inputs that failed are in build/fuzz/crashes\n' "$name"
        return 1
    fi
    awk -v name="$name" '
        / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") { cov = $(i + 1) }
                                              if ($i == "ft:") { ft = $(i + 1) } } }
        /^stat::number_of_executed_units/ { n = $2 }
        /^stat::average_exec_per_sec/ { rate = $2 }
        END { if (n == 0) { exit 1 }
              printf "  %-12s %12d executions %9d/s   cov %s   ft %s\n", name, n, rate, cov, ft }' "$log"
}
