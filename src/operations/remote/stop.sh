# Ends a run with everything it has started: TERM, a grace, then KILL until nothing is left.
# What left the process group is found by LINKOPS_RUN in its environment.
#
# Values: id, grace (seconds).

LC_ALL=$locale
base=${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs

# The run may be about to start.
pid= boot= slot= group=
for ((round = 0; round < 100; round++)); do
    { IFS=' ' read -r pid boot slot <"$base/$id"; } 2>/dev/null
    [[ $pid == absent ]] && break
    if [[ $slot ]]; then
        { IFS= read -r group <"$base/$slot/group"; } 2>/dev/null && [[ $group ]] && break
        [[ -e $base/$slot/exit || ! -d $base/$slot ]] && break
    fi
    sleep 0.02
done

strays() { grep -lsaF "LINKOPS_RUN=$id" /proc/[0-9]*/environ; }
signal() { # SIGNAL: true when somebody was there to get it
    local any=1 pid
    [[ $group ]] && kill "-$1" -- "-$group" 2>/dev/null && any=0
    for pid in $(strays); do
        pid=${pid#/proc/}
        kill "-$1" "${pid%/environ}" 2>/dev/null && any=0
    done
    return "$any"
}

if signal TERM; then
    end=$((SECONDS + grace))
    while signal 0; do
        ((SECONDS >= end)) && break
        sleep 0.05
    done
    for ((round = 0; round < 100; round++)); do
        signal KILL || break
        sleep 0.02
    done
fi
if signal 0; then say left; else say clean; fi
