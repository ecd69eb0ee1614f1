#!/bin/sh
# Installs LinkOps on Debian 12, Ubuntu 24.04 or newer, or takes it away again; says each step.
# `make install` and release archives use it.
#
# usage: deploy/install.sh [install|uninstall]
#   PREFIX=/usr/local   where the program goes; elsewhere than in /usr and /usr/local systemd looks
#                       for no unit, which then goes into /etc/systemd/system
#   DESTDIR=            files alone, below this directory; nothing else of the system is touched
#   PURGE=1             with uninstall: also configuration, database, keys, logs and the user
set -eu
# The user of the server has to reach what root installs, whatever root's habit is.
umask 022

root=$(cd "$(dirname "$0")/.." && pwd)
PREFIX=${PREFIX:-/usr/local}
PREFIX=${PREFIX%/}
DESTDIR=${DESTDIR:-}
BINARY=${BINARY:-$root/linkopsd}
zsh=share/zsh/site-functions
program=linkopsd
unit=$PREFIX/lib/systemd/system/linkopsd.service
case $PREFIX in
/usr) zsh=share/zsh/vendor-completions ;;
/usr/local) ;;
*)
    program=$PREFIX/bin/linkopsd
    unit=/etc/systemd/system/linkopsd.service
    ;;
esac

# Mode, place below PREFIX, source; the unit has a place of its own.
files() {
    cat <<END
755 bin/linkopsd $BINARY
755 lib/linkops/setup $root/deploy/setup
644 lib/sysusers.d/linkops.conf $root/deploy/systemd/sysusers.conf
644 lib/tmpfiles.d/linkops.conf $root/deploy/systemd/tmpfiles.conf
644 share/man/man8/linkopsd.8 $root/deploy/man/linkopsd.8
644 share/man/man5/linkops.ini.5 $root/deploy/man/linkops.ini.5
644 share/bash-completion/completions/linkopsd $root/deploy/completions/linkopsd.bash
644 $zsh/_linkopsd $root/deploy/completions/linkopsd.zsh
644 share/fish/vendor_completions.d/linkopsd.fish $root/deploy/completions/linkopsd.fish
644 share/linkops/config.ini $root/deploy/config.ini
644 share/linkops/lxc.conf $root/deploy/systemd/lxc.conf
644 share/linkops/nginx.conf $root/deploy/proxy/nginx.conf
644 share/linkops/Caddyfile $root/deploy/proxy/Caddyfile
644 share/linkops/linkops.rules.yml $root/deploy/prometheus/linkops.rules.yml
644 share/linkops/grafana.json $root/deploy/grafana/linkops.json
644 share/linkops/machines.csv $root/deploy/machines.csv
END
}

say() { echo "install.sh: $*"; }

fail() {
    say "$*" >&2
    exit 1
}

# The system that runs, as opposed to a directory or a machine without systemd.
live() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; }

install_files() {
    files | while read -r mode place source; do
        put_file "$mode" "$PREFIX/$place" <"$source"
    done
    text=$(sed "s#@PREFIX@#$PREFIX#" "$root/deploy/systemd/linkopsd.service")
    printf '%s\n' "$text" | put_file 644 "$unit"
}

put_file() { # MODE PLACE, with the content as its input
    say "$DESTDIR$2"
    mkdir -p "$DESTDIR${2%/*}"
    # A name changes hands in one step: a program that runs keeps its file.
    cat >"$DESTDIR$2.new"
    chmod "$1" "$DESTDIR$2.new"
    mv -f "$DESTDIR$2.new" "$DESTDIR$2"
}

put() {
    # It stands in the unit and in commands for a shell.
    case $PREFIX in
    *[!A-Za-z0-9/._+-]* | [!/]*) fail "PREFIX=$PREFIX: give an absolute path of letters, digits, / . _ + -" ;;
    esac
    [ -x "$BINARY" ] || fail "there is no program $BINARY: run make build first"
    [ -n "$DESTDIR" ] || [ "$(id -u)" -eq 0 ] || fail "only root can install into the system"
    install_files
    if [ -n "$DESTDIR" ]; then
        say "on the machine itself, run as root: $PREFIX/lib/linkops/setup"
        return
    fi
    "$PREFIX/lib/linkops/setup"
    if live; then
        say "systemd reads its units again; a server that runs is restarted with the new program"
        systemctl daemon-reload
        systemctl try-restart linkopsd.service
        systemctl is-active --quiet linkopsd.service || next
    else
        next
    fi
}

next() {
    cat <<END

What is yours to do, as root:
  1. The repository, and its key if it is reached over SSH:
       runuser -u linkops -- ssh-keygen -q -t ed25519 -N '' -f /var/lib/linkops/keys/id_ed25519
       editor /etc/linkops/config.ini          # [git] repository_url, ssh_key_path
  2. The first user, whose password is read from standard input:
       runuser -u linkops -- $program user add admin --role admin --password-stdin
  3. All that is wrong, then the start, now and at every boot:
       runuser -u linkops -- $program check
       systemctl enable --now linkopsd
In a container where it ends with status=226/NAMESPACE: $PREFIX/share/linkops/lxc.conf
END
}

uninstall() {
    [ -n "$DESTDIR" ] || [ "$(id -u)" -eq 0 ] || fail "only root can take it away"
    if live && [ -e "$unit" ]; then
        say "stopping and disabling the server"
        systemctl disable --now --quiet linkopsd.service
    fi
    files | while read -r _ place _; do remove "$DESTDIR$PREFIX/$place"; done
    remove "$DESTDIR$unit"
    # Those that install may have made, where nobody else uses them.
    for directory in lib/linkops lib/systemd/system lib/systemd lib/sysusers.d lib/tmpfiles.d \
        share/linkops share/man/man5 share/man/man8 share/bash-completion/completions \
        share/bash-completion "$zsh" "${zsh%/*}" share/fish/vendor_completions.d share/fish; do
        rmdir "$DESTDIR$PREFIX/$directory" 2>/dev/null || true
    done
    # A place of its own goes, too; those of the system have to stay.
    if [ "$program" != linkopsd ]; then
        for directory in bin lib share/man share ""; do
            rmdir "$DESTDIR$PREFIX/$directory" 2>/dev/null || true
        done
    fi
    if live; then systemctl daemon-reload; fi
    if [ "${PURGE:-}" = 1 ]; then
        purge
    else
        say "kept: /etc/linkops /var/lib/linkops /var/log/linkops and the user linkops; PURGE=1 removes them"
    fi
}

remove() { # FILE
    [ -e "$1" ] || return 0
    say "removing $1"
    rm -f "$1"
}

# The places of the configuration's defaults; what was put elsewhere is found nowhere.
purge() {
    say "removing configuration, database, keys, copies of the repository and logs"
    rm -rf "$DESTDIR/var/lib/linkops" "$DESTDIR/var/log/linkops" \
        "$DESTDIR/etc/systemd/system/linkopsd.service.d"
    rm -f "$DESTDIR/etc/linkops/config.ini" "$DESTDIR/etc/linkops/secrets.ini"
    # A client id in it is the machine's, not ours.
    rmdir "$DESTDIR/etc/linkops" 2>/dev/null || true
    if [ -z "$DESTDIR" ] && getent passwd linkops >/dev/null; then
        say "removing the user linkops"
        userdel linkops
    fi
    if live; then systemctl daemon-reload; fi
}

case ${1:-install} in
install) put ;;
uninstall) uninstall ;;
*)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
