#!/bin/sh
# SPDX-License-Identifier: MIT
# What is installed is enough: an outside program is built against a private prefix through
# pkg-config and through find_package, as C11 and as C++17, shared and static, and run; then the
# source tree is taken in as a folder of another project.
# Usage: install_test.sh <build folder> <source folder> <scratch folder> <cc> <c++> <cmake> <config>
set -eu
export LC_ALL=C

build=$1 source=$2 scratch=$3 cc=$4 cxx=$5 cmake=$6 config=$7
outside=$source/tests/api/outside
prefix=$scratch/moved
warnings="-Wall -Wextra -Wpedantic -Werror"
n_run=0

fail() {
    echo "install test: $*" >&2
    exit 1
}

# Nothing but the memory backend, and no library of the machine's.
unset REDIS_URL VALKEY_URL LD_LIBRARY_PATH || true
export CACHE_BACKEND=memory

# run <kind> <program>: a shared one needs the .so, a static one must not.
run() {
    needs=$(readelf -d "$2" | grep -c 'NEEDED.*libfaciliter' || true)
    case $1 in
        shared) [ "$needs" = 1 ] || fail "$2 does not use the shared library" ;;
        static) [ "$needs" = 0 ] || fail "$2 is not linked statically" ;;
    esac
    LD_LIBRARY_PATH=$libdir "$2" >/dev/null || fail "$2 failed"
    n_run=$((n_run + 1))
}

rm -rf "$scratch"
mkdir -p "$scratch"
"$cmake" --install "$build" --config "$config" --prefix "$scratch/prefix" >"$scratch/install.log" ||
    fail "cmake --install failed: $(cat "$scratch/install.log")"

# The tree is relocatable: everything below uses it at another place than it was installed to.
mv "$scratch/prefix" "$prefix"
pc=$(find "$prefix" -name faciliter.pc)
[ -n "$pc" ] || fail "no faciliter.pc"
export PKG_CONFIG_PATH="${pc%/*}"
libdir=$(pkg-config --variable=libdir faciliter)
[ -f "$libdir/libfaciliter.so" ] || fail "no shared library in $libdir"
[ -f "$libdir/libfaciliter.a" ] || fail "no static library in $libdir"
for module in "$build"/src/faciliter_*.so; do
    [ ! -f "$module" ] || [ -f "$libdir/${module##*/}" ] || fail "no ${module##*/} in $libdir"
done
pkg-config --exists "faciliter >= 0.1" || fail "pkg-config does not know the version"
for header in "$source"/include/faciliter/*.h; do
    cmp -s "$header" "$prefix/include/faciliter/${header##*/}" || fail "${header##*/} is missing"
done
if [ -d "$source/man" ]; then
    for page in "$source"/man/*.[137]; do
        [ -f "$prefix/share/man/man${page##*.}/${page##*/}" ] || fail "${page##*/} is missing"
    done
fi
if grep -rlF -e "$build" -e "$scratch/prefix" "$prefix" --include='*.cmake' --include='*.pc'; then
    fail "an installed file names the folder of the build"
fi

# shellcheck disable=SC2046,SC2086 # words of flags
pc_build() { # pc_build <compiler> <standard> <source> <name>
    "$1" -std="$2" $warnings "$outside/$3" -o "$scratch/$4_shared" \
        $(pkg-config --cflags --libs faciliter)
    "$1" -std="$2" $warnings $(pkg-config --cflags faciliter) "$outside/$3" \
        -o "$scratch/$4_static" -Wl,-Bstatic $(pkg-config --libs faciliter) -Wl,-Bdynamic \
        $(pkg-config --static --libs-only-other faciliter) \
        $(pkg-config --static --libs-only-l faciliter | sed 's/-lfaciliter//')
    run shared "$scratch/$4_shared"
    run static "$scratch/$4_static"
}
pc_build "$cc" c11 main.c pc_c
pc_build "$cxx" c++17 main.cpp pc_cpp

# cmake_build <name> <argument>…
cmake_build() {
    name=$1
    shift
    {
        "$cmake" -S "$outside" -B "$scratch/$name" -DCMAKE_C_COMPILER="$cc" \
            -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release "$@" &&
            "$cmake" --build "$scratch/$name" --parallel 2
    } >"$scratch/$name.log" 2>&1 || fail "$name: $(tail -n 30 "$scratch/$name.log")"
    for language in c cpp; do
        run shared "$scratch/$name/outside_faciliter_$language"
        run shared "$scratch/$name/outside_faciliter_shared_$language"
        run static "$scratch/$name/outside_faciliter_static_$language"
    done
}
cmake_build package -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
cmake_build folder -DFACILITER_SOURCE="$source"

# The command comes along when it is built, and finds its library by itself.
if [ -f "$prefix/bin/faciliter" ]; then
    "$prefix/bin/faciliter" config >"$scratch/command.log" || fail "the installed command failed"
fi

rm -rf "$scratch"
echo "$n_run programs built and run"
[ "$n_run" -eq 16 ]
