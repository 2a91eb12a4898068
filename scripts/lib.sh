# SPDX-License-Identifier: GPL-2.0
# Sourced by every script here: messages, the table of bases, locks.

set -euo pipefail
shopt -s inherit_errexit

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD_TOP=$TOP/build
BUILD=$BUILD_TOP
SELF=${0##*/}

# Report where a script fails; the scripts it calls report their own failures
set -E
trap 'case $BASH_COMMAND in
	\"\$TOP/scripts/* | "list=\$(chosen "*) ;;
	*) say "stopped by: ${BASH_COMMAND%%$'"'\\n'"'*} (${BASH_SOURCE[0]##*/}, line $LINENO)" ;;
	esac' ERR

say() { printf '%s: %s\n' "$SELF" "$*" >&2; }
die() { printf '%s: error: %s\n' "$SELF" "$*" >&2; exit 1; }

# Builds from a tree of the user's have their own directory
if [ -n "${KSRC-}" ]; then
	[ -d "$KSRC" ] || die "KSRC: there is no directory '$KSRC'"
	KSRC=$(cd "$KSRC" && pwd -P)
	[[ "$KSRC/" != "$BUILD_TOP/"* ]] || die "KSRC must be outside of build/"
	export KSRC
	BUILD=$BUILD_TOP/ksrc-${KSRC##*/}-$(cksum <<< "$KSRC" | cut -d ' ' -f 1)
fi

# A git hook that runs a script must not redirect our git calls to its repository
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX

# bases: the names in the table
bases() { awk '!/^#/ && NF { print $1 }' "$TOP/bases"; }

# base_field BASE COLUMN: 2 is the suite, 3 the recorded version
base_field() { awk -v b="$1" -v c="$2" '$1 == b { print $c }' "$TOP/bases"; }

# check_base BASE: fails with the list of known bases if BASE is not one of them
check_base() {
	[ -n "$(base_field "$1" 1)" ] && return
	die "unknown BASE '$1'; known: $(bases | xargs)"
}

# chosen WHAT KNOWN [NAME...]: these, or all that are known, a line each; dies at another
chosen() {
	local what=$1 known=$2 name
	shift 2
	for name; do
		grep -qxF -e "$name" <<< "$known" ||
			die "unknown $what '$name'; known: $(xargs <<< "$known")"
	done
	if [ $# -gt 0 ]; then printf '%s\n' "$@"; else echo "$known"; fi
}

# result WHAT [WHY NOT]: a line of a report, ok if there is no second argument or it
# is empty; $RC is 1 after one that is not
RC=0
result() {
	if [ -z "${2-}" ]; then
		echo "ok $1"
		return
	fi
	echo "not ok $1"
	head -n 50 <<< "$2" | sed 's/^/# /'
	RC=1
}
# same WHAT DUE IS: such a line, ok if IS is what is DUE
same() { result "$1" "$([ "$2" = "$3" ] || echo "'$3' where '$2' is due")"; }

# lock NAME: waits for the lock NAME, which is released at exit; scripts called
# by the holder do not wait for it
lock() {
	local fd
	[[ " ${LOCKS_HELD-} " != *" $1 "* ]] || return 0
	mkdir -p "$BUILD_TOP/lock"
	exec {fd}> "$BUILD_TOP/lock/$1"
	if ! flock -n "$fd"; then
		say "another run holds $1; waiting up to 60 minutes"
		flock -w 3600 "$fd" || die "gave up waiting for $1"
	fi
	export LOCKS_HELD="${LOCKS_HELD-} $1"
}

# need COMMAND PACKAGE ...: fails if a command is missing, and names its package
need() {
	local missing=
	while [ $# -gt 0 ]; do
		command -v "$1" > /dev/null || missing+=" $2"
		shift 2
	done
	[ -z "$missing" ] || die "missing tools; install them with: apt-get install$missing"
}

# at_exit COMMAND: runs COMMAND when the script ends for any reason, in reverse
# order, so that children end before their directories are removed
AT_EXIT=()
run_at_exit() {
	local i
	trap '' INT TERM HUP
	for ((i = ${#AT_EXIT[@]} - 1; i >= 0; i--)); do eval "${AT_EXIT[i]}" || :; done
}
at_exit() {
	AT_EXIT+=("$1")
	trap run_at_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# spawn LOG COMMAND...: starts COMMAND in its own process group, which is killed
# when this script ends; its pid is in $CHILD
spawn() {
	local log=$1
	shift
	mkdir -p "${log%/*}"
	set -m
	"$@" > "$log" 2>&1 < /dev/null &
	CHILD=$!
	set +m
	at_exit "end_group $CHILD"
}
end_group() {
	local i
	kill -TERM -- "-$1" 2> /dev/null || return 0
	for i in {1..50}; do
		sleep 0.1
		kill -0 -- "-$1" 2> /dev/null || return 0
	done
	kill -KILL -- "-$1" 2> /dev/null
}

# logged LOG WHAT COMMAND...: runs COMMAND with its output in LOG, reports progress
# every 30 seconds, and shows the errors in LOG if it fails
logged() {
	local log=$1 what=$2 start=$SECONDS next=30 rc=0
	shift 2
	say "$what (log: ${log#"$TOP"/})"
	spawn "$log" "$@"
	while kill -0 "$CHILD" 2> /dev/null; do
		sleep 0.5
		[ $((SECONDS - start)) -ge "$next" ] || continue
		say "$what: $((SECONDS - start)) s: $(tail -n 1 "$log" | cut -c 1-60)"
		next=$((next + 30))
	done
	wait "$CHILD" || rc=$?
	say "$what: $([ $rc = 0 ] && echo done || echo failed) after $((SECONDS - start)) s"
	[ $rc = 0 ] && return
	grep -nE 'error|Error|undefined|No space' "$log" | head -n 15 >&2 ||
		tail -n 15 "$log" >&2
	return $rc
}

# space MIB: fails unless that much disk space is free for build/
space() {
	local free
	mkdir -p "$BUILD"
	free=$(df --output=avail -m "$BUILD" | tail -n 1)
	[ "$free" -ge "$1" ] || die "this needs $1 MiB in $BUILD, but only $((free)) MiB are free; free some space, or run: make clean"
}

# quiet_git ARGS...: git without the user's settings. Commits always get the same
# name and date, so that a series is the same, byte for byte, on any machine
GIT_ENV=(GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	GIT_AUTHOR_NAME='dma-buf statistics'
	GIT_AUTHOR_EMAIL=dma-buf-stats@dma-buf-stats.invalid
	GIT_AUTHOR_DATE='2026-01-01 00:00:00 +0000'
	GIT_COMMITTER_NAME='dma-buf statistics'
	GIT_COMMITTER_EMAIL=dma-buf-stats@dma-buf-stats.invalid
	GIT_COMMITTER_DATE='2026-01-01 00:00:00 +0000')
quiet_git() {
	local -x "${GIT_ENV[@]}"
	git -c safe.directory='*' "$@"
}

# when_and_what: the date and the commit, with a + if there are uncommitted
# changes other than recorded results
when_and_what() {
	local commit
	commit=$(quiet_git -C "$TOP" rev-parse --short HEAD)
	[ -z "$(quiet_git -C "$TOP" status --porcelain -- . ':!*RESULT' ':!README.md')" ] || commit+=+
	echo "$(date -u +%F)   $commit"
}

# kernel_git TREE ARGS...: the same in the kernel tree of TREE (7.3, 7.3-newest)
kernel_git() { quiet_git -C "$BUILD/$1/patched/linux" "${@:2}"; }

# not_so ASKED CONFIG: the lines CONFIG_X=VALUE (n if off) of ASKED that do not hold
# in CONFIG.  The kernel's merge_config.sh reports false differences on 6.1 and 6.12
# for symbols that are off and not visible.
not_so() {
	awk -F= 'NR == FNR { if (/^CONFIG_/) is[$1] = substr($0, length($1) + 2); next }
		/^CONFIG_/ {
			want = substr($0, length($1) + 2)
			have = $1 in is ? is[$1] : "n"
			if (want != have) print "  " $0 " (is " have ")"
		}' "$2" "$1"
}

# scratch: creates an empty directory $SCRATCH, which is removed when the script
# ends, and removes those of killed runs
scratch() {
	local old
	for old in "$BUILD"/tmp/*; do
		[ ! -d "$old" ] || [ -d "/proc/${old##*.}" ] || rm -rf --one-file-system "$old"
	done
	SCRATCH=$BUILD/tmp/$SELF.$$
	rm -rf "$SCRATCH"
	mkdir -p "$SCRATCH"
	at_exit "rm -rf --one-file-system '$SCRATCH'"
}
