# Runs one script. It makes ready first: a directory of its own, and what passes its output on and
# keeps it. Then it reads a second program, which gives the values and the arguments of the script
# and calls `begin`; that may come much later, or never: at the end of standard input nothing is
# left behind. Whatever can be done or read ahead is done before, since nobody waits for it then.
#
# The run survives its connection: the two tees go on writing the files, and the exit code is
# written at the end. Standard input stays open and silent until the run has ended.
#
# Values now: slot (names the directory), blocks (of 1 KiB, the most that is kept of a stream).
# Values of `begin`: id (of the run), length (of the script, which follows on standard input),
# whole (1: it holds NUL bytes), client_file and client_id (empty: not checked), switches (of bash,
# from the script's first line; words without special characters).

refuse() {
    say "refused $*"
    exec {out}>&- {err}>&-
    rm -rf -- "$dir"
    exit 0
}

receive() { # the script; bash drops NUL bytes, so one that holds them is read by head
    if [[ $whole == 1 ]]; then
        local size
        head -c "$length" >"$dir/script"
        size=$(wc -c <"$dir/script")
        [[ $((size)) == "$length" ]] || refuse "cut the script was cut short on its way"
    else
        local script
        IFS= read -r -N "$length" script || refuse "cut the script was cut short on its way"
        { printf '%s' "$script" >>"$dir/script"; } 2>/dev/null || problem="$dir cannot be written"
    fi
    [[ $problem ]] && refuse "directory $problem"
}

check() { # the client id
    local found
    [[ -e $client_file ]] || refuse "missing $client_file does not exist"
    [[ -f $client_file && -r $client_file ]] || refuse "missing $client_file cannot be read"
    # It fails at the end of the file; else the file is too long or holds NUL bytes.
    IFS= read -r -d '' -n 4096 found <"$client_file" && found="$found (and more)"
    found=${found#"${found%%[![:space:]]*}"}
    found=${found%"${found##*[![:space:]]}"}
    [[ $found == "$client_id" ]] || refuse "different ${found//[^[:graph:]]/ }"
}

held() { # whether somebody else than the tees has the end that the script wrote to
    local fd
    for fd in /proc/[0-9]*/fd/[12]; do
        [[ $fd -ef /proc/$out_pid/fd/0 || $fd -ef /proc/$err_pid/fd/0 ]] && return 0
    done
    return 1
}

begin() {
    receive
    [[ $client_id ]] && check
    LC_ALL=$locale

    # From here on we are the run, and must not end because nobody reads any more what we say. A
    # handler and not '': what is ignored would be ignored by the script too.
    trap : PIPE

    # Whoever makes this file first decides: we start the run, or a follower declares it absent.
    set -C
    { printf '%s %s %s\n' "$$" "$boot" "$slot" >"$base/$id"; } 2>/dev/null || {
        [[ -s $base/$id ]] && refuse "taken"
        rm -f -- "$base/$id"
        refuse "directory $base cannot be written"
    }
    set +C
    say started
    exec >/dev/null 2>&1

    set -m # a process group of its own, so that it can be stopped without us
    LINKOPS_RUN=$id bash $switches "$dir/script" "$@" </dev/null >&"$out" 2>&"$err" {out}>&- {err}>&- &
    local script_pid=$! code
    set +m
    printf '%s\n' "$script_pid" >>"$dir/group"
    exec {out}>&- {err}>&-
    wait "$script_pid"
    code=$?

    # The tees end with the last writer; they are waited for on the silent standard input, since
    # that costs no process. A daemon left behind by the script may hold them for ever: it gets two
    # seconds. Without one they only wait for a slow reader, which gets a minute.
    local pause=0.001 round
    for ((round = 0; round < 3000; round++)); do
        kill -0 "$out_pid" || kill -0 "$err_pid" || break
        ((round == 20)) && pause=0.02
        # Only here, where they live: a number that is free may be somebody else's by now.
        ((round == 2999)) || { ((round % 100 == 99)) && held; } && kill "$out_pid" "$err_pid"
        read -r -t "$pause" || (($? > 128)) || sleep 0.02
    done
    printf '%s\n' "$code" >>"$dir/exit"
    exit "$code"
}

problem=
base=${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs
dir=$base/$slot
mkdir -m 700 "$dir" 2>/dev/null || {
    mkdir -p -m 700 "$base" 2>/dev/null
    problem=$(mkdir -m 700 "$dir" 2>&1) && problem=
}
boot=none
{ IFS= read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
{ printf '%s %s\n' "$$" "$boot" >"$dir/pid"; } 2>/dev/null # see clean.sh

# GNU tee must be told to outlive its reader; others do so by themselves or do not know the option.
hash tee 2>/dev/null || problem="there is no tee"
pipe=-p
[[ $OSTYPE != linux* || ${BASH_CMDS[tee]} -ef /bin/busybox ]] && pipe=
keep() { # FILE: passes standard input on to standard output, and keeps it in FILE
    trap '' PIPE XFSZ
    ulimit -f "$blocks"
    # With an output that never fails it outlives both its reader and a file that is full.
    exec tee $pipe "$1" /dev/null 2>/dev/null
}
: >"$dir/script" >"$dir/group" >"$dir/exit" # to make a file takes longer than to write to it
exec {out}> >(keep "$dir/stdout")
out_pid=$!
exec {err}> >(exec {out}>&- >&2; keep "$dir/stderr")
err_pid=$!
hash bash

IFS= read -r length && IFS= read -r -N "$length" program && eval "$program"
exec {out}>&- {err}>&-
rm -rf -- "$dir"
