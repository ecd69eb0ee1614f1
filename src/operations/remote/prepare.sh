# Makes ready for one script: a directory of its own, and what passes its output on and keeps it.
# Then reads the program that starts the script (start.sh), which may come much later, or never:
# at the end of standard input nothing is left behind.
#
# Values: slot (names the directory), blocks (of 1 KiB, the most that is kept of a stream).

problem=
base=${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs
dir=$base/$slot
mkdir -m 700 "$dir" 2>/dev/null || {
    mkdir -p -m 700 "$base" 2>/dev/null
    problem=$(mkdir -m 700 "$dir" 2>&1) && problem=
}

# GNU tee must be told to outlive its reader; others do so by themselves or do not know the option.
hash tee 2>/dev/null || problem="there is no tee"
pipe=-p
[[ $OSTYPE != linux* || ${BASH_CMDS[tee]} -ef /bin/busybox ]] && pipe=
keep() { # FILE: passes standard input on to standard output, and keeps it in FILE
    trap '' PIPE XFSZ
    ulimit -f "$blocks"
    exec tee $pipe "$1" 2>/dev/null
}
exec {out}> >(keep "$dir/stdout")
out_pid=$!
exec {err}> >(exec {out}>&- >&2; keep "$dir/stderr")
err_pid=$!

IFS= read -r length && IFS= read -r -N "$length" program && eval "$program"
exec {out}>&- {err}>&-
rm -rf -- "$dir"
