# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by kernel, payload and vm: what differs between architectures.

# Debian's name, the kernel's, prefix of its compiler, image, emulator, console.
# A kernel of 32-bit x86 is built by the compiler for 64 bits.
ARCHES='
amd64	x86	-			arch/x86/boot/bzImage	qemu-system-x86_64	ttyS0
i386	x86	i686-linux-gnu-		arch/x86/boot/bzImage	qemu-system-x86_64	ttyS0
arm64	arm64	aarch64-linux-gnu-	arch/arm64/boot/Image	qemu-system-aarch64	ttyAMA0
'

# arch_named NAME: sets ARCH_NAME, ARCH_KERNEL, ARCH_CROSS, ARCH_IMAGE,
# ARCH_QEMU and ARCH_CONSOLE
arch_named() {
	local found
	found=$(awk -v n="$1" '$1 == n' <<< "$ARCHES")
	[ -n "$found" ] || die "unknown architecture '$1'; known: $(awk 'NF { print $1 }' <<< "$ARCHES" | xargs)"
	read -r ARCH_NAME ARCH_KERNEL ARCH_CROSS ARCH_IMAGE ARCH_QEMU ARCH_CONSOLE <<< "$found"
	[ "$ARCH_CROSS" != - ] || ARCH_CROSS=
}

# arch_of FRAGMENT...: that which a line "# arch: NAME" in one of them asks for
arch_of() { arch_named "$(sed -n 's/^# arch: //p' "$@" | awk 'END { print NR ? $0 : "amd64" }')"; }

# arch_of_kernel DIR: that of a kernel which is built
arch_of_kernel() { arch_named "$(cat "$1/arch" 2> /dev/null || echo amd64)"; }
