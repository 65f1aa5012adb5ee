# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# upstash.sh: the bridge of the tests against the official client of the REST form. Needs npm's
# registry, so it is a job of its own; that the client cannot be had is an error, never a skip.

run_upstash() {
    # Both come as one package from elsewhere, too, which Debian's cannot stand beside.
    local lacking=()
    command -v node >/dev/null || lacking+=(nodejs)
    command -v npm >/dev/null || lacking+=(npm)
    need_packages "${PACKAGES_UPSTASH[@]}" "${lacking[@]}"
    local dir=build/upstash port key=bridge-api-key
    mkdir -p "$dir"
    cp tests/upstash/package.json tests/upstash/check.mjs "$dir/"
    run_quietly "$dir/npm.log" npm install --prefix "$dir" --no-audit --no-fund --ignore-scripts
    tests/kit/certs.sh "$dir/certs"
    valkey-server --port 0 --unixsocket "$PWD/$dir/socket" --save '' --daemonize no \
        >"$dir/valkey.log" 2>&1 &
    local server=$!
    exec 9> >(exec python3 tests/kit/rest_bridge.py "$dir/socket" "$key" \
        "$dir/certs/server.pem" "$dir/certs/server.key" >"$dir/port")
    # shellcheck disable=SC2064 # the number of now
    trap "kill $server 2>/dev/null || true; exec 9>&-" EXIT
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        [ -s "$dir/port" ] && [ -S "$dir/socket" ] && break
        read -r -t 0.05 _ <> <(:) || true
    done
    port=$(cat "$dir/port")
    [ -n "$port" ] || die "the bridge does not start"
    NODE_EXTRA_CA_CERTS=$dir/certs/ca.pem node "$dir/check.mjs" "https://localhost:$port" "$key" ||
        die "the bridge does not speak what @upstash/redis speaks"
}
