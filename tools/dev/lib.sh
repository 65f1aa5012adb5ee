# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# lib.sh: words and builds that every command shares. Sourced by dev, in the root of the tree.

say() {
    printf '== %s\n' "$*"
}

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

n_processors=$(nproc 2>/dev/null || echo 2)
build_jobs=${FAC_JOBS:-$n_processors}
# Live tests mostly wait: four at once do no harm on two processors.
test_jobs=${FAC_TEST_JOBS:-$((n_processors > 4 ? n_processors : 4))}

# The one generator that is installed, also for what the tests configure themselves.
export CMAKE_GENERATOR=Ninja

in_ci() {
    [ -n "${CI:-}" ] && [ "${CI:-}" != false ]
}

# os_field NAME: what the system says it is, such as its ID or VERSION_CODENAME.
os_field() {
    sed -n "s/^$1=//p" /etc/os-release | tr -d "\"'" | head -n 1
}

# run_quietly LOG COMMAND…: its output only when it fails.
run_quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        die "failed: $*"
    fi
}

# configure_preset PRESET [CMAKE ARGUMENT…]
configure_preset() {
    local preset=$1
    shift
    if in_ci; then
        set -- "$@" -DFAC_WERROR=ON
    fi
    run_quietly "build/$preset/configure.log" cmake --preset "$preset" "$@"
}

# build_preset PRESET [TARGET…]
build_preset() {
    local preset=$1
    shift
    local before=$SECONDS
    configure_preset "$preset"
    local targets=()
    [ $# -eq 0 ] || targets=(--target "$@")
    local log=build/$preset/build.log
    run_quietly "$log" cmake --build --preset "$preset" -j "$build_jobs" "${targets[@]}" -- --quiet
    grep -E 'warning:' "$log" || true
    say "build/$preset is built ($((SECONDS - before)) s)"
}

# The files of this tree that match the patterns, uncommitted ones included, without build/.
list_files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -co --exclude-standard -- "$@" | while IFS= read -r file; do
            [ ! -e "$file" ] || printf '%s\n' "$file"
        done | sort -u
    else
        local pattern
        for pattern in "$@"; do
            find . -path ./build -prune -o -type f -path "./$pattern" -print | sed 's,^\./,,'
        done | sort -u
    fi
}
