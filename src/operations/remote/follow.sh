# Takes up a run where its connection was lost: says how it stands, then prints its output from
# the given bytes on, until it has ended.
#
# Values: id, out and err (bytes already had of each stream).

LC_ALL=$locale
base=${XDG_STATE_HOME:-$HOME/.local/state}/linkops/runs

# Whoever makes this file first decides: a run that has not started now never will.
mkdir -p -m 700 "$base" 2>/dev/null
set -C
{ printf 'absent\n' >"$base/$id"; } 2>/dev/null && { say absent; exit 0; }
set +C

pid= boot= slot=
for ((round = 0; round < 100; round++)); do # it may be in the middle of writing it
    { IFS=' ' read -r pid boot slot <"$base/$id"; } 2>/dev/null
    [[ $pid ]] && break
    read -r -t 0.02 || (($? > 128)) || sleep 0.02
done
[[ $pid == absent ]] && { say absent; exit 0; }
[[ $slot ]] || { say "refused directory $base/$id can be neither read nor made"; exit 0; }
dir=$base/$slot
now=none
{ IFS= read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null
# The process, and not another one that has got its number.
alive() {
    [[ $boot == "$now" ]] && kill -0 "$pid" 2>/dev/null || return
    [[ ! -r /proc/$pid/cmdline ]] || grep -qa linkops "/proc/$pid/cmdline"
}

# The connection on which it was started may be dead without knowing: then nobody reads what the
# tees pass on there, and they, and the script before them, wait for that. Its server goes, and they
# are free.
release() {
    local key value parent=1 title=
    while read -r key value; do
        [[ $key == PPid: ]] && parent=$value
    done <"/proc/$pid/status"
    IFS= read -r -d '' title <"/proc/$parent/cmdline"
    # Not the server that listens, which the first process may be.
    ((parent > 1)) && [[ $title == sshd*:*@* ]] && kill "$parent"
}

if alive; then
    state=running
    release 2>/dev/null
else
    state=over
fi
code=
{ IFS= read -r code <"$dir/exit"; } 2>/dev/null && [[ $code ]] && state="ended $code"
if [[ $state == over ]]; then
    [[ $boot == "$now" ]] && state=killed || state=rebooted
fi
say "$state"

# Copies what a file has grown by: exactly, so that nothing is lost or told twice.
copy() { # FILE FROM: sets $size
    size=$2
    [[ -f $1 ]] || return
    size=$(wc -c <"$1")
    size=$((size))
    ((size > $2)) || { size=$2; return; }
    tail -c "+$(($2 + 1))" "$1" | head -c "$((size - $2))"
}

while :; do
    last=1
    [[ $state == running ]] && alive && last=
    copy "$dir/stdout" "$out"; out=$size
    copy "$dir/stderr" "$err" >&2; err=$size
    [[ $last ]] && exit 0
    read -r -t 0.2 || (($? > 128)) || exit 0 # end of file: nobody listens any more
done
