# SPDX-License-Identifier: GPL-2.0
# Sourced by every script here: messages, the table of bases, locks.

set -euo pipefail
shopt -s inherit_errexit

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
SELF=${0##*/}

say() { printf '%s: %s\n' "$SELF" "$*" >&2; }
die() { printf '%s: error: %s\n' "$SELF" "$*" >&2; exit 1; }

# bases: the names in the table
bases() { awk '!/^#/ && NF { print $1 }' "$TOP/bases"; }

# base_field BASE COLUMN: 2 is the suite, 3 the recorded version
base_field() { awk -v b="$1" -v c="$2" '$1 == b { print $c }' "$TOP/bases"; }

# check_base BASE: dies with the list of known ones
check_base() {
	[ -n "$(base_field "$1" 1)" ] && return
	die "unknown BASE '$1'; known: $(bases | xargs)"
}

# lock NAME: one run at a time for what NAME stands for; freed at exit
lock() {
	local fd
	mkdir -p "$BUILD/lock"
	exec {fd}> "$BUILD/lock/$1"
	flock -n "$fd" && return
	say "another run holds $1; waiting up to 60 minutes"
	flock -w 3600 "$fd" || die "gave up waiting for $1"
}

# need COMMAND PACKAGE ...: dies naming the packages of missing commands
need() {
	local missing=
	while [ $# -gt 0 ]; do
		command -v "$1" > /dev/null || missing+=" $2"
		shift 2
	done
	[ -z "$missing" ] || die "missing tools; install them with: apt-get install$missing"
}
