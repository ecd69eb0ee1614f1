#!/usr/bin/env bash
# Prints how full each disk is. Exits 1 when one has reached the limit. Changes nothing.
# Flag: --limit=PERCENT (default 80).
set -euo pipefail

limit=80
for flag in "$@"; do
    case $flag in
    --limit=*) limit=${flag#--limit=} ;;
    *)
        echo "unknown flag: $flag" >&2
        exit 2
        ;;
    esac
done
if [[ ! $limit =~ ^[1-9][0-9]{0,2}$ ]]; then
    echo "--limit takes a percentage such as 80, not \"$limit\"" >&2
    exit 2
fi

full=0
while read -r _ type size _ _ percent mount; do
    case $type in
    tmpfs | devtmpfs | squashfs | iso9660 | efivarfs) continue ;; # in memory, or always full
    esac
    [[ $percent == *% ]] || continue
    printf '%4s of %6s  %s\n' "$percent" "$size" "$mount"
    if ((${percent%\%} >= limit)); then
        echo "$mount has reached the limit of $limit%" >&2
        full=1
    fi
done < <(df -PhT | tail -n +2)
exit "$full"
