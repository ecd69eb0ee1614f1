# Ends a run with everything it has started: TERM, a grace, then KILL until nothing is left. What
# left the process group is found by LINKOPS_RUN in its environment. A run that has not started
# never will.
#
# Values: id, grace (seconds).
# Says: over (it had ended before), clean (nothing of it runs any more), left (something does).

# The locale stays C: bash's own messages are read below.
base=${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs

mkdir -p -m 700 "$base" 2>/dev/null
set -C
{ printf 'absent\n' >"$base/$id"; } 2>/dev/null && { say clean; exit 0; }
set +C

# It may be in the middle of starting.
pid= boot= slot= group=
for ((round = 0; round < 100; round++)); do
    { IFS=' ' read -r pid boot slot <"$base/$id"; } 2>/dev/null
    [[ $pid == absent ]] && { say clean; exit 0; }
    if [[ $slot ]]; then
        [[ -s $base/$slot/exit || ! -d $base/$slot ]] && { say over; exit 0; }
        { IFS= read -r group <"$base/$slot/group"; } 2>/dev/null && [[ $group ]] && break
    fi
    sleep 0.02
done

strays() { # the processes with our mark
    local file
    for file in $(grep -lsaF "LINKOPS_RUN=$id" /proc/[0-9]*/environ); do
        file=${file#/proc/}
        printf '%s\n' "${file%/environ}"
    done
}
ours() { # whether the group is still that of the run: after a reboot its number is somebody else's
    local now=none one stat
    { IFS= read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null
    [[ $boot == "$now" ]] || return
    kill -0 "$pid" 2>/dev/null && grep -qsa linkops "/proc/$pid/cmdline" && return
    for one in $(strays); do
        { IFS= read -r stat <"/proc/$one/stat"; } 2>/dev/null || continue
        stat=${stat##*) } # state, parent, group
        [[ $stat == *' '*" $group "* ]] && return
    done
    return 1
}
signal() { # SIGNAL: true when somebody was there, also one who is not ours to signal
    local any=1 one error
    if [[ $group ]]; then
        error=$(kill "-$1" -- "-$group" 2>&1) && any=0
        [[ $error == *ermitted* ]] && any=0
    fi
    for one in $(strays); do
        kill "-$1" "$one" 2>/dev/null && any=0
    done
    return "$any"
}

[[ $group ]] && ! ours && group=
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
