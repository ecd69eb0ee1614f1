#!/usr/bin/env bash
# Counts with a pause after each step; what it did is said on standard error.
# Flags: --steps=NUMBER (default 5), --pause=SECONDS (default 1).
set -euo pipefail

steps=5 pause=1
for flag in "$@"; do
    case $flag in
    --steps=*) steps=${flag#--steps=} ;;
    --pause=*) pause=${flag#--pause=} ;;
    *)
        echo "unknown flag: $flag" >&2
        exit 2
        ;;
    esac
done
if [[ ! $steps =~ ^[1-9][0-9]{0,3}$ || ! $pause =~ ^[0-9]{1,3}(\.[0-9]{1,3})?$ ]]; then
    echo "--steps takes a number from 1 to 9999, --pause one from 0 to 999" >&2
    exit 2
fi

for ((step = 1; step <= steps; step++)); do
    echo "step $step of $steps"
    sleep "$pause"
done
echo "counted to $steps" >&2
