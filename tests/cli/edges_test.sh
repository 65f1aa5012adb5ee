#!/bin/sh
# SPDX-License-Identifier: MIT
# cli/edges_test.sh — the command where things go wrong: mistakes, no server, secrets, an
# output that cannot be written; and whether help, manual and guide tell the truth.
# usage: edges_test.sh FACILITER JSON_CHECK SOURCE_DIR GROUP [BACKEND]
FACILITER=$1
JSON_CHECK=$2
source_dir=$3
group=$4
backend=${5:-}

# shellcheck source=tests/cli/kit.sh
. "$source_dir/tests/cli/kit.sh"

# --- Exit codes without a server ----------------------------------------------------------------

group_usage() {
    export CACHE_BACKEND=memory
    run 2
    says 'no command'
    says '  increment  KEY'
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
    run 2 get key --url http://host
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
    # Nobody listens on a socket that is not there, nor where a server was a moment ago, nor on a
    # port that only a system service may have: the server's own may be another test's by now.
    start_server redis
    run 0 set key value --socket "$dir/socket"
    stop_server
    for where in "--socket $dir/nobody" "--socket $dir/socket" "--host 127.0.0.1 --port 1"; do
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

case $group in
usage) group_usage ;;
unreachable) group_unreachable ;;
secrets) group_secrets ;;
output) group_output ;;
help) group_help ;;
manual) group_manual ;;
guide) group_guide ;;
*) complain "there is no group $group" ;;
esac
verdict
