# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# packages.sh: what each command needs from apt, and how it is installed: only what is missing,
# without a question, without starting a service.

PACKAGES_BUILD=(cmake ninja-build gcc libc6-dev libssl-dev libcurl4-openssl-dev libjansson-dev)
# "where they are installed": a fresh machine has none, so demo and test bring both.
PACKAGES_SERVERS=(redis-server valkey-server)
PACKAGES_DEMO=("${PACKAGES_BUILD[@]}" "${PACKAGES_SERVERS[@]}")
# The distribution's python3, whatever else is in PATH; python3-dbg counts references.
PACKAGES_PYTHON=(python3 python3-dev python3-dbg python3-venv python3-pip python3-setuptools
    python3-wheel python3-pytest)
PACKAGES_TEST=("${PACKAGES_DEMO[@]}" g++ pkg-config libcmocka-dev redis-tools groff-base openssl
    "${PACKAGES_PYTHON[@]}")
PACKAGES_VALGRIND=("${PACKAGES_TEST[@]}" valgrind libc6-dbg)
PACKAGES_COVERAGE=("${PACKAGES_TEST[@]}" gcovr)
PACKAGES_PLANTED=("${PACKAGES_TEST[@]}" patch)
PACKAGES_CLANG=(clang libclang-rt-dev)
PACKAGES_FUZZ=("${PACKAGES_BUILD[@]}" "${PACKAGES_CLANG[@]}")
PACKAGES_LINT=("${PACKAGES_TEST[@]}" clang clang-format clang-tidy cppcheck shellcheck mypy)
PACKAGES_BENCH=("${PACKAGES_DEMO[@]}" openssl pkg-config libhiredis-dev libglib2.0-dev libmemcached-dev
    memcached python3 python3-dev python3-redis python3-hiredis)
PACKAGES_UPSTASH=(valkey-server python3 openssl)
PACKAGES_FRESH=(debootstrap git)

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

has_candidate() {
    local candidate
    candidate=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p')
    [ -n "$candidate" ] && [ "$candidate" != "(none)" ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

# apt_get ARGUMENT…: with apt's own words only when it fails.
apt_get() {
    run_quietly build/apt.log as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# While packages are set up no server may start: the machine may have one of its own, and the
# demo and the tests start theirs. A policy that is there already is left as it is.
install_without_services() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        apt_get install --no-install-recommends "$@"
        return
    fi
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    apt_get install --no-install-recommends "$@"
    as_root rm -f "$policy"
    trap - EXIT
}

# need_packages PACKAGE…: install those that are missing. Call it before a trap is set.
need_packages() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    command -v apt-get >/dev/null ||
        die "this system has no apt; install what these packages hold: ${missing[*]}"
    say "installing ${missing[*]}"
    if [ -z "${apt_is_updated:-}" ]; then
        apt_get update
        apt_is_updated=yes
    fi
    for package in "${missing[@]}"; do
        if [ "$package" = valkey-server ] && ! has_candidate valkey-server; then
            # shellcheck source=tools/dev/backports.sh
            . tools/dev/backports.sh
            add_backports
        fi
        has_candidate "$package" || die "apt knows no package $package"
    done
    install_without_services "${missing[@]}"
}
