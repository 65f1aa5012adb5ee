# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# fresh.sh: the README's two commands where nothing is: a minimal system made by debootstrap from
# the machine's own mirror, with git as the README assumes. The bare system is kept in
# build/fresh-cache, so only the first run fetches it; what `./dev` installs is fetched each time.

fresh_cache_days=14

fresh_clean_up() {
    # The namespace has taken its mounts and processes with it.
    as_root rm -rf --one-file-system "$fresh_root"
}

# URIs of the machine's own source of its release: the first one.
fresh_field() {
    printf '%s\n' "$fresh_stanza" | sed -n "s/^$1:[ ]*//p" | head -n 1
}

# A mirror list of apt's (mirror+file:…) names mirrors one a line; debootstrap wants one of them.
fresh_mirror() {
    local uri
    uri=$(fresh_field URIs)
    uri=${uri%% *}
    case $uri in
        mirror+file:*) awk '!/^#/ && NF { print $1; exit }' "/${uri#mirror+file:*/}" ;;
        *) printf '%s\n' "$uri" ;;
    esac
}

fresh_debootstrap() {
    local codename=$1 mirror keyring options=()
    mirror=$(fresh_mirror)
    [ -n "$mirror" ] || die "no apt source of $codename was found to take the mirror from"
    keyring=$(fresh_field Signed-By)
    case $keyring in
        /*) options+=("--keyring=${keyring%% *}") ;;
    esac
    # Ubuntu keeps some of what the build needs in universe.
    options+=("--components=$(fresh_field Components | tr ' ' ',')")
    say "debootstrap of $codename"
    run_quietly build/fresh-cache/debootstrap.log as_root debootstrap --variant=minbase \
        "${options[@]}" "$codename" "$fresh_root" "$mirror"
    # What apt there needs to be like apt here: its sources, keys, mirrors and proxies.
    local file
    as_root rm -f "$fresh_root/etc/apt/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list \
        /etc/apt/mirrors /etc/apt/trusted.gpg.d /etc/apt/keyrings /usr/share/keyrings; do
        # Ours would hide that Valkey has to be found.
        case $file in *backports*) continue ;; esac
        if [ -e "$file" ]; then
            as_root mkdir -p "$fresh_root$(dirname "$file")"
            as_root cp -RL "$file" "$fresh_root$(dirname "$file")/"
        fi
    done
    LC_ALL=C apt-config dump 2>/dev/null |
        grep -E '^Acquire::(https?|Check-Valid-Until|Check-Date|Retries)' |
        as_root tee "$fresh_root/etc/apt/apt.conf.d/90host" >/dev/null || true
    fresh_in 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install \
        --no-install-recommends git ca-certificates && apt-get clean' \
        >build/fresh-cache/git.log 2>&1 ||
        { cat build/fresh-cache/git.log >&2; die "git cannot be installed"; }
}

# fresh_in COMMANDS: by sh, in the fresh system, in namespaces of its own, so that mounts and
# processes end with it. Loopback and the network are the machine's.
fresh_in() {
    local passed=() name
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY FAC_TEST_SCALE; do
        [ -z "${!name:-}" ] || passed+=("$name=${!name}")
    done
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root unshare --mount --pid --fork --kill-child sh -ec '
        mount --make-rprivate /
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        mount -t tmpfs tmpfs "$1/tmp"
        cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
        root=$1; commands=$2; shift 2
        exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" \
            /bin/sh -ec "$commands"
    ' sh "$fresh_root" "$1" "${passed[@]}" </dev/null
}

run_fresh() {
    local codename tarball before=$SECONDS at
    need_packages "${PACKAGES_FRESH[@]}"
    # shellcheck source=tools/dev/backports.sh
    . tools/dev/backports.sh
    codename=$(os_field VERSION_CODENAME)
    fresh_stanza=$(source_of_suite "$codename" "$codename")
    mkdir -p build/fresh-cache
    tarball=build/fresh-cache/$codename-$(dpkg --print-architecture).tar
    fresh_root=$(as_root mktemp -d "$PWD/build/fresh.XXXXXX")
    trap fresh_clean_up EXIT

    find build/fresh-cache -name '*.tar' -mtime "+$fresh_cache_days" -delete
    if [ -f "$tarball" ]; then
        as_root tar -C "$fresh_root" --numeric-owner -xf "$tarball"
    else
        fresh_debootstrap "$codename"
        as_root tar -C "$fresh_root" --numeric-owner --one-file-system -cf "$tarball.part" .
        as_root mv "$tarball.part" "$tarball"
    fi
    as_root chmod 755 "$fresh_root"
    say "a bare $codename stands ($((SECONDS - before)) s)"

    git diff --quiet HEAD 2>/dev/null ||
        say "note: a clone of HEAD is taken; uncommitted changes are not in it"
    as_root git -c safe.directory='*' clone -q --depth 1 "file://$PWD" "$fresh_root/root/libfaciliter"
    for at in demo test; do
        local start=$SECONDS log=build/fresh-$at.log
        say "./dev $at, in the bare $codename"
        fresh_in "cd /root/libfaciliter && ./dev $at" 2>&1 | tee "$log"
        say "./dev $at took $((SECONDS - start)) s there, installation included"
    done
    say "both commands work on a bare $codename ($((SECONDS - before)) s in all)"
}
