# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests/run and scripts/cocci

# plugin FOLDER: the plugin of gcc that writes facts, as FOLDER/facts.so
plugin() {
	local include
	include=$(gcc -print-file-name=plugin)/include
	[ -e "$include/gcc-plugin.h" ] ||
		die "missing; install it, then run this again: gcc-$(gcc -dumpversion)-plugin-dev"
	need g++ g++
	mkdir -p "$1"
	[ ! "$1/facts.so" -nt "$TOP/cocci/facts.cc" ] || return 0
	g++ -shared -fPIC -O2 -fno-rtti -fno-exceptions -I"$include" \
		-o "$1/facts.so.new" "$TOP/cocci/facts.cc" || die "cocci/facts.cc does not compile"
	mv "$1/facts.so.new" "$1/facts.so"
}
