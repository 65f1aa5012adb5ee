#!/bin/sh
# SPDX-License-Identifier: MIT
# cli/cli_test.sh — the command as its users run it.
# usage: cli_test.sh FACILITER JSON_CHECK SOURCE_DIR GROUP [BACKEND]
FACILITER=$1
JSON_CHECK=$2
source_dir=$3
group=$4
backend=${5:-}

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
    run 0 add fresh first "$@" --ttl 100
    run 0 get fresh "$@"
    raw first
    run 0 exists key fresh "$@"
    out "yes	key
yes	fresh"
    run 1 exists key absent "$@"
    out "yes	key
no	absent"
    run 0 ttl fresh "$@"
    grep -qE '^(100\.000|99\.[0-9]{3})$' "$dir/out" || complain "ttl is $(cat "$dir/out")"
    run 0 touch fresh --ttl none "$@"
    run 0 ttl fresh "$@"
    out none
    run 1 touch absent --ttl 5 "$@"
    run 1 ttl absent "$@"
    run 0 ttl key "$@"
    grep -qE '^(3600\.000|3599\.[0-9]{3})$' "$dir/out" ||
        complain "the default ttl is $(cat "$dir/out")"
    run 0 set key value --ttl 0.5 "$@"
    run 0 ttl key "$@"
    grep -qE '^0\.[0-9]{3}$' "$dir/out" || complain "ttl is $(cat "$dir/out")"
    run 0 increment number "$@"
    out 1
    run 0 increment number 41 "$@"
    out 42
    run 0 increment number -50 "$@" --ttl 9
    out -8
    run 0 ttl number "$@"
    grep -qE '^3[56]' "$dir/out" || complain "increment changed the ttl to $(cat "$dir/out")"
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
        max_connections '!error'
    run 0 stats "$@"
    json hits=0 misses=0 errors=0 connects connections_open memory_bytes memory_budget scope
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

# --- Exit codes without a server ----------------------------------------------------------------

group_usage() {
    export CACHE_BACKEND=memory
    run 2
    says 'no command'
    says 'faciliter help'
    run 2 gte key
    says 'did you mean "get"?'
    run 2 frobnicate
    says 'unknown command "frobnicate"'
    run 2 help frobnicate
    run 2 get
    says 'get needs KEY'
    run 2 get one two
    says 'too many arguments'
    run 2 set
    run 2 set one two three
    run 2 get key --tll 5
    says 'did you mean --ttl?'
    run 2 get key --nonsense
    says 'unknown option --nonsense'
    run 2 get key --ttl 5
    says 'get does not take --ttl'
    run 2 get key -x
    run 2 get key --timeout
    says '--timeout needs a value'
    run 2 get key --json=yes
    says '--json takes no value'
    for ttl in 0 -1 0.0 0.0001 1e3 abc '' 315360001 99999999999999999999 1.5.5 ' 1' +1 NONE; do
        run 2 set key value --ttl "$ttl"
        says '--ttl must be'
    done
    run 0 set key value --ttl 315360000
    run 0 set key value --ttl 0.001
    run 0 set key value --ttl=none
    run 2 increment key 1.5
    says 'DELTA must be'
    run 2 increment key 9223372036854775808
    run 2 increment key ''
    run 0 increment key -9223372036854775808
    out -9223372036854775808
    run 0 increment key 9223372036854775807
    out 9223372036854775807
    run 2 clear
    says '--yes'
    run 2 clear --yes --prefix ''
    run 2 get ''
    for threads in 0 1025 -1 abc 1.5 ''; do
        run 2 bench --threads "$threads"
        says '--threads must be'
    done
    run 2 bench --seconds 0
    says '--seconds must be'
    run 2 bench --count 0
    says '--count must be'
    run 2 bench --seconds 1 --count 1
    says 'exclude each other'
    run 2 bench --size 67108865
    says '--size must be'
    run 2 bench --op push
    says '--op must be'
    run 2 get key --backend mysql
    says '--backend: '
    for port in 0 65536 abc -1 ''; do
        run 2 get key --backend redis --port "$port"
        says '--port: '
    done
    run 2 get key --backend redis --db -1
    run 2 get key --timeout 0
    run 2 get key --url ftp://host
    run 2 get key --url rediss://host
    run 2 config --url redis://host --socket /s
    CACHE_BACKEND=postgres
    run 2 get key
    says CACHE_BACKEND
    CACHE_BACKEND=redis
    REDIS_PORT=abc
    export REDIS_PORT
    run 2 get key
    says REDIS_PORT
    run 2 config
    says REDIS_PORT
}

group_unreachable() {
    export CACHE_BACKEND=redis
    # Nobody listens on a socket that is not there, nor where a server was a moment ago.
    start_server redis
    run 0 set key value --socket "$dir/socket"
    stop_server
    for where in "--socket $dir/nobody" "--socket $dir/socket" "--host 127.0.0.1 --port $port"; do
        # shellcheck disable=SC2086 # two words or four
        set -- $where
        run 3 get key "$@"
        out
        says 'faciliter: '
        run 3 set key value "$@"
        run 3 add key value "$@"
        run 3 delete key "$@"
        run 3 exists key "$@"
        run 3 ttl key "$@"
        run 3 touch key "$@"
        run 3 increment key "$@"
        run 3 clear --yes "$@"
        run 3 health "$@"
        run 3 stats "$@"
        run 3 bench "$@"
        run 3 demo "$@"
        run 0 config "$@"
    done
}

# --- Secrets ------------------------------------------------------------------------------------

# No output of any command may hold the canary. Looks at everything that `run` has left.
no_canary() {
    n_checked=$((n_checked + 1))
    if grep -q "$canary" "$dir/out" "$dir/err"; then
        complain "the password is in the output of: $*"
    fi
}

group_secrets() {
    canary=Canary-7f3a9c21
    start_server "$backend" --requirepass "$canary"
    export CACHE_BACKEND="$backend"
    set -- --socket "$dir/socket"

    for words in "--password $canary" "--password=$canary" "--pass $canary" "-a $canary" \
        "-a$canary" "--passwd=$canary" "--password$canary"; do
        # shellcheck disable=SC2086 # the words of a line
        run 2 get key "$@" $words
        says '--password-file'
        says REDIS_PASSWORD
        says VALKEY_PASSWORD
        no_canary "$words"
    done
    for url in "redis://:$canary@127.0.0.1" "redis://user:$canary@127.0.0.1:$port/1" \
        "redis://$canary@127.0.0.1" "valkey://:$canary/@h" "unix://:$canary@$dir/socket" \
        "redis://127.0.0.1?password=$canary"; do
        run 2 get key --url "$url"
        says '--password-file'
        no_canary "--url"
    done

    run 3 get key "$@"
    says "$(printf 'faciliter: ')"
    printf '%s' "$canary" >"$dir/password"
    run 0 set key value "$@" --password-file "$dir/password" --verbose
    no_canary set --password-file
    run 0 get key "$@" --password-file "$dir/password"
    raw value
    run 2 get key "$@" --password-file "$dir/absent"
    says "$dir/absent"
    printf 'wrong-%s' "$canary" >"$dir/wrong"
    run 3 get key "$@" --password-file "$dir/wrong" --verbose
    no_canary wrong password

    REDIS_PASSWORD=$canary
    export REDIS_PASSWORD
    secrets_of_commands "$@"
    REDIS_PASSWORD=wrong-$canary
    secrets_of_failures "$@"
    unset REDIS_PASSWORD
    REDIS_URL="redis://:$canary@127.0.0.1:$port/0"
    export REDIS_URL
    secrets_of_commands
    REDIS_URL="redis://:wrong-$canary@127.0.0.1:$port/0"
    secrets_of_failures
    REDIS_URL="redis://:$canary@127.0.0.1:$port/notanumber"
    run 2 config
    no_canary malformed url
    run 2 get key --verbose
    no_canary malformed url
}

secrets_of_commands() {
    for command in 'config' 'config --json' 'health' 'stats' 'set key value' 'get key' 'ttl key' \
        'demo' 'bench --count 50'; do
        # shellcheck disable=SC2086 # the words of a line
        run 0 $command "$@" --verbose
        no_canary "$command"
    done
    run 0 config "$@"
    has '********'
}

secrets_of_failures() {
    for command in 'get key' 'health' 'health --json' 'demo' 'stats --json'; do
        # shellcheck disable=SC2086 # the words of a line
        run 3 $command "$@" --verbose
        no_canary "$command"
    done
}

# --- Standard output ----------------------------------------------------------------------------

# The command with its output closed, full, or a pipe that nobody reads.
group_output() {
    start_server redis
    export CACHE_BACKEND=redis
    export REDIS_UNIX_SOCKET="$dir/socket"
    head -c 300000 /dev/zero | tr '\0' x >"$dir/x"
    "$FACILITER" set large <"$dir/x"
    run 0 set small value
    for command in 'get large' 'get small' 'get small --json' config help health version \
        'increment n' 'bench --count 10'; do
        n_checked=$((n_checked + 3))
        # shellcheck disable=SC2086 # the words of a line
        "$FACILITER" $command >&- 2>"$dir/err"
        [ $? -eq 3 ] || complain "$command, output closed: not 3"
        grep -q 'cannot write to standard output' "$dir/err" || complain "$command: no complaint"
        if [ -w /dev/full ]; then
            # shellcheck disable=SC2086
            "$FACILITER" $command >/dev/full 2>"$dir/err"
            [ $? -eq 3 ] || complain "$command, disk full: not 3"
            grep -q 'cannot write to standard output' "$dir/err" ||
                complain "$command, disk full: no complaint"
        fi
    done
    # What is not printed does not fail: set says nothing.
    n_checked=$((n_checked + 1))
    "$FACILITER" set small value >&- || complain 'set, output closed'
    # Nor may the connection take the number of a closed stream, and get what is printed.
    n_checked=$((n_checked + 1))
    "$FACILITER" get small >&- 2>&- <&-
    [ $? -eq 3 ] || complain 'all closed: not 3'
    run 0 get small
    raw value
    # A reader that left: quiet, and 3.
    n_checked=$((n_checked + 2))
    mkfifo "$dir/pipe"
    { "$FACILITER" get large 2>"$dir/err"; echo $? >"$dir/code"; } >"$dir/pipe" &
    writer=$!
    head -c 1 <"$dir/pipe" >/dev/null
    wait "$writer"
    [ "$(cat "$dir/code")" = 3 ] || complain "a pipe that nobody reads: $(cat "$dir/code")"
    [ ! -s "$dir/err" ] || complain "a pipe that nobody reads: $(cat "$dir/err")"
    # A terminal gets a newline behind the value, and progress; nobody else does.
    if command -v script >/dev/null; then
        n_checked=$((n_checked + 2))
        script -qec "'$FACILITER' get small" /dev/null </dev/null | tr -d '\r' >"$dir/out"
        printf 'value\n' | cmp -s - "$dir/out" || complain "on a terminal: $(cat "$dir/out")"
        script -qec "'$FACILITER' bench --count 10 >'$dir/report'" /dev/null </dev/null >"$dir/out"
        grep -q 'calls' "$dir/out" || complain "no progress on a terminal: $(cat "$dir/out")"
        grep -q 'throughput' "$dir/report" || complain "no report: $(cat "$dir/report")"
    fi
    # A value that cannot be read.
    n_checked=$((n_checked + 2))
    "$FACILITER" set small <&- 2>"$dir/err"
    [ $? -eq 3 ] || complain 'set, input closed: not 3'
    "$FACILITER" set small <"$dir" 2>"$dir/err"
    [ $? -eq 3 ] || complain 'set, input a folder: not 3'
    run 0 get small
    raw value
}

# --- Help and manual ----------------------------------------------------------------------------

# The names of the options in a help text, of one heading.
options_in_help() { # file heading
    awk -v heading="$2" '
        $0 ~ "[Oo]ptions of " heading ":$" { on = 1; next }
        on && !/^  --/ { on = 0 }
        on { print $1 }' "$1" | sort
}

# The same in the manual: between `.SS "heading` or `.SH heading` and the next of either.
options_in_manual() { # heading
    sed 's/\\-/-/g' "$source_dir/man/faciliter.1" | awk -v heading="$1" '
        /^\.S[SH]/ { gsub(/"/, ""); on = $2 == heading; next }
        on && tagged && $1 ~ /^\.B/ && $2 ~ /^--/ { print $2 }
        { tagged = $1 == ".TP" }' | sort
}

group_help() {
    run 0 help
    sed -n 's/^  \([a-z]*\) .*  .*/\1/p' "$dir/out" | sort >"$dir/commands"
    [ "$(wc -l <"$dir/commands")" -eq 16 ] || complain "commands: $(cat "$dir/commands")"
    options_in_help "$dir/out" 'every command' >"$dir/global"
    options_in_manual OPTIONS >"$dir/manual"
    [ -s "$dir/global" ] || complain 'help names no options'
    same "$dir/global" "$dir/manual"
    while read -r command; do
        run 0 help "$command"
        quiet
        cp "$dir/out" "$dir/help"
        run 0 "$command" --help
        same "$dir/help" "$dir/out"
        has "usage: faciliter $command"
        has 'Exit codes: 0 '
        options_in_help "$dir/help" "$command" >"$dir/own"
        options_in_manual "$command" >"$dir/manual"
        cmp -s "$dir/own" "$dir/manual" ||
            complain "$command: help has $(cat "$dir/own"), the manual $(cat "$dir/manual")"
        n_checked=$((n_checked + 1))
        grep -q "^\.SS \"*$command" "$source_dir/man/faciliter.1" ||
            complain "the manual has no $command"
        # An option of the help is one that the command knows.
        while read -r option; do
            "$FACILITER" "$command" "$option" --help >"$dir/out" 2>"$dir/err" </dev/null
            ! grep -q 'unknown option\|does not take' "$dir/err" || complain "$command $option"
        done <"$dir/own"
    done <"$dir/commands"
}

group_manual() {
    command -v groff >/dev/null || { echo 'skipped: there is no groff'; exit 77; }
    for page in "$source_dir"/man/*.[137]; do
        n_checked=$((n_checked + 1))
        groff -man -ww -z "$page" 2>"$dir/err" || complain "$page: groff failed"
        [ ! -s "$dir/err" ] || complain "$page: $(cat "$dir/err")"
    done
}

# The shell lines of the guide, run as they stand.
group_guide() {
    start_server redis
    mkdir "$dir/bin"
    ln -s "$FACILITER" "$dir/bin/faciliter"
    awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' \
        "$source_dir/docs/guide/command_line.md" >"$dir/guide.sh"
    [ -s "$dir/guide.sh" ] || complain 'the guide has no lines to run'
    n_checked=$((n_checked + 1))
    (cd "$dir" && REDIS_UNIX_SOCKET="$dir/socket" PATH="$dir/bin:$PATH" sh -eu guide.sh) \
        >"$dir/out" 2>&1 || complain "the guide's lines fail: $(cat "$dir/out")"
}

group_"$group"
verdict
