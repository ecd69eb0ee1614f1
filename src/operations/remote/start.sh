# Starts a script where prepare.sh has made ready. The run survives its connection: the two tees
# go on writing the files, and the exit code is written at the end.
#
# Values: id (of the run), length (of the script, on standard input), whole (1: it holds NUL
# bytes), client_file and client_id (empty: not checked), switches (of bash, from the script's
# first line; words without special characters). Arguments: those of the script.
# Standard input stays open and silent until the run has ended.

refuse() {
    say "refused $*"
    exec {out}>&- {err}>&-
    rm -rf -- "$dir"
    exit 0
}

# Bash drops NUL bytes, so such a script is read by head.
if [[ $whole == 1 ]]; then
    head -c "$length" >"$dir/script"
    size=$(wc -c <"$dir/script")
    [[ $((size)) == "$length" ]] || refuse "cut the script was cut short on its way"
else
    IFS= read -r -N "$length" script || refuse "cut the script was cut short on its way"
fi
[[ $problem ]] && refuse "directory $problem"

if [[ $client_id ]]; then
    [[ -e $client_file ]] || refuse "missing $client_file does not exist"
    [[ -f $client_file && -r $client_file ]] || refuse "missing $client_file cannot be read"
    # It fails at the end of the file; else the file is too long or holds NUL bytes.
    IFS= read -r -d '' -n 4096 found <"$client_file" && found="$found (and more)"
    found=${found#"${found%%[![:space:]]*}"}
    found=${found%"${found##*[![:space:]]}"}
    [[ $found == "$client_id" ]] || refuse "different ${found//[^[:graph:]]/ }"
fi
LC_ALL=$locale

if [[ $whole != 1 ]]; then
    problem=$({ printf '%s' "$script" >"$dir/script"; } 2>&1) || refuse "directory $problem"
fi
unset script

# From here on we are the run, and must not end because nobody reads any more what we say. A
# handler and not '': what is ignored would be ignored by the script too.
trap : PIPE

# Whoever makes this file first decides: we start the run, or a follower declares it absent.
boot=none
{ IFS= read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
set -C
{ printf '%s %s %s\n' "$$" "$boot" "$slot" >"$base/$id"; } 2>/dev/null || refuse "taken"
set +C

say started
exec >/dev/null 2>&1

set -m # a process group of its own, so that it can be stopped without us
LINKOPS_RUN=$id bash $switches "$dir/script" "$@" </dev/null >&"$out" 2>&"$err" {out}>&- {err}>&- &
script_pid=$!
set +m
printf '%s\n' "$script_pid" >"$dir/group"
exec {out}>&- {err}>&-
wait "$script_pid"
code=$?

# The tees end with the last writer. A daemon left behind by the script may keep them for ever:
# they get two seconds, waited for on the silent standard input since that costs no process.
pause=0.001
for ((round = 0; round < 120; round++)); do
    kill -0 "$out_pid" || kill -0 "$err_pid" || break
    ((round == 20)) && pause=0.02
    ((round == 119)) && kill "$out_pid" "$err_pid"
    read -r -t "$pause" || (($? > 128)) || sleep 0.02
done
printf '%s\n' "$code" >"$dir/exit"
exit "$code"
