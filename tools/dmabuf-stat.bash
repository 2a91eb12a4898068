# SPDX-License-Identifier: GPL-2.0
# Completion for bash; the commands and options are those of --help
_dmabuf_stat() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local words
	COMPREPLY=()
	case $prev in
	--source) words='list bpf bufinfo sysfs fdinfo' ;;
	--by) words='holder allocator exporter module name comm pid cgroup user' ;;
	--root) compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	--from | --output | --baseline | --save-baseline | record | diff | report)
		compopt -o default
		return ;;
	*)
		if [[ $cur = -* ]]; then
			words=$("$1" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u)
		elif ((COMP_CWORD == 1)); then
			words=$("$1" --help | sed -n '/^commands:/,/^options:/s/^  \([a-z]*\).*/\1/p')
		else
			compopt -o default
			return
		fi ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _dmabuf_stat dmabuf-stat
