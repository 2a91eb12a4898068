# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by all that needs the series of a base: makes it, as the branch
# "series" of its kernel tree, from edits/ and the sources.  Works on a scratch
# copy of the touched files and never on the work tree.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# from_repo: repository paths to kernel paths; to_repo: the other way round
from_repo() {
	sed -e 's|^selftests/|tools/testing/selftests/dmabuf-stats/|' \
		-e 's|^cocci/|scripts/coccinelle/api/|'
}
to_repo() {
	sed -e 's|^tools/testing/selftests/dmabuf-stats/|selftests/|' \
		-e 's|^scripts/coccinelle/api/|cocci/|'
}

# part BASE FILE: FILE's text for BASE: "@only BASE..." starts a part that only
# these bases have, "@all" ends it; "@version@" is the version in "bases",
# "@torture@" the sum of torture/RESULT, and bench/report replaces what is quoted
# from the benchmark
part() {
	local text torture
	torture=$(sed -n 's/^exports made: //p' "$TOP/torture/RESULT")
	text=$(awk -v base="$1" -v known="$(bases | xargs)" -v version="$(base_field "$1" 3)" \
		-v torture="$torture" '
		BEGIN { n = split(known, k, " "); for (i = 1; i <= n; i++) is[k[i]] = 1 }
		$1 == "@only" {
			off = 1
			for (i = 2; i <= NF; i++) {
				if (!($i in is)) { print FILENAME ": no base " $i > "/dev/stderr"; exit 1 }
				if ($i == base) off = 0
			}
			next
		}
		$0 == "@all" { off = 0; next }
		!off { gsub(/@version@/, version); gsub(/@torture@/, torture); print }' "$2") ||
		die "${2#"$TOP"/}: bad @only line"
	case $text in
	*@bench\ * | *@cover\ *)
		"$TOP/bench/report" quote <<< "$text" ||
			die "${2#"$TOP"/} quotes what has not been measured" ;;
	*) printf '%s\n' "$text" ;;
	esac
}

# steps BASE: the folders of edits/ that make a patch for BASE, in order
steps() {
	local d b mine
	for d in "$TOP"/edits/[0-9]*/; do
		d=${d%/}
		[ -d "$d" ] || continue
		[ -s "$d/message" ] || die "${d#"$TOP"/} has no message"
		if [ -f "$d/bases" ]; then
			mine=
			for b in $(cat "$d/bases"); do
				check_base "$b"
				[ "$b" != "$1" ] || mine=1
			done
			[ -n "$mine" ] || continue
		fi
		echo "$d"
	done
}

# upto BASE STEP: the commit of the branch "series" that edits/STEP makes
upto() {
	local n
	n=$(steps "$1" | grep -nx "$TOP/edits/$2" | cut -d : -f 1) ||
		die "the series for $1 has no step '$2'; known: $(steps "$1" | sed 's|.*/||' | xargs)"
	kernel_git "$TREE" rev-list --reverse pristine..series | sed -n "${n}p"
}

# new_files BASE STEP: kernel paths of the files that STEP adds
new_files() {
	[ ! -f "$2/files" ] || part "$1" "$2/files" | sed -e 's/#.*//' -e 's/[ \t]*$//' -e '/^$/d'
}

# diffs BASE STEP: the diffs of STEP, in the order of their use: all.diff, those
# that some bases share (6.1+6.12.diff), and the base's own
diffs() {
	local f name
	for f in "$2/all.diff" "$2"/*+*.diff "$2/$1.diff"; do
		name=$(basename "$f" .diff)
		case +$name+ in
		+all+ | *+"$1"+*) [ ! -s "$f" ] || echo "$f" ;;
		esac
	done
}

# diff_paths DIFF: what it touches
diff_paths() {
	grep -q '^diff --git ' "$1" || die "${1#"$TOP"/}: write it with 'git diff' (no 'diff --git' line)"
	sed -n 's|^diff --git a/\(.*\) b/\(.*\)$|\1\n\2|p' "$1" | sort -u
}

# step_paths BASE STEP: all that STEP touches
step_paths() {
	local d
	new_files "$1" "$2"
	for d in $(diffs "$1" "$2"); do
		diff_paths "$d"
	done
	[ ! -e "$2/maintainers" ] || echo MAINTAINERS
}

# staged ARGS...: git on the scratch copy $SCRATCH/work with an index of its own
staged() {
	GIT_DIR=$BUILD/$TREE/patched/linux/.git GIT_WORK_TREE=$SCRATCH/work \
		GIT_INDEX_FILE=$SCRATCH/index quiet_git -C "$SCRATCH/work" "$@"
}

# stage REV PATH...: fills the scratch copy with these files of REV
stage() {
	local rev=$1
	shift
	rm -rf "$SCRATCH/work" "$SCRATCH/index"
	mkdir -p "$SCRATCH/work"
	staged read-tree "$rev"
	[ $# -gt 0 ] || return 0
	staged --literal-pathspecs ls-files -z -- "$@" | staged checkout-index -z --stdin
}

# source_text: what TREE was made from
source_text() { sed -n 1p "$BUILD/$TREE/source"; }

# is_recorded BASE: whether TREE is the package version that "bases" records
is_recorded() {
	[ "$(sed -n 3p "$BUILD/$TREE/source")" = "package $(base_field "$1" 3)" ]
}

# apply DIFF NAME ONTO [OPTION...]: to the scratch copy, which is ONTO; what
# does not fit is told hunk by hunk.  The fuzz that was needed is noted in $SCRATCH/fuzz.
apply() {
	local diff=$1 name=$2 onto=$3 out=$SCRATCH/patch.out
	shift 3
	rm -f "$SCRATCH/rejects"
	if patch -p1 -f -d "$SCRATCH/work" --no-backup-if-mismatch \
		-r "$SCRATCH/rejects" "$@" < "$diff" > "$out" 2>&1; then
		awk -v n="$name" '/^(checking|patching) file / { f = $3 }
			/ with fuzz / { print n ": " f ": " $0 }' "$out" >> "$SCRATCH/fuzz"
		return
	fi
	say "$name does not apply to $onto:"
	awk '/^patching file / { f = $3 }
		/^Hunk #[0-9]+ FAILED/ { print "  " f ": hunk " $2 " (at line " $5 + 0 ")" }
		/^can.t find file|^The next patch|^\|\+\+\+ |malformed/ { print "  " $0 }' "$out" >&2
	[ ! -s "$SCRATCH/rejects" ] || head -n 60 "$SCRATCH/rejects" >&2
	die "$name must be made to fit $onto"
}

# first_state BASE FILE STEP...: a new file as the patch that adds it has it:
# the repository's, less what the steps after that one add to it
first_state() {
	local base=$1 file=$2 step diff
	local target=$SCRATCH/work/$file from=$TOP/$(to_repo <<< "$2")
	shift 2
	[ -f "$from" ] || die "$file is in a 'files' list, but there is no ${from#"$TOP"/}"
	[ ! -e "$target" ] || die "$file is already there in $(source_text)"
	mkdir -p "${target%/*}"
	cp "$from" "$target"
	while [ $# -gt 0 ]; do
		step=${*: -1}
		set -- "${@:1:$#-1}"
		for diff in $(diffs "$base" "$step" | tac); do
			awk -v f="$file" '/^diff --git / { on = $0 == "diff --git a/" f " b/" f }
				on' "$diff" > "$SCRATCH/part.diff"
			[ ! -s "$SCRATCH/part.diff" ] ||
				apply "$SCRATCH/part.diff" "${diff#"$TOP"/}, taken back," \
					"${from#"$TOP"/}" -R -F2
		done
	done
}

# add_maintainers: puts the repository's entry after the one that the alphabet
# has before it
add_maintainers() {
	local entry=$SCRATCH/entry file=$SCRATCH/work/MAINTAINERS
	sed -e '/^#/d' "$TOP/MAINTAINERS" | quiet_git stripspace > "$entry"
	[ -s "$entry" ] || die "MAINTAINERS has no entry"
	LC_ALL=C awk -v entry="$entry" '
		function flush() { if (place) { print ""; while ((getline l < entry) > 0) print l; place = 0 } }
		NR == FNR {
			if (FNR == 1) ours = ""
			if (inlist && prev == "" && $0 ~ /^[^ \t.]/) title = $0
			else if (title != "" && $0 ~ /^[A-Z]:\t/ && prev == title) {
				t = tolower(title)
				if (t <= want && t > best) { best = t; at = title }
			}
			if ($0 == "Maintainers List") inlist = 1
			prev = $0
			next
		}
		$0 == at { found = 1 }
		found == 1 && $0 == "" { place = 1; flush(); found = 2 }
		{ print }
		END { if (found != 2) exit 1 }
	' want="$(head -n 1 "$entry" | LC_ALL=C tr '[:upper:]' '[:lower:]')" "$file" "$file" > "$file.new" ||
		die "MAINTAINERS of $(source_text): found no place for the entry"
	mv "$file.new" "$file"
}

# record PARENT MESSAGE-FILE: commits the paths named on stdin; prints the commit
record() {
	local tree
	staged update-index --add --remove --stdin
	tree=$(staged write-tree)
	[ "$tree" != "$(staged rev-parse "$1^{tree}")" ] || return 1
	staged commit-tree -p "$1" -F "$2" "$tree"
}

# series BASE TREE: brings the branch "series" of TREE up to date
series() {
	local base=$1 step all paths file parent key onto
	TREE=$2
	lock "source-$TREE"
	[ -n "${SCRATCH-}" ] || scratch
	cd "$TOP" || return
	key=$({
		kernel_git "$TREE" rev-parse pristine
		inputs=(bases MAINTAINERS scripts/series.sh scripts/lib.sh edits drivers
			selftests Documentation bench/report bench/RESULT
			torture/RESULT)
		[ ! -d cocci ] || inputs+=(cocci)
		find "${inputs[@]}" -type f -printf '%p %m\n' | LC_ALL=C sort
		find "${inputs[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat
	} | sha256sum)
	if [ "$key" = "$(cat "$BUILD/$TREE/series" 2> /dev/null)" ] &&
		kernel_git "$TREE" rev-parse -q --verify refs/heads/series > /dev/null; then
		return
	fi
	all=$(steps "$base")
	# shellcheck disable=SC2086
	set -- $all
	paths=$(for step; do step_paths "$base" "$step"; done | sort -u)
	# shellcheck disable=SC2086
	stage pristine $paths
	: > "$SCRATCH/fuzz"
	onto=$(source_text)
	parent=$(kernel_git "$TREE" rev-parse pristine)
	while [ $# -gt 0 ]; do
		step=$1
		shift
		for file in $(new_files "$base" "$step"); do
			first_state "$base" "$file" "$@"
		done
		for diff in $(diffs "$base" "$step"); do
			fuzz=-F1
			[ "$diff" != "$step/$base.diff" ] || fuzz=-F0
			apply "$diff" "${diff#"$TOP"/}" "$onto" "$fuzz"
		done
		[ ! -e "$step/maintainers" ] || add_maintainers
		part "$base" "$step/message" | quiet_git stripspace > "$SCRATCH/message"
		[ -s "$SCRATCH/message" ] || die "${step#"$TOP"/}/message is empty for $base"
		parent=$(step_paths "$base" "$step" | sort -u | record "$parent" "$SCRATCH/message") ||
			die "${step#"$TOP"/} changes nothing on $base; give it a 'bases' file"
	done
	for step in $all; do
		for file in $(new_files "$base" "$step"); do
			cmp -s "$SCRATCH/work/$file" "$TOP/$(to_repo <<< "$file")" ||
				die "after the series for $base, $file is not what $(to_repo <<< "$file") holds; diff:
$(diff -u "$TOP/$(to_repo <<< "$file")" "$SCRATCH/work/$file" | head -n 30)"
		done
	done
	kernel_git "$TREE" update-ref refs/heads/series "$parent"
	echo "$key" > "$BUILD/$TREE/series"
}

# format BASE TREE FOLDER: the series as mails, with its cover letter if
# edits/cover/ has one
format() {
	local base=$1 out=$3 cover text=
	local args=(-q -n -o "$out" --no-signature --zero-commit --abbrev=12 -M
		--diff-algorithm=histogram --cover-from-description=subject)
	TREE=$2
	mkdir -p "$out"
	for cover in "$TOP/edits/cover/$base" "$TOP/edits/cover/all"; do
		[ -f "$cover" ] || continue
		text=$(part "$base" "$cover" | quiet_git stripspace)
		args+=(--cover-letter)
		break
	done
	kernel_git "$TREE" -c branch.series.description="$text" \
		format-patch "${args[@]}" pristine..series > /dev/null
	[ -z "$text" ] || mv "$out/0000-cover-letter.patch" "$out/0000-cover-letter.txt"
}
