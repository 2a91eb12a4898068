# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by boot, check and torture: builds for, and runs, the machines of vm/boots.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# boots SET [BASE]: the rows of a set, those for BASE alone if it is given
boots() {
	awk -v s="$1" -v b="${2-}" '!/^#/ && $2 == s && (b == "" || $3 == b || $3 == "all")' \
		"$TOP/vm/boots"
}

# kernel_dir KERNEL: what it is called in build/BASE
kernel_dir() {
	case $1 in
	patched | unpatched) echo "$1" ;;
	*.patch) echo mutant ;;
	*) echo "patched-$1" ;;
	esac
}

# build_kernel BASE KERNEL
build_kernel() {
	case $2 in
	patched | unpatched) "$TOP/scripts/kernel" "$1" "$2" ;;
	*.patch) PATCH=$TOP/torture/$2 "$TOP/scripts/kernel" "$1" patched ;;
	*) "$TOP/scripts/kernel" "$1" patched "$TOP/vm/config/$2" ;;
	esac
}

# payload_dir BASE KERNEL: an architecture has programs of its own
payload_dir() {
	case $2 in
	arm64 | i386) echo "$BUILD/$1/payload-$2" ;;
	*) echo "$BUILD/$1/payload" ;;
	esac
}

# build_boot BASE KERNEL: the kernel and what it runs
build_boot() {
	build_kernel "$1" patched
	"$TOP/scripts/payload" "$1"
	[ "$2" = patched ] || build_kernel "$1" "$2"
	case $2 in
	arm64 | i386) "$TOP/scripts/payload" "$1" tests "$2" ;;
	btf)
		"$TOP/scripts/packages" bpf >&2
		"$TOP/scripts/build-rows" "$(payload_dir "$1" "$2")" ;;
	esac
}

# boot BASE KERNEL MIB SECONDS OPTION COMMAND FILE [VM ARGUMENTS]: one machine.
# FILE is its report, FILE.console its log, FILE.faults what has failed; $NUMBERS
# is how many have passed, failed and been skipped.  A fault of the machine or in
# its log is a failure more.
boot() {
	local base=$1 kernel=$2 option=$5 file=$7 rc=0
	local args=(--mem "$3" --time "$4" --run "$6" --report "$7" "${@:8}")
	case $option in
	icount) args+=(--icount) ;;
	*=*) args+=(--append "$option") ;;
	esac
	"$TOP/scripts/vm" "$base" "$(kernel_dir "$kernel")" --quiet \
		--payload "$(payload_dir "$base" "$kernel")" "${args[@]}" \
		2>&1 | tee "$file.said" >&2 || rc=$?
	"$TOP/scripts/ktap" "$base" "$file" > "$file.faults" || :
	NUMBERS=$(tail -n 1 "$file.faults")
	sed -i '$d' "$file.faults"
	if [[ $option = preempt=* ]] && ! grep -qi "dynamic preempt: ${option#*=}" "$file.console"; then
		echo "the kernel was not preempted as asked for: $option" > "$file.said"
		rc=98
	fi
	[ "$rc" != 0 ] || return 0
	echo "ended with status $rc" >> "$file.faults"
	grep -v -m 11 'lines so far$' "$file.said" >> "$file.faults" || :
	NUMBERS=$(awk '{ print $1, $2 + 1, $3 }' <<< "$NUMBERS")
}
