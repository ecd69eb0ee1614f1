# Removes the directories of runs whose results are safe. Arguments: their ids.

LC_ALL=$locale
cd "${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs" 2>/dev/null && rm -rf -- "$@"
say removed
