# Removes what is left of runs whose results are safe. Arguments: their ids; a run that was started
# again has the id of the first try with a number behind it. Directories that were made ready by a
# shell that was killed go as well.

LC_ALL=$locale
cd "${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs" 2>/dev/null || { say removed; exit 0; }
old=()
for id in "$@"; do
    for file in "${id%%-*}"*; do
        slot=
        { IFS=' ' read -r pid boot slot <"$file"; } 2>/dev/null
        old+=("$file" ${slot:+"$slot"})
    done
done
now=none
{ IFS= read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null
for slot in slot-*; do # never claimed, since what is claimed has a group; ours, and its shell is gone
    [[ -s $slot/group ]] && continue
    { IFS=' ' read -r pid boot <"$slot/pid"; } 2>/dev/null || continue
    [[ $boot == "$now" ]] && ! kill -0 "$pid" 2>/dev/null && old+=("$slot")
done
rm -rf -- "${old[@]}" && say removed
