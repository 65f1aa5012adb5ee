# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# coverage.sh: which lines of src/ the suite executes.

coverage_floor=92 # percent of all lines of src/

run_coverage() {
    need_packages "${PACKAGES_COVERAGE[@]}"
    # shellcheck source=tools/dev/test.sh
    . tools/dev/test.sh
    build_preset cov
    find build/cov -name '*.gcda' -delete
    export FAC_TEST_SCALE=${FAC_TEST_SCALE:-10}
    run_ctest cov
    # A process that ends while its threads run leaves counts of branches that do not add up: gcov
    # prints -1 for one, at which gcovr would stop. Only lines are looked at here.
    run_quietly build/cov/gcovr.log gcovr --root . --filter 'src/' \
        --exclude-unreachable-branches --gcov-ignore-parse-errors \
        --csv build/cov/coverage.csv build/cov
    # filename,line_total,line_covered,line_percent,…
    awk -F, -v floor="$coverage_floor" '
        NR > 1 {
            split($1, path, "/")
            room = path[2]
            total[room] += $2; covered[room] += $3; all += $2; hit += $3
        }
        END {
            if (all == 0) { print "no line was counted"; exit 1 }
            for (room in total) {
                printf "  src/%-10s %6d lines %6.1f %%\n", room, total[room],
                       100 * covered[room] / (total[room] ? total[room] : 1) | "sort"
            }
            close("sort")
            printf "  all of src/    %6d lines %6.1f %% (at least %d %%)\n", all, 100 * hit / all, floor
            exit 100 * hit / all < floor
        }' build/cov/coverage.csv ||
        die "below the floor; build/cov/coverage.csv names the files"
}
