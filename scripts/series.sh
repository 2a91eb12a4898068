# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by all that needs the series of a base: patches/BASE is the truth.
# git am makes it the ref "series" of the base's kernel tree, in a clone, never
# in the work tree; format writes patches/BASE back from such commits.  patches/sets
# has the sets that it is sent in.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# from_repo: repository paths to kernel paths; to_repo: the other way round
from_repo() {
	sed -e 's|^tools/|tools/dma-buf/|' -e 's|^selftests/|tools/testing/selftests/dmabuf-stats/|' \
		-e 's|^cocci/|scripts/coccinelle/api/|'
}
to_repo() {
	sed -e 's|^tools/dma-buf/|tools/|' -e 's|^tools/testing/selftests/dmabuf-stats/|selftests/|' \
		-e 's|^scripts/coccinelle/api/|cocci/|'
}

# source_text: what TREE was made from
source_text() { sed -n 1p "$BUILD/$TREE/source"; }

# is_recorded BASE: whether TREE is the package version that "bases" records
is_recorded() {
	[ "$(sed -n 3p "$BUILD/$TREE/source")" = "package $(base_field "$1" 3)" ]
}

# diff_paths FILE...: the paths that their diffs touch
diff_paths() { sed -n 's|^diff --git a/\(.*\) b/\(.*\)$|\1\n\2|p' "$@" | sort -u; }

# clone DIR REV [REPO]: clones REPO, or else TREE's git tree, into DIR, at REV, with
# only the files on stdin in its work tree
clone() {
	quiet_git clone -q -s -n "${3-$BUILD/$TREE/patched/linux}" "$1" &&
		sed 's|^|/|' > "$1/.git/info/sparse-checkout" &&
		quiet_git -C "$1" config core.sparseCheckout true &&
		quiet_git -C "$1" checkout -q --detach "$2"
}

# am BASE FOLDER: applies the patches of FOLDER to TREE's source, and prints the
# commit.  A source that is not the recorded one may need what git am can do, unless
# it is to be EXACT.
am() {
	local options=() recorded=$BUILD_TOP/$1/patched/linux/.git/objects
	is_recorded "$1" || [ -n "${EXACT-}" ] || options=(-3 -C2)
	rm -rf "$SCRATCH/am"
	diff_paths "$2"/[0-9]*.patch | clone "$SCRATCH/am" pristine
	[ ! -d "$recorded" ] || echo "$recorded" >> "$SCRATCH/am/.git/objects/info/alternates"
	quiet_git -C "$SCRATCH/am" -c gc.auto=0 am -q "${options[@]}" "$2"/[0-9]*.patch > "$SCRATCH/am.log" 2>&1 || {
		grep -v '^hint: ' "$SCRATCH/am.log" >&2
		die "the patches of ${2#"$TOP"/} do not apply to $(source_text)"
	}
	kernel_git "$TREE" fetch -q "$SCRATCH/am" HEAD
	quiet_git -C "$SCRATCH/am" rev-parse HEAD
}

# key BASE: what the ref "series" of TREE depends on
key() {
	{ kernel_git "$TREE" rev-parse pristine; echo "${EXACT-}"; cat "$TOP/patches/$1"/[0-9]*.patch; } | sha256sum
}

# series BASE TREE: brings the ref "series" of TREE up to date.  Work in the
# tree of BASE that is not in patches/ stops it, unless WORK=1.
series() {
	local base=$1 tip
	TREE=$2
	[ -n "${SCRATCH-}" ] || scratch
	lock "source-$TREE"
	compgen -G "$TOP/patches/$base/0001-*" > /dev/null || die "patches/$base has no patch"
	if [ "$(key "$base")" != "$(cat "$BUILD/$TREE/series" 2> /dev/null)" ] ||
		! kernel_git "$TREE" rev-parse -q --verify refs/series > /dev/null; then
		tip=$(am "$base" "$TOP/patches/$base")
		kernel_git "$TREE" update-ref refs/series "$tip"
		key "$base" > "$BUILD/$TREE/series"
	fi
	[ -n "${WORK-}" ] || [ "$TREE" != "$base" ] || settled "$base"
}

# story COMMIT: all of a series but names and dates
story() { kernel_git "$TREE" log --format='%T%n%B' "pristine..$1"; }

# work BASE: the kind of work in its tree that is not in patches/BASE
work() {
	local TREE=$1 git=$BUILD/$1/patched/linux/.git tip
	if [ -d "$git/rebase-merge" ] || [ -d "$git/rebase-apply" ] ||
		[ -e "$git/MERGE_HEAD" ] || [ -e "$git/CHERRY_PICK_HEAD" ]; then
		echo rebase
	elif [ ! -e "$BUILD/$1/checkout" ] && ! kernel_git "$1" diff --quiet HEAD --; then
		echo changes
	elif tip=$(kernel_git "$1" rev-parse -q --verify refs/heads/patched) &&
		[ "$tip" != "$(kernel_git "$1" rev-parse -q --verify refs/made/patched)" ] &&
		[ "$(story "$tip")" != "$(story series)" ]; then
		echo commits
	fi
}

# in_words WORK TREE: a message about it, with what to do
in_words() {
	local tree=${BUILD#"$TOP"/}/$2/patched/linux
	case $1 in
	rebase) echo "a rebase, am or merge in $tree is not finished; finish it there:
git -C $tree rebase --continue (or --abort)" ;;
	changes) echo "$tree has changes that are not committed:
$(kernel_git "$2" diff --name-only HEAD -- | head -n 10)
commit them there (git commit --fixup=COMMIT), then: make import BASE=$2" ;;
	commits) echo "$tree has commits on 'patched' that patches/$2 has not.
Bring them back with: make import BASE=$2
or set them aside: git -C $tree checkout -b NAME patched && git -C $tree branch -f patched refs/made/patched" ;;
	esac
}

# settled BASE: fails if there is such work
settled() {
	local what
	what=$(work "$1")
	[ -z "$what" ] || die "$(in_words "$what" "$1")"
}

# format TREE FOLDER COMMIT: the patches up to COMMIT as mails
format() {
	mkdir -p "$2"
	kernel_git "$1" format-patch -q -n -o "$2" --no-signature --zero-commit \
		--abbrev=12 -M --diff-algorithm=histogram "pristine..$3"
}

# sources: the repository's files that belong into the kernel
sources() {
	(cd "$TOP" && {
		find drivers include selftests Documentation cocci/*.cocci -type f
		# without what is built there
		find tools -type f ! -name '.checkpatch*' ! -name 'fuzz-found-*' ! -name '*.o' ! -name '*.skel.h' ! -name '*dmabuf-stat'
	}) | LC_ALL=C sort
}

# changed_paths: the kernel paths that one base or another has without the series
changed_paths() {
	awk 'FNR == 1 && FILENAME ~ /\/0001-/ { split("", seen) }
		/^diff --git a\// {
			a = substr($3, 3)
			known = a in seen
			seen[a]
			seen[substr($4, 3)]
			getline
			if (!known && !/^new file mode/)
				print a
		}' "$TOP"/patches/*/[0-9]*.patch | sort -u
}

# added TREE COMMIT: mode, blob and kernel path of each file that the series up
# to COMMIT adds, and that is in the repository as well
added() {
	kernel_git "$1" diff-tree -r --no-renames --diff-filter=A --no-abbrev pristine "$2" |
		awk -F '[ \t]' '
			NR == FNR { theirs[$1]; next }
			!($6 in theirs) { print $2, $4, $6 }' <(changed_paths) -
}

# entry FILE: the entry of the repository's MAINTAINERS, as FILE has it
entry() {
	awk -v title="$(sed -n '/^[^#]/{p;q}' "$TOP/MAINTAINERS")" '
		$0 == title { on = 1 }
		on && !NF { exit }
		on { print }' "$1"
}

# step BASE TEXT: the commit of its series whose patch has TEXT in its file name
step() {
	local found
	found=$(cd "$TOP/patches/$1" && printf '%s\n' [0-9]*.patch | grep -F -- "$2") ||
		die "patches/$1 has no patch '$2' (a part of its file name)"
	[ "$(wc -l <<< "$found")" = 1 ] || die "several patches of patches/$1 have '$2' in their names:
$found"
	kernel_git "$TREE" rev-list --reverse pristine..series | sed -n "$((10#${found%%-*}))p"
}

# in_sets: set and commit of each patch of the series of TREE
in_sets() {
	awk -F '\t' '
		NR == FNR { if (/^set /) { split($0, word, " "); set = word[2] } else if (/^\t/) of[$2] = set; next }
		$2 in of { print of[$2], $1; next }
		{ print "patches/sets does not have: " $2 > "/dev/stderr"; bad = 1 }
		END { exit bad }' "$TOP/patches/sets" \
		<(kernel_git "$TREE" log --reverse --format='%H%x09%s' pristine..series) ||
		die 'each patch must be in a set'
}

# commits SET: those of its patches
commits() { in_sets | awk -v set="$1" '$1 == set { print $2 }'; }

# sets: those that have patches for TREE
sets() { in_sets | awk '!seen[$1]++ { print $1 }'; }

# on SET: the sets that it is on, of those that have patches for TREE
on() {
	local set
	for set in $(sed -n "s/^set $1 on //p" "$TOP/patches/sets"); do
		[ -z "$(commits "$set")" ] || echo "$set"
	done
}

# needs SET: these, and those that they are on, in the order to apply them
needs() {
	local set
	for set in $(on "$1"); do
		needs "$set"
		echo "$set"
	done | awk '!seen[$0]++'
}

# check_set SET: dies with the list of known ones
check_set() {
	sed -n 's/^set \([a-z]*\).*/\1/p' "$TOP/patches/sets" | grep -qxF -- "$1" ||
		die "unknown SET '$1'; known: $(sed -n 's/^set \([a-z]*\).*/\1/p' "$TOP/patches/sets" | xargs)"
}

# workshop DIR REV [REPO]: a clone of REPO, or else of TREE, at REV, to pick commits in
workshop() {
	kernel_git "$TREE" log --format= --name-only --no-renames pristine..series | sort -u |
		clone "$@"
	echo "$BUILD/$TREE/patched/linux/.git/objects" >> "$1/.git/objects/info/alternates"
}

# pick DIR COMMIT...: on top of what is there; says by patch and hunk what conflicts
pick() {
	local dir=$1 commit
	shift
	for commit; do
		quiet_git -C "$dir" -c merge.renames=false -c gc.auto=0 cherry-pick "$commit" > /dev/null 2>&1 && continue
		say "\"$(kernel_git "$TREE" log -1 --format=%s "$commit")\" does not apply:"
		quiet_git -C "$dir" status --porcelain | sed -n 's/^\([AUD]*\) /  \1 /p' >&2
		quiet_git -C "$dir" diff >&2
		return 1
	done
}
