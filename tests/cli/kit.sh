# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# cli/kit.sh — what the tests of the command share: a clean environment, private servers, checks.
# Sourced with FACILITER and JSON_CHECK set. POSIX sh.

umask 077 # what holds a password is nobody else's
# No setting of the person who runs this may decide a test.
for name in $(env | sed -n 's/^\(REDIS_[A-Z_]*\|VALKEY_[A-Z_]*\|CACHE_[A-Z_]*\)=.*/\1/p'); do
    unset "$name"
done

umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/faciliter-cli.XXXXXX")
server_pid=
n_failed=0
n_checked=0

end() {
    if [ -n "$server_pid" ]; then
        kill "$server_pid" 2>/dev/null
        wait "$server_pid" 2>/dev/null
    fi
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 3' INT TERM

# One server process; its log comes through a pipe that stays open, so that readiness is read and
# not waited for. False when it ended before it was ready.
try_server() { # program port [argument...]
    program=$1
    port=$2
    shift 2
    rm -f "$dir/log"
    mkfifo "$dir/log"
    "$program" --port "$port" --bind 127.0.0.1 --unixsocket "$dir/socket" --dir "$dir" --save '' \
        --appendonly no --daemonize no "$@" >"$dir/log" 2>&1 &
    server_pid=$!
    exec 3<"$dir/log"
    while read -r line <&3; do
        case $line in
        *'eady to accept connections'*) return 0 ;;
        esac
    done
    wait "$server_pid"
    server_pid=
    return 1
}

# A private server at $dir/socket and at a free TCP port, $port. Skips the test without a program.
start_server() { # redis|valkey [argument...]
    program=$1-server
    shift
    if ! command -v "$program" >/dev/null; then
        echo "skipped: there is no $program"
        exit 77
    fi
    candidate=$((4000 + $$ % 4000)) # the kit's own are from 12000 on
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if try_server "$program" "$candidate" "$@"; then
            return
        fi
        candidate=$((4000 + (candidate + 1237) % 4000))
    done
    echo "no server: $program would not start"
    exit 3
}

stop_server() {
    kill "$server_pid"
    wait "$server_pid"
    server_pid=
}

# --- Checks: each counts, says what was wrong, and lets the test go on ---------------------------

complain() {
    n_failed=$((n_failed + 1))
    echo "FAILED: $*"
}

# run CODE ARGUMENT...: the command must end with this code; its output is left in $dir/out, err.
run() {
    want=$1
    shift
    n_checked=$((n_checked + 1))
    "$FACILITER" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    if [ "$got" != "$want" ]; then
        complain "faciliter $*: exit code $got, not $want; it said: $(cat "$dir/out" "$dir/err")"
    fi
}

# out TEXT: the last output must be exactly this line; without an argument, nothing.
out() {
    n_checked=$((n_checked + 1))
    if [ $# -eq 0 ]; then
        : >"$dir/want"
    else
        printf '%s\n' "$1" >"$dir/want"
    fi
    cmp -s "$dir/want" "$dir/out" || complain "output is \"$(cat "$dir/out")\", not \"$*\""
}

# raw TEXT: as `out`, without the newline.
raw() {
    n_checked=$((n_checked + 1))
    printf '%s' "$1" >"$dir/want"
    cmp -s "$dir/want" "$dir/out" || complain "output is \"$(cat "$dir/out")\", not \"$1\""
}

# says TEXT: standard error must contain it.
says() {
    n_checked=$((n_checked + 1))
    grep -qF -- "$1" "$dir/err" || complain "\"$1\" is not in: $(cat "$dir/err")"
}

# has TEXT: standard output must contain it.
has() {
    n_checked=$((n_checked + 1))
    grep -qF -- "$1" "$dir/out" || complain "\"$1\" is not in: $(cat "$dir/out")"
}

# between LOW HIGH: the last output is seconds with three decimals in this range, both included.
# The range leaves room for a slow machine.
between() {
    n_checked=$((n_checked + 1))
    awk -v low="$1" -v high="$2" '
        !/^[0-9]+[.][0-9][0-9][0-9]$/ || $1 < low || $1 > high || NR > 1 { bad = 1 }
        END { exit bad || NR != 1 }' "$dir/out" ||
        complain "$(cat "$dir/out") is not $1 to $2 seconds"
}

quiet() {
    n_checked=$((n_checked + 1))
    [ ! -s "$dir/err" ] || complain "standard error is not empty: $(cat "$dir/err")"
}

# json [PATH=TEXT...]: the last output must be one valid object, with these members.
json() {
    n_checked=$((n_checked + 1))
    "$JSON_CHECK" "$@" <"$dir/out" 2>"$dir/why" ||
        complain "$(cat "$dir/why") in: $(head -c 600 "$dir/out")"
}

same() { # FILE FILE: byte for byte
    n_checked=$((n_checked + 1))
    cmp -s "$1" "$2" || complain "$1 and $2 differ"
}

# verdict: ends the test. A test that checked nothing has failed.
verdict() {
    echo "$n_checked checks, $n_failed failed"
    [ "$n_failed" -eq 0 ] && [ "$n_checked" -gt 0 ]
    exit
}
