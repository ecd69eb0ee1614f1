#!/usr/bin/env bash
# Prints what one wants to know first about a machine. Changes nothing.
set -euo pipefail

fact() { printf '%-11s %s\n' "$1" "$2"; }

system=$(uname -s)
if [[ -r /etc/os-release ]]; then
    # shellcheck source=/dev/null
    system=$(. /etc/os-release && printf '%s' "${PRETTY_NAME:-$NAME}")
fi
read -r load _ </proc/loadavg
read -r seconds _ </proc/uptime
seconds=${seconds%.*}
total=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
# The machine's own address and port, as this connection reached it.
read -r _ _ address port <<<"${SSH_CONNECTION:-- - - -}"

fact host "$(uname -n)"
fact login "$(id -un) at $address port $port"
fact system "$system"
fact kernel "$(uname -r) $(uname -m)"
fact processors "$(getconf _NPROCESSORS_ONLN)"
fact memory "$available of $total MiB available"
fact load "$load"
fact uptime "$((seconds / 86400)) d $((seconds % 86400 / 3600)) h $((seconds % 3600 / 60)) min"
