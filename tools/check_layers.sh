#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_layers.sh [ROOT]: no file includes what tools/layers.txt does not grant to its folder.
set -euo pipefail
cd -- "${1:-$(dirname -- "$0")/..}"

rows=tools/layers.txt
n_bad=0

complain() {
    printf '%s\n' "$*" >&2
    n_bad=$((n_bad + 1))
}

# check_folder OWN GRANTED FILE…: every include of these files.
check_folder() {
    local own=$1 granted=" $2 " file line target room
    shift 2
    while IFS=: read -r file line target; do
        target=${target#*include}
        target=${target#"${target%%[![:space:]]*}"}
        case $target in
            '<'*) target=${target%%>*}'>' ;;
            '"'*) target=${target#\"} target=\"${target%%\"*}\" ;;
        esac
        case $target in
            '<faciliter/'*) continue ;;
            '<'*)
                # Public headers lean on the four that every C library has.
                if [ "$own" = include/faciliter ]; then
                    case $target in
                        '<stdbool.h>' | '<stddef.h>' | '<stdint.h>' | '<string.h>') ;;
                        *) complain "$file:$line: a public header may not include $target" ;;
                    esac
                fi
                continue
                ;;
        esac
        target=${target#\"}
        target=${target%\"}
        case $own in
            src/*)
                room=${target%%/*}
                if [ ! -f "src/$target" ] || [ "$room" = "$target" ]; then
                    complain "$file:$line: \"$target\" is not \"room/file\" of src/"
                elif [ "src/$room" != "$own" ] && [[ $granted != *" $room "* ]]; then
                    complain "$file:$line: ${own#src/} may not include $target"
                fi
                ;;
            *)
                room=${target%%/*}
                if [ -d "src/$room" ] && [ -f "src/$target" ] && [[ $granted != *" $room "* ]] &&
                    [[ $granted != *" * "* ]]; then
                    complain "$file:$line: $own may not include $target"
                fi
                ;;
        esac
    done < <(grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' "$@" || true)
}

checked=" "
n_files=0
while IFS=: read -r folder granted; do
    case $folder in '#'* | '') continue ;; esac
    checked="$checked$folder "
    if [ ! -d "$folder" ]; then
        complain "$rows: there is no folder $folder"
        continue
    fi
    mapfile -t files < <(find "$folder" -type f \
        \( -name '*.[ch]' -o -name '*.def' -o -name '*.inc' \) | sort)
    [ ${#files[@]} -eq 0 ] || check_folder "$folder" "$granted" "${files[@]}"
    n_files=$((n_files + ${#files[@]}))
done <"$rows"

for folder in src/*/; do
    folder=${folder%/}
    [[ $checked == *" $folder "* ]] || complain "$rows: $folder has no row"
done

if [ "$n_bad" -gt 0 ]; then
    printf '%d includes or rows are wrong; %s has the arrows\n' "$n_bad" "$rows" >&2
    exit 1
fi
[ "$n_files" -gt 0 ] || { printf 'no file was found\n' >&2; exit 1; }
printf '%d files keep to their layers\n' "$n_files"
