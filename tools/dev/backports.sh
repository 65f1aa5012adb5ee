# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# backports.sh: Debian 12 has Valkey in its backports suite only. The suite is added as a file of
# its own; where it is fetched from is taken from the machine's own source of its release.

backports_file=/etc/apt/sources.list.d/faciliter-backports.sources

# The stanza of the suite $1 out of deb822 sources on standard input, its suite replaced by $2.
stanza_of_suite() {
    awk -v suite="$1" -v other="$2" '
        function flush(    i, n, words, is_deb, has_suite) {
            if (stanza == "" || found) { stanza = ""; return }
            is_deb = has_suite = 0
            n = split(types, words, /[ \t]+/)
            for (i = 1; i <= n; i++) { if (words[i] == "deb") { is_deb = 1 } }
            n = split(suites, words, /[ \t]+/)
            for (i = 1; i <= n; i++) { if (words[i] == suite) { has_suite = 1 } }
            if (is_deb && has_suite && enabled != "no") {
                printf "Types: deb\n%sSuites: %s\n", stanza, other
                found = 1
            }
            stanza = ""
        }
        function reset() { types = suites = enabled = ""; stanza = ""; keep = 0 }
        BEGIN { reset() }
        /^#/ { next }
        /^[ \t]*$/ { flush(); reset(); next }
        /^[ \t]/ {
            if (keep) { stanza = stanza $0 "\n" } else if (name == "suites") { suites = suites $0 }
            next
        }
        {
            name = tolower($0); sub(/:.*/, "", name)
            value = $0; sub(/^[^:]*:[ \t]*/, "", value)
            keep = 0
            if (name == "types") { types = value }
            else if (name == "suites") { suites = value }
            else if (name == "enabled") { enabled = value }
            else { stanza = stanza $0 "\n"; keep = 1 }
        }
        END { flush() }'
}

# The same out of one-line sources: `deb [options] uri suite component…`.
line_of_suite() {
    awk -v suite="$1" -v other="$2" '
        $1 != "deb" || found { next }
        {
            line = $0; options = ""
            sub(/^deb[ \t]+/, "", line)
            sub(/[ \t]*#.*/, "", line)
            if (line ~ /^\[/) {
                options = line
                sub(/^\[[ \t]*/, "", options); sub(/[ \t]*\].*/, "", options)
                sub(/^\[[^]]*\][ \t]*/, "", line)
            }
            n = split(line, words, /[ \t]+/)
            if (words[2] != suite) { next }
            printf "Types: deb\nURIs: %s\nSuites: %s\nComponents:", words[1], other
            for (i = 3; i <= n; i++) { if (words[i] != "") { printf " %s", words[i] } }
            printf "\n"
            n = split(options, pairs, /[ \t]+/)
            for (i = 1; i <= n; i++) {
                if (tolower(pairs[i]) ~ /^signed-by=/) {
                    sub(/^[^=]*=/, "", pairs[i]); gsub(/,/, " ", pairs[i])
                    printf "Signed-By: %s\n", pairs[i]
                }
                if (tolower(pairs[i]) ~ /^trusted=/) {
                    sub(/^[^=]*=/, "", pairs[i]); printf "Trusted: %s\n", pairs[i]
                }
            }
            found = 1
        }'
}

# source_of_suite CODENAME SUITE [DIRECTORY]: the first source of CODENAME, for SUITE, as deb822.
source_of_suite() {
    local codename=$1 suite=$2 directory=${3:-/etc/apt} file stanza
    for file in "$directory"/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        stanza=$(stanza_of_suite "$codename" "$suite" <"$file")
        if [ -n "$stanza" ]; then
            printf '%s\n' "$stanza"
            return
        fi
    done
    for file in "$directory"/sources.list "$directory"/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        stanza=$(line_of_suite "$codename" "$suite" <"$file")
        if [ -n "$stanza" ]; then
            printf '%s\n' "$stanza"
            return
        fi
    done
}

add_backports() {
    local codename id stanza
    id=$(os_field ID)
    codename=$(os_field VERSION_CODENAME)
    if [ "$id" != debian ] || [ -z "$codename" ]; then
        die "apt knows no valkey-server, and only Debian's backports are known to have one"
    fi
    stanza=$(source_of_suite "$codename" "$codename-backports")
    [ -n "$stanza" ] || die "no apt source of $codename was found to take the mirror from"
    say "adding $codename-backports for valkey-server: $backports_file"
    printf '# For valkey-server; written by libfaciliter'\''s ./dev.\n%s\n' "$stanza" |
        as_root tee "$backports_file" >/dev/null
    # Only the new file: the others have just been read.
    apt_get update -o "Dir::Etc::sourcelist=$backports_file" -o Dir::Etc::sourceparts=- \
        -o APT::Get::List-Cleanup=0
    has_candidate valkey-server || die "$codename-backports has no valkey-server"
}
