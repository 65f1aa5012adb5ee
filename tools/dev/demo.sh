# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# demo.sh: the main job on each backend: this process's memory, a private Redis, a private Valkey.
# The servers are started for the demo alone, on a port of their own, and ended by process id.

demo_bin=build/release/cli/faciliter
demo_quick_start=build/release/examples/quick_start

demo_stop_server() {
    if [ -n "${demo_server_pid:-}" ]; then
        kill "$demo_server_pid" 2>/dev/null || true
        wait "$demo_server_pid" 2>/dev/null || true
        demo_server_pid=
    fi
}

demo_clean_up() {
    demo_stop_server
    rm -rf "$demo_dir"
}

# demo_start_server PROGRAM: sets demo_port. A port that is taken ends the server at once, and
# another one is tried.
demo_start_server() {
    local attempt wait_round
    for attempt in 1 2 3 4 5 6 7 8; do
        demo_port=$((20000 + RANDOM % 12000))
        "$1" --port "$demo_port" --bind 127.0.0.1 --dir "$demo_dir" --save '' --appendonly no \
            --daemonize no >"$demo_dir/server.log" 2>&1 &
        demo_server_pid=$!
        for ((wait_round = 0; wait_round < 100; wait_round++)); do
            if grep -qi 'ready to accept connections' "$demo_dir/server.log"; then
                return
            fi
            kill -0 "$demo_server_pid" 2>/dev/null || break
            sleep 0.05
        done
        demo_stop_server
    done
    cat "$demo_dir/server.log" >&2
    die "$1 does not start ($attempt attempts)"
}

# demo_field SECTION NAME: a member of an object in what `faciliter demo --json` printed on one
# line; "" is the outermost object.
demo_field() {
    local value within=
    [ -z "$1" ] || within="\"$1\":{[^}]*"
    value=$(sed -n "s/^.*$within\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$demo_dir/demo.json")
    [ -n "$value" ] || die "faciliter demo --json has no $1 $2"
    printf '%s' "$value"
}

# Each check of the same run as "name true" or "name false".
demo_checks() {
    grep -o '{"name":"[a-z_]*","ok":[a-z]*' "$demo_dir/demo.json" |
        sed 's/{"name":"\([a-z_]*\)","ok":\([a-z]*\)/\1 \2/' |
        awk '{ printf "%-10s %s\n", $1, $2 }' || true
}

# demo_on LABEL: the environment has been set.
demo_on() {
    local label=$1 status=0 n_checks n_right
    say "$label: the quick start"
    "$demo_quick_start"
    say "$label: the main job"
    # One run is both what is shown and what the table says.
    "$demo_bin" demo --label "$label" --json >"$demo_dir/demo.json" || status=$?
    demo_checks >"$demo_dir/checks"
    sed -e 's/ true$/ ok/; s/ false$/ FAILED/; s/^/  /' "$demo_dir/checks"
    n_checks=$(wc -l <"$demo_dir/checks")
    n_right=$(grep -c ' true$' "$demo_dir/checks") || true
    if [ "$status" -ne 0 ] || [ "$n_checks" -eq 0 ] || [ "$n_right" -ne "$n_checks" ]; then
        die "$label: $n_right of $n_checks checks hold (status $status)"
    fi
    printf '%-10s %-10s %7s %10.0f %8.1f %8.1f %12.0f %8.1f %8.1f\n' \
        "$label" "$(demo_field "" version)" "$n_right/$n_checks" \
        "$(demo_field get per_second)" "$(demo_field get p50)" "$(demo_field get p99)" \
        "$(demo_field set per_second)" "$(demo_field set p50)" "$(demo_field set p99)" \
        >>"$demo_dir/rows"
}

run_demo() {
    local before=$SECONDS provider variable
    need_packages "${PACKAGES_DEMO[@]}"
    build_preset release
    # The demo shows its own caches, not one that the caller's environment names.
    for variable in $(compgen -e | grep -E '^(REDIS|VALKEY|CACHE)_' || true); do
        unset "$variable"
    done
    demo_dir=$(mktemp -d)
    trap demo_clean_up EXIT

    export CACHE_BACKEND=memory
    demo_on memory
    for provider in redis valkey; do
        demo_start_server "$provider-server"
        export CACHE_BACKEND=$provider "${provider^^}_HOST=127.0.0.1" "${provider^^}_PORT=$demo_port"
        demo_on "$provider"
        unset "${provider^^}_HOST" "${provider^^}_PORT"
        demo_stop_server
    done

    say "one thread, this machine, just now"
    printf '%-10s %-10s %7s %10s %8s %8s %12s %8s %8s\n' \
        backend version checks gets/s "p50 us" "p99 us" sets/s "p50 us" "p99 us"
    cat "$demo_dir/rows"
    say "the same program ran on $(wc -l <"$demo_dir/rows") backends ($((SECONDS - before)) s)"
}
