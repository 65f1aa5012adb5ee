# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# hiredis_tls.sh: Debian 12's hiredis has no TLS. The one that Debian's source package of Redis holds,
# with which redis-cli and redis-benchmark are built, has: that one is measured against.

hiredis_tls=build/hiredis_tls

# apt_source ARGUMENT…: apt-get on the sources of this release alone, its lists kept to ourselves.
apt_source() {
    (cd "$hiredis_tls" && apt-get -q -y -o Dir::Etc::sourcelist="$PWD/apt/deb.sources" \
        -o Dir::Etc::sourceparts=- -o Dir::State::lists="$PWD/apt/lists" \
        -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User="$(id -un)" "$@")
}

# What hiredis with TLS is built from, in build/hiredis_tls: hiredis/, and `from`, which names it.
fetch_hiredis_tls() {
    local codename stanza archive
    codename=$(os_field VERSION_CODENAME)
    # shellcheck source=tools/dev/backports.sh
    . tools/dev/backports.sh
    stanza=$(source_of_suite "$codename" "$codename" | sed 's/^Types: deb$/Types: deb-src/')
    [ -n "$stanza" ] || return 1
    rm -rf "$hiredis_tls"
    mkdir -p "$hiredis_tls/apt/lists/partial" "$hiredis_tls/apt/cache/archives/partial"
    printf '%s\n' "$stanza" >"$hiredis_tls/apt/deb.sources"
    apt_source update >"$hiredis_tls/log" 2>&1 || return 1
    apt_source source --download-only redis >>"$hiredis_tls/log" 2>&1 || return 1
    archive=$(find "$hiredis_tls" -maxdepth 1 -name 'redis_*.orig.tar.*' | head -n 1)
    [ -n "$archive" ] || return 1
    tar -x -f "$archive" -C "$hiredis_tls" --strip-components=2 --wildcards '*/deps/hiredis/*' ||
        return 1
    [ -e "$hiredis_tls/hiredis/ssl.c" ] || return 1
    # The file that is there last: without it nothing counts as fetched.
    printf 'of the source package %s\n' \
        "$(basename "$(find "$hiredis_tls" -maxdepth 1 -name 'redis_*.dsc')" .dsc | tr _ ' ')" \
        >"$hiredis_tls/from"
}

# need_hiredis_tls: where hiredis_ssl is not installed. Without it the group `tls` says so.
need_hiredis_tls() {
    if [ -n "$(find /usr/include /usr/local/include -name hiredis_ssl.h 2>/dev/null)" ] ||
        [ -e "$hiredis_tls/from" ]; then
        return
    fi
    say "fetching the source package of Redis, for its hiredis with TLS"
    fetch_hiredis_tls || say "it cannot be had ($hiredis_tls/log): nothing is compared over TLS"
}
