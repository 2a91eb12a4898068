# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by bisect, matrix and check-static: builds the objects that the series of a
# base touches, at any of its commits, and reports new warnings.  The source is a
# hard-linked copy of build/BASE/patched/linux, so that the kernels there need no
# rebuild.

. "$(dirname "${BASH_SOURCE[0]}")/series.sh"

MATRIX=$TOP/matrix

# link BASE: the copy, as "pristine"
link() {
	lock "tree-$1"
	"$TOP/scripts/get-source" "$1"
	series "$1" "$1"
	local key
	key=$(kernel_git "$1" rev-parse 'pristine^{tree}')
	[ "$key" != "$(cat "$OBJDIR/key" 2> /dev/null)" ] || return 0
	space 2000
	say "$1: linking a copy of the source"
	rm -rf "$OBJDIR"
	mkdir -p "$OBJTREE"
	find "$BUILD/$1/patched/linux" -mindepth 1 -maxdepth 1 ! -name .git \
		-exec cp -al -t "$OBJTREE" {} +
	kernel_git "$1" diff --name-only pristine -- > "$OBJDIR/paths"
	put pristine
	echo "$key" > "$OBJDIR/key"
}

# objects BASE: brings the copy and the series up to date, for this script alone
objects() {
	TREE=$1
	OBJDIR=$BUILD/$1/objects
	OBJTREE=$OBJDIR/linux
	lock "objects-$1"
	# the tree itself is free again when it has been copied
	(link "$1") || exit
	EXTRA=$({
		echo kernel/bpf/dmabuf_iter.c
		kernel_git "$1" diff --name-only pristine series -- '*.c' |
			grep -vE '^(drivers/dma-buf|tools)/' || :
	} | sort -u)
	mkdir -p "$OBJDIR/log"
	# which a run of "check-static" that was killed may have left
	rm -f "$OBJTREE/.git"
}

# put REV: the copy as REV has it.  Files are replaced, not written to: other
# names of them must keep what they hold; those that do not change stay.
# $COPY_IS is what it is.
put() {
	local path want got new=$OBJDIR/new
	{
		kernel_git "$TREE" diff --name-only --no-renames pristine "$1" --
		cat "$OBJDIR/paths"
	} | LC_ALL=C sort -u > "$OBJDIR/paths.new"
	mv "$OBJDIR/paths.new" "$OBJDIR/paths"
	# all in three runs of git: what is wanted, what is there, and the rest
	# -r: without a path, ls-tree would list the whole tree
	xargs -r -a "$OBJDIR/paths" git -c safe.directory='*' --literal-pathspecs \
		-C "$BUILD/$TREE/patched/linux" ls-tree -r "$1" -- |
		awk -F '[ \t]' '{ print $4, $3 }' > "$OBJDIR/want"
	while read -r path; do
		[ ! -f "$OBJTREE/$path" ] || echo "$path"
	done < "$OBJDIR/paths" > "$OBJDIR/there"
	sed "s|^|$OBJTREE/|" "$OBJDIR/there" |
		kernel_git "$TREE" hash-object --no-filters --stdin-paths |
		paste -d ' ' "$OBJDIR/there" - > "$OBJDIR/got"
	while read -r path; do
		want=$(awk -v p="$path" '$1 == p { print $2 }' "$OBJDIR/want")
		got=$(awk -v p="$path" '$1 == p { print $2 }' "$OBJDIR/got")
		if [ -z "$want" ]; then
			rm -f "$OBJTREE/$path"
		elif [ "$want" != "$got" ]; then
			kernel_git "$TREE" cat-file blob "$want" > "$new"
			mkdir -p "$(dirname "$OBJTREE/$path")"
			mv "$new" "$OBJTREE/$path"
		fi
	done < <(LC_ALL=C comm -3 <(LC_ALL=C sort "$OBJDIR/want") <(LC_ALL=C sort "$OBJDIR/got") |
		awk '{ print $1 }' | LC_ALL=C sort -u)
	COPY_IS=$1
}

# cells BASE [full]: the names of the cells for BASE, or those in $CELL
cells() {
	[ -z "${CELL-}" ] || { tr ' ' '\n' <<< "$CELL"; return; }
	awk -v b="$1" -v full="${2-}" '!/^#/ && NF && $1 != "common" &&
		(full != "" || $2 == "all" || index("," $2 ",", "," b ",")) { print $1 }' "$MATRIX"
}

# cell NAME: sets ARCH, CHECKER, SYMBOLS, KMAKE and OBJ for it
cell() {
	local cross=
	read -r _ _ ARCH CHECKER SYMBOLS < <(awk -v c="$1" '$1 == c && c != "common"' "$MATRIX") ||
		die "there is no cell '$1' in ${MATRIX#"$TOP"/}"
	KMAKE=(make -C "$OBJTREE" --no-print-directory)
	case $ARCH in
	x86_64) KMAKE+=(ARCH=x86_64) ;;
	i386) KMAKE+=(ARCH=i386) cross=i686-linux-gnu- ;;
	arm) KMAKE+=(ARCH=arm) cross=arm-linux-gnueabihf- ;;
	arm64) KMAKE+=(ARCH=arm64) cross=aarch64-linux-gnu- ;;
	s390x) KMAKE+=(ARCH=s390) cross=s390x-linux-gnu- ;;
	*) die "cell $1: unknown architecture '$ARCH'" ;;
	esac
	KMAKE+=(CROSS_COMPILE="$cross")
	CC=${cross}gcc
	case $CHECKER in
	gcc) KMAKE+=(W=1) ;;
	clang)
		# the oldest that 7.3 takes is 17
		CC=clang-19
		KMAKE+=(W=1)
		;;
	sparse)
		SPARSE=${SPARSE:-$("$TOP/scripts/find-tool" sparse)}
		KMAKE+=(C=2 CHECK="$SPARSE")
		;;
	*) die "cell $1: unknown checker '$CHECKER'" ;;
	esac
	need "$CC" "$([ -z "$cross" ] && echo "$CC" || echo "gcc-${cross%-}")"
	[ "$CHECKER" != sparse ] || need "$SPARSE" sparse
	if command -v ccache > /dev/null && [ "$CHECKER" != sparse ]; then
		KMAKE+=(CC="ccache $CC")
	else
		KMAKE+=(CC="$CC")
	fi
	OBJ=$OBJDIR/$ARCH-$CHECKER
	KMAKE+=(O="$OBJ")
}

# asked: the symbols of the cell, a line each
asked() {
	{
		case " $SYMBOLS " in
		*' allmodconfig '*) ;;
		*) awk '$1 == "common" { for (i = 2; i <= NF; i++) print $i }' "$MATRIX" ;;
		esac
		tr ' ' '\n' <<< "${SYMBOLS/allmodconfig/}"
	} | awk -F= 'NF == 2 { v[$1] = $2 } END { for (k in v) print "CONFIG_" k "=" v[k] }' | sort
}

# config LOG: configures for the cell; its own symbols, and DMABUF_STATS if the
# source at hand has it, must come out as asked
config() {
	local goal=allnoconfig own wrong
	mkdir -p "$OBJ"
	asked > "$OBJ/asked"
	case " $SYMBOLS " in *' allmodconfig '*) goal=allmodconfig ;; esac
	"${KMAKE[@]}" KCONFIG_ALLCONFIG="$OBJ/asked" $goal > "$1" 2>&1 || return
	own=$(tr ' ' '\n' <<< "$SYMBOLS" | sed -n 's/^\([A-Z0-9_]*\)=.*/CONFIG_\1=/p' | grep -v DMABUF_STATS= || :)
	! grep -q '^config DMABUF_STATS$' "$OBJTREE/drivers/dma-buf/Kconfig" || own+=$'\nCONFIG_DMABUF_STATS='
	wrong=$(grep '^CONFIG_' "$OBJ/asked" | grep -F "${own#$'\n'}" | not_so /dev/stdin "$OBJ/.config")
	[ -z "$own" ] || [ -z "$wrong" ] || {
		echo "error: not as asked for:$wrong" >> "$1"
		return 1
	}
}

# compile LOG: what the series touches, and all of drivers/dma-buf
compile() {
	local targets=(drivers/dma-buf/) f
	for f in $EXTRA; do
		[ ! -f "$OBJTREE/$f" ] || targets+=("${f%.c}.o")
	done
	"${KMAKE[@]}" -k -j"${JOBS:-$(nproc)}" "${targets[@]}" >> "$1" 2>&1 || return
	[ -s "$OBJ/drivers/dma-buf/dma-buf.o" ] || {
		echo 'error: there is no drivers/dma-buf/dma-buf.o' >> "$1"
		return 1
	}
}

# forget: removes the objects, so that the next build tells every warning
forget() {
	local f
	[ ! -d "$OBJ/drivers/dma-buf" ] || find "$OBJ/drivers/dma-buf" -name '*.o' -delete
	for f in $EXTRA; do rm -f "$OBJ/${f%.c}.o"; done
}

# findings LOG: what was warned of, without the places, which move; the build's own
# tools are built once, and none of the series'
findings() {
	grep -aE '([Ww]arning|error): ' "$1" | grep -av '^make' |
		sed -E -e "s|$OBJTREE/||g" -e 's|^(\.\./)+||' \
			-e 's/:[0-9]+(:[0-9]+)?:? /: /' | grep -v '^scripts/' |
		LC_ALL=C sort -u || :
}

# known CELL: the findings of the unpatched tree, in a file that is $KNOWN; made
# once for each source, config and compiler.  Leaves the copy unpatched if it
# had to be made.
known() {
	local key
	key=$({
		cat "$OBJDIR/key" "$TOP/scripts/objects.sh"
		asked
		echo "${KMAKE[@]}"
		"$CC" --version
		[ "$CHECKER" != sparse ] || "$SPARSE" --version
	} | sha256sum | cut -c 1-16)
	KNOWN=$OBJDIR/known/$1-$key
	[ ! -e "$KNOWN" ] || return 0
	local log=$OBJDIR/log/$1-unpatched
	mkdir -p "$OBJDIR/known"
	rm -f "$OBJDIR/known/$1"-*
	put pristine
	forget
	if ! { config "$log" && compile "$log"; }; then
		tail -n 15 "$log" >&2
		return 1
	fi
	findings "$log" > "$KNOWN.new"
	mv "$KNOWN.new" "$KNOWN"
}

# fresh LOG CELL: its findings that the unpatched tree has not, which is only
# built if there are any
fresh() {
	local found
	found=$(findings "$1")
	[ -n "$found" ] || return 0
	if known "$2"; then
		LC_ALL=C comm -23 - "$KNOWN" <<< "$found"
	else
		echo 'there are warnings, and the unpatched tree does not build:'
		echo "$found"
	fi
}
