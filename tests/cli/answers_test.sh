#!/bin/sh
# SPDX-License-Identifier: MIT
# cli/answers_test.sh — the command as its users run it: what each command answers on each backend.
# usage: answers_test.sh FACILITER JSON_CHECK SOURCE_DIR GROUP [BACKEND]
FACILITER=$1
JSON_CHECK=$2
source_dir=$3
group=$4
backend=${5:-}

# shellcheck source=tests/cli/kit.sh
. "$source_dir/tests/cli/kit.sh"

# --- Every command ------------------------------------------------------------------------------

group_commands() {
    if [ "$backend" = memory ]; then
        export CACHE_BACKEND=memory
        commands_of_memory
    else
        start_server "$backend"
        export CACHE_BACKEND="$backend"
        commands_of_server --socket "$dir/socket"
        commands_of_server --host 127.0.0.1 --port "$port"
        commands_of_server --url "$backend://127.0.0.1:$port/3"
        run 0 set where host --host 127.0.0.1 --port "$port" --db 4
        run 1 get where --socket "$dir/socket"
        run 0 get where --socket "$dir/socket" --db 4
    fi
    commands_of_any
}

# Each run has a store of its own: what a command of its own can show.
commands_of_memory() {
    run 0 set key value
    out
    run 1 get key
    out
    run 0 add key value
    run 1 delete key
    out 'deleted 0 of 1'
    run 1 exists key
    run 1 ttl key
    out
    run 1 touch key
    run 0 increment number 41
    out 41
    run 0 clear --yes
    out 'removed 0'
    run 0 health
    has 'healthy      yes'
}

commands_of_server() { # option...
    run 0 clear --yes "$@"
    run 1 get key "$@"
    out
    quiet
    run 0 set key value "$@"
    out
    quiet
    run 0 get key "$@"
    raw value
    run 0 "$@" get key
    raw value
    run 1 add key other "$@"
    quiet
    run 0 get key "$@"
    raw value
    run 0 add fresh first "$@" --ttl 100000
    run 0 get fresh "$@"
    raw first
    run 0 exists key fresh "$@"
    out "yes	key
yes	fresh"
    run 1 exists key absent "$@"
    out "yes	key
no	absent"
    run 0 ttl fresh "$@"
    between 99000 100000
    run 0 touch fresh --ttl none "$@"
    run 0 ttl fresh "$@"
    out none
    run 1 touch absent --ttl 5 "$@"
    run 1 ttl absent "$@"
    run 0 ttl key "$@"
    between 2600 3600
    # Fifty milliseconds, and not fifty seconds: it is soon gone.
    run 0 set key value --ttl 0.05 "$@"
    for _ in $(seq 1000); do
        "$FACILITER" exists key "$@" >/dev/null || break
    done
    run 1 exists key "$@"
    run 0 set key value "$@"
    run 0 increment number "$@"
    out 1
    run 0 increment number 41 "$@"
    out 42
    run 0 increment number -50 "$@" --ttl 100000
    out -8
    run 0 ttl number "$@"
    between 2600 3600
    run 0 increment counted "$@" --ttl 100000
    run 0 ttl counted "$@"
    between 99000 100000
    run 0 delete counted "$@"
    run 3 increment fresh "$@"
    run 0 delete fresh number "$@"
    out 'deleted 2 of 2'
    run 1 delete fresh key "$@"
    out 'deleted 1 of 2'
    run 0 set a 1 --prefix other: "$@"
    run 0 set b 2 "$@"
    run 0 clear --yes "$@"
    out 'removed 1'
    run 0 get a --prefix other: "$@"
    raw 1
    run 0 clear --yes --prefix other: "$@"
    run 0 health "$@"
    has 'healthy      yes'
    has "server       $backend"
    has 'breaker      closed'
    run 0 demo "$@" --label here
    has 'here: '
    has 'every answer was right'
    run 0 bench --count 500 --threads 2 --size 10 "$@"
    has 'calls       500 in'
    has 'wrong       0'
    run 0 bench --seconds 0.05 --op set "$@"
    left_keys=$("$FACILITER" clear --yes --prefix cache "$@")
    [ "$left_keys" = 'removed 0' ] || complain "bench or demo left keys: $left_keys"
}

commands_of_any() {
    where=
    [ "$backend" = memory ] || where="--socket $dir/socket"
    # shellcheck disable=SC2086 # two words or none
    set -- $where
    run 0 stats "$@"
    has 'memory_budget'
    has 'connections_open'
    has 'connections_connecting 0'
    has 'breaker_state          closed'
    run 0 config "$@"
    has 'CACHE_BACKEND'
    run 0 config --prefix mine: "$@"
    grep -qE '^prefix +mine: +option$' "$dir/out" || complain "config: $(cat "$dir/out")"
    run 0 demo "$@"
    has 'every answer was right'
    run 0 bench --count 300 "$@"
    run 0 version
    has "faciliter "
    run 0 --version
    run 0 help
    run 0 --help
    run 0 get "$@" --verbose --help
}

# --- Values -------------------------------------------------------------------------------------

group_values() {
    start_server "$backend"
    export CACHE_BACKEND="$backend"
    export REDIS_UNIX_SOCKET="$dir/socket"
    # Every byte there is, then a megabyte, some with NUL and CRLF, then nothing.
    awk 'BEGIN { for (i = 0; i < 256; i++) printf "\\%03o", i }' >"$dir/octal"
    # shellcheck disable=SC2059 # they are escapes of printf
    printf "$(cat "$dir/octal")" >"$dir/all"
    [ "$(wc -c <"$dir/all")" -eq 256 ] || complain 'the shell cannot print every byte'
    head -c 1048576 /dev/urandom >"$dir/large"
    printf 'a\0b\r\n$-1\r\n' >"$dir/wire"
    : >"$dir/empty"
    for value in all large wire empty; do
        for source in stdin dash; do
            if [ "$source" = dash ]; then
                "$FACILITER" set "$value" - <"$dir/$value" || complain "set $value -"
            else
                "$FACILITER" set "$value" <"$dir/$value" || complain "set $value"
            fi
            "$FACILITER" get "$value" >"$dir/back" || complain "get $value"
            same "$dir/$value" "$dir/back"
            "$FACILITER" delete "$value" >/dev/null || complain "delete $value"
            "$FACILITER" add "$value" <"$dir/$value" || complain "add $value"
            "$FACILITER" get "$value" >"$dir/back" || complain "get $value"
            same "$dir/$value" "$dir/back"
        done
        "$FACILITER" get --json "$value" >"$dir/out" || complain "get --json $value"
        json found=true
    done
    # The same bytes through a pipe, in pieces of any size.
    # shellcheck disable=SC2002 # a pipe, not a file
    cat "$dir/large" | "$FACILITER" set piped || complain 'set from a pipe'
    "$FACILITER" get piped | cmp -s - "$dir/large" || complain 'get into a pipe'
    run 0 set empty ''
    run 0 get empty
    raw ''
    run 0 set -- --odd-key --odd-value
    run 0 get -- --odd-key
    raw --odd-value
    # An argument of the command line may be longer than a buffer of the output.
    long=$(awk 'BEGIN { for (i = 0; i < 5000; i++) printf "0123456789" }')
    run 0 set long "$long"
    run 0 get long
    raw "$long"
    run 0 get long --json
    json value="\"$long\""
}

# --- JSON ---------------------------------------------------------------------------------------

group_json() {
    set -- --json
    if [ "$backend" = memory ]; then
        export CACHE_BACKEND=memory
    else
        start_server "$backend"
        export CACHE_BACKEND="$backend"
        set -- --json --socket "$dir/socket"
        json_of_server "$@"
    fi
    run 1 get absent "$@"
    json key='"absent"' found=false '!value'
    run 1 ttl absent "$@"
    json key='"absent"' found=false '!ttl_ms'
    run 1 touch absent "$@"
    json found=false
    run 1 delete absent "$@"
    json deleted=0 missing=1
    run 0 set key value "$@"
    json key='"key"' stored=true
    run 0 clear --yes "$@"
    json removed
    run 0 health "$@"
    json healthy=true provider="\"$backend\"" server="\"$backend\"" version role endpoint \
        protocol second_choice=false latency_us connections_open connections_idle \
        max_connections breaker_state='"closed"' '!error'
    run 0 stats "$@"
    json hits=0 misses=0 errors=0 connects connections_open memory_bytes memory_budget scope \
        late_replies=0 batches batched_calls reconnects=0 breaker_opens=0 breaker_refusals=0 \
        connections_connecting=0 connections_exclusive breaker_state='"closed"' latency_count \
        latency_p50_us latency_p90_us latency_p99_us latency_p999_us latency_max_us \
        memory_replaced=0
    run 0 config "$@"
    json settings.0.name='"provider"' settings.0.value settings.0.source settings.0.variable \
        settings.0.help
    run 0 config --json --backend redis --port 1234
    has '{"name":"port","value":"1234","source":"option","variable":"",'
    run 0 version "$@"
    json version library
    run 0 bench --count 200 --op get --threads 2 "$@"
    json op='"get"' threads=2 value_bytes=100 calls=200 per_second misses=0 wrong_values=0 \
        errors=0 errors_by_status='{}' latency_us.p50 latency_us.p99_9 latency_us.max seconds
    run 0 demo --label "a \"label\" \\" "$@"
    json label='"a \"label\" \\"' ok=true checks.0.name='"set"' checks.0.ok=true \
        get.per_second set.per_second get.latency_us.p99
    run 0 demo "$@"
    json label=null
    run 3 get key --json --backend redis --socket "$dir/nobody"
    json error.status='"FAC_E_UNAVAILABLE"' error.message error.server_code='""' \
        error.maybe_applied=false
    run 3 health --json --backend redis --socket "$dir/nobody"
    json healthy=false error.status='"FAC_E_UNAVAILABLE"'
}

json_of_server() {
    run 0 set "$@" user '{"name": "Alice"}'
    run 0 get user "$@"
    json key='"user"' found=true value='"{\"name\": \"Alice\"}"'
    # shellcheck disable=SC1003 # two backslashes are one
    printf 'tab\there\nnul\0del\177\\' | "$FACILITER" set "$@" odd >/dev/null
    run 0 get odd "$@"
    json value='"tab\there\nnul\u0000del\u007f\\"'
    printf '\303\244\342\202\254\360\237\230\200' | "$FACILITER" set "$@" utf8 >/dev/null
    run 0 get utf8 "$@"
    json value="\"$(printf '\303\244\342\202\254\360\237\230\200')\"" '!value_base64'
    for bytes in '\377' '\300\200' '\355\240\200' '\364\220\200\200' '\303' '\340\237\277'; do
        # shellcheck disable=SC2059 # the bytes are escapes of printf
        printf "$bytes" | "$FACILITER" set "$@" bad >/dev/null
        run 0 get bad "$@"
        json found=true value_base64 '!value'
    done
    printf 'f\377' | "$FACILITER" set "$@" two >/dev/null
    run 0 get two "$@"
    json value_base64='"Zv8="'
    printf '\377' | "$FACILITER" set "$@" one >/dev/null
    run 0 get one "$@"
    json value_base64='"/w=="'
    printf 'a\377b' | "$FACILITER" set "$@" three >/dev/null
    run 0 get three "$@"
    json value_base64='"Yf9i"'
    odd_key=$(printf 'k\377')
    run 0 set "$odd_key" v "$@"
    json key_base64='"a/8="' stored=true
    run 1 add user x "$@"
    json stored=false
    run 0 add other x "$@"
    json stored=true
    run 0 increment n 7 "$@"
    json key='"n"' number=7
    run 3 increment user "$@"
    json error.status='"FAC_E_SERVER"' error.server_code='"ERR"'
    run 0 set t v --ttl none "$@"
    run 0 ttl t "$@"
    json found=true ttl_ms=null
    run 0 touch t --ttl 1000 "$@"
    json found=true
    run 0 ttl t "$@"
    json found=true ttl_ms
    run 1 exists user absent "$@"
    json exists=false keys.0.key='"user"' keys.0.exists=true keys.1.exists=false
    run 0 delete user odd utf8 bad "$@"
    json deleted=4 missing=0
}

case $group in
commands) group_commands ;;
values) group_values ;;
json) group_json ;;
*) complain "there is no group $group" ;;
esac
verdict
