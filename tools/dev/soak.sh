# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# soak.sh: the fault laboratory's rows over and over. What it counts goes into
# docs/reliability/soak.csv, one line for each row of a run, and adds up over runs as long as the
# rooms under test are the same.

soak_record=docs/reliability/soak.csv
soak_columns=date,commit,rooms,seed,row,result,rounds,seconds,operations,wrong,malformed,deaths,abandoned,ok,miss,server_error,not_sent,unknown,timeout,closed,queue_full,stale

# The rooms whose change begins the counting anew, as one hash. What is not committed has none.
soak_rooms() {
    if [ -n "$(git status --porcelain -- src/engine src/net src/resp 2>/dev/null || echo none)" ]; then
        echo uncommitted
    else
        git rev-parse HEAD:src/engine HEAD:src/net HEAD:src/resp | sha256sum | cut -c 1-12
    fi
}

# Runs of these rooms: how much they are in all.
soak_sum() {
    awk -F, -v rooms="$1" '
        FNR > 1 && $3 == rooms {
            if (!($5 in ops)) { order[++n] = $5 }
            ops[$5] += $9; wrong[$5] += $10; malformed[$5] += $11; deaths[$5] += $12
            abandoned[$5] += $13; seconds[$5] += $8; failed[$5] += $6 != "held"
        }
        END {
            line = "%-10s %14.0f %8.0f %10.0f %12.0f %12.0f %9.0f %7d\n"
            printf "%-10s %14s %8s %10s %12s %12s %9s %7s\n", "row", "operations", "wrong",
                   "malformed", "deaths", "abandoned", "seconds", "failed"
            for (i = 1; i <= n; i++) {
                row = order[i]
                printf line, row, ops[row], wrong[row], malformed[row], deaths[row],
                       abandoned[row], seconds[row], failed[row]
                a += ops[row]; b += wrong[row]; c += malformed[row]; d += deaths[row]
                e += abandoned[row]; f += seconds[row]; g += failed[row]
            }
            printf line, "all", a, b, c, d, e, f, g
        }' "$soak_record"
}

# run_soak [MINUTES]
run_soak() {
    local minutes=${1:-10} rooms commit status=0
    need_packages "${PACKAGES_TEST[@]}"
    build_preset test fault_soak
    rooms=$(soak_rooms)
    commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo none)
    mkdir -p "$(dirname "$soak_record")"
    [ -s "$soak_record" ] || printf '%s\n' "$soak_columns" >"$soak_record"
    build/test/tests/fault/fault_soak "$minutes" "$soak_record" "$(date -u +%Y-%m-%dT%H:%MZ)" \
        "$commit" "$rooms" || status=$?
    say "all recorded runs of these rooms ($rooms):"
    soak_sum "$rooms"
    [ "$status" -eq 0 ] || die "the soak failed; its seeds are above"
    say "recorded in $soak_record"
}
