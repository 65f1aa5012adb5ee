# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# fuzz.sh: each fuzzer for a while. What it learns is kept in build/fuzz-corpus, what it starts
# from is in fuzz/: seeds in seeds/NAME/, and the dictionary that fuzz/CMakeLists.txt names.
#
# Each run adds a line per fuzzer to docs/reliability/fuzz.csv (not in CI, which changes nothing).
# Only lines count whose `tree` is that of today's sources: a parser that changes starts again.

fuzz_record=docs/reliability/fuzz.csv
# What the parser's record shall come to, in all and under ASan + UBSan.
fuzz_bar=100000000
fuzz_bar_asan=10000000

# run_fuzz [SECONDS [NAME…]]: all of them, or those of these names.
run_fuzz() {
    local seconds=${1:-60}
    local wanted=("${@:2}") n_started=0
    [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || die "fuzz takes a number of seconds, not $seconds"
    need_packages "${PACKAGES_FUZZ[@]}" "${PACKAGES_TEST[@]}" libhiredis-dev python3
    build_preset fuzz
    build_preset test fuzz_echo_test fault_fuzzing_server_test
    local fuzzers=() program name
    while IFS= read -r program; do
        fuzzers+=("$program")
    done < <(find build/fuzz/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | sort)
    [ ${#fuzzers[@]} -gt 0 ] || die "no fuzzer was built"

    rm -rf build/fuzz/results
    mkdir -p build/fuzz/results build/fuzz/crashes
    for program in "${fuzzers[@]}"; do
        name=$(basename "$program")
        fuzz_start "${name#fuzz_}" fuzz_one "$program" "$seconds"
    done
    fuzz_start python fuzz_python "$seconds"
    for name in redis valkey; do
        fuzz_start "echo_$name" fuzz_again "echo_$name" "$seconds" 1000 200000 fuzz/fuzz_echo_test \
            test_encode__arguments_come_back_from_a_server "$name"
    done
    # Two at once: a session mostly waits.
    for name in sessions_1 sessions_2; do
        fuzz_start "$name" fuzz_again "$name" "$seconds" 200 400 fault/fault_fuzzing_server_test \
            test_fuzzing_server__neither_hangs_nor_leaks_nor_crosses
    done
    wait
    [ "$n_started" -gt 0 ] || die "no fuzzer has that name: ${wanted[*]}"

    local failed=() n_results
    for name in build/fuzz/results/*.failed; do
        [ ! -e "$name" ] || failed+=("$(basename "$name" .failed)")
    done
    n_results=$(find build/fuzz/results -name '*.csv' | wc -l)
    cat build/fuzz/results/*.csv | awk -F, '
        { printf "  %-12s %-8s %12d executions %9d/s %4d findings\n", $1, $2, $3, $4, $5 }'
    fuzz_write_record
    fuzz_sum
    [ ${#failed[@]} -eq 0 ] || die "a fuzzer found something: ${failed[*]}"
    [ "$n_results" -eq "$n_started" ] || die "not every fuzzer has a result"
    say "$n_results fuzzers found nothing"
}

# fuzz_start NAME COMMAND…: if it is among those that are wanted.
fuzz_start() {
    local name=$1
    shift
    if [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $name "* ]]; then
        n_started=$((n_started + 1))
        in_turn "$@"
    fi
}

# in_turn COMMAND…: in the background, as many at once as there are processors.
in_turn() {
    while [ "$(jobs -rp | wc -l)" -ge "$n_processors" ]; do
        wait -n || true # who failed says so in build/fuzz/results
    done
    "$@" &
}

# fuzz_result NAME BUILD EXECUTIONS RATE FINDINGS
fuzz_result() {
    printf '%s,%s,%s,%s,%s\n' "$@" >"build/fuzz/results/$1.csv"
    [ "$5" -eq 0 ] || : >"build/fuzz/results/$1.failed"
}

# fuzz_failed NAME LOG
fuzz_failed() {
    grep -v '^#' "$2" | tail -n 60
    printf 'fuzz: %s failed; its log is %s, inputs that failed are in build/fuzz/crashes\n' "$1" "$2"
    : >"build/fuzz/results/$1.failed"
}

# fuzz_one PROGRAM SECONDS
fuzz_one() {
    local program=$1 seconds=$2 name harness build=asan options=() log status=0 dictionary seeds
    name=$(basename "$program")
    name=${name#fuzz_}
    harness=${name%_fast}
    [ "$harness" = "$name" ] || build=fast
    log=build/fuzz/$name.log
    mkdir -p "build/fuzz-corpus/$harness"
    seeds=fuzz/seeds/$harness
    # A stream of replies: those of the splitter, and no longer than they need be.
    case $harness in split | hiredis) seeds=fuzz/seeds/split; options+=(-max_len=256) ;; esac
    [ ! -d "$seeds" ] || options=("$seeds" "${options[@]}")
    dictionary=fuzz/$(sed -n "s/^ *fac_fuzzer($harness [^ ]* \([a-z_]*\.dict\)).*/\1/p" fuzz/CMakeLists.txt)
    [ -f "$dictionary" ] || dictionary=fuzz/$harness.dict
    [ ! -f "$dictionary" ] || options+=("-dict=$dictionary")
    "$program" "build/fuzz-corpus/$harness" "${options[@]}" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
        >"$log" 2>&1 </dev/null || status=$?
    local executions rate
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    if [ "$status" -ne 0 ] || [ "${executions:-0}" -eq 0 ]; then
        fuzz_result "$name" "$build" "${executions:-0}" "${rate:-0}" 1
        fuzz_failed "$name" "$log"
        return
    fi
    fuzz_result "$name" "$build" "$executions" "$rate" 0
}

# fuzz_python SECONDS: against the parser in Python.
fuzz_python() {
    local log=build/fuzz/python.log status=0 line
    python3 tests/fuzz/differential.py build/fuzz/fuzz/resp_transcript --seconds "$1" \
        --corpus fuzz/seeds/split --corpus build/fuzz-corpus/split >"$log" 2>&1 || status=$?
    # inputs N rate R findings F seed S
    line=$(grep '^inputs ' "$log" || echo "inputs 0 rate 0 findings 1")
    # shellcheck disable=SC2086 # into words on purpose
    set -- $line
    fuzz_result python plain "$2" "$4" "$6"
    [ "$status" -eq 0 ] || fuzz_failed python "$log"
}

# fuzz_again NAME SECONDS SCALE COUNT PROGRAM TEST…: a test that does COUNT things at that scale,
# again and again, each time with another seed, which its log names.
fuzz_again() {
    local name=$1 seconds=$2 scale=$3 count=$4 log=build/fuzz/$1.log begun=$SECONDS n=0 status=0
    shift 4
    until [ $((SECONDS - begun)) -ge "$seconds" ] || [ "$status" -ne 0 ]; do
        FAC_TEST_SCALE=$scale "build/test/tests/$1" "${@:2}" >"$log" 2>&1 || status=$?
        n=$((n + count))
    done
    fuzz_result "$name" plain "$n" $((n / (SECONDS > begun ? SECONDS - begun : 1))) \
        $((status != 0))
    [ "$status" -eq 0 ] || fuzz_failed "$name" "$log"
}

# tree_of NAME: twelve digits that change with the sources that this fuzzer is for.
tree_of() {
    local room=src/resp
    case $1 in
        url | settings) room=src/config ;;
        store) room=src/store ;;
        sessions*) room=src ;;
    esac
    list_files "$room/*" | xargs sha256sum | sha256sum | cut -c 1-12
}

fuzz_write_record() {
    in_ci && return
    local name rest commit
    commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo none)
    mkdir -p "$(dirname "$fuzz_record")"
    [ -s "$fuzz_record" ] ||
        echo 'date,commit,tree,target,build,executions,rate,findings' >"$fuzz_record"
    cat build/fuzz/results/*.csv | while IFS=, read -r name rest; do
        printf '%s,%s,%s,%s,%s\n' "$(date -u +%F)" "$commit" "$(tree_of "$name")" "$name" "$rest"
    done >>"$fuzz_record"
}

# What the record says of the sources as they are.
fuzz_sum() {
    [ -s "$fuzz_record" ] || return 0
    local trees
    trees="$(tree_of split) $(tree_of url) $(tree_of store) $(tree_of sessions)"
    awk -F, -v trees="$trees" -v bar="$fuzz_bar" -v bar_asan="$fuzz_bar_asan" '
        NR > 1 && index(trees, $3) > 0 {
            sub(/_[12]$/, "", $4)
            n[$4] += $6; found[$4] += $8; seconds[$4] += ($7 > 0 ? $6 / $7 : 0)
        }
        END {
            for (name in n) {
                printf "  %-12s %12d in all %9d/s %4d findings\n", name, n[name],
                       (seconds[name] > 0 ? n[name] / seconds[name] : 0), found[name] | "sort"
            }
            close("sort")
            printf "  parser: %d executions of %d, %d of %d of them under ASan\n",
                   n["split"] + n["split_fast"], bar, n["split"], bar_asan
        }' "$fuzz_record"
}
