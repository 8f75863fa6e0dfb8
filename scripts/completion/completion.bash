# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Completion for the blk filters and the drivers.  make appends this to the lists that options.awk
# makes of the manuals.  bash loads it when one of the programs is typed; zsh through _blk-filters.

# _blk_words WORD ...: those that go on with $cur.
_blk_words() {
	local word

	for word; do
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
}

# _blk_files [-d]: files and devices, or folders.
_blk_files() {
	local name

	[ -z "${ZSH_VERSION:-}" ] && compopt -o filenames 2>/dev/null
	while IFS= read -r name; do
		COMPREPLY+=("$name")
	done < <(compgen "${1:--f}" -- "$cur")
}

# The hosts that ssh's files name, by pattern or by hash excepted.
_blk_hosts() {
	local file words=()

	for file in ~/.ssh/config ~/.ssh/config.d/* /etc/ssh/ssh_config /etc/ssh/ssh_config.d/*; do
		[ ! -r "$file" ] || words+=("$(awk 'tolower($1) == "host" { for (i = 2; i <= NF; i++) if ($i !~ /[*?!]/) print $i }' "$file")")
	done
	for file in ~/.ssh/known_hosts /etc/ssh/ssh_known_hosts; do
		[ ! -r "$file" ] || words+=("$(awk '!/^[|#@[]/ { sub(/,.*/, "", $1); print $1 }' "$file")")
	done
	printf '%s\n' "${words[@]}"
}

# Machines, pools and groups of this host; what does not answer within two seconds has none.
_blk_ask() {
	timeout 2 "$@" 2>/dev/null </dev/null | awk '{ $1 = $1; print }'
}

_blk_split() {
	local line

	while IFS= read -r line; do
		[ -z "$line" ] || _blk_words "$line"
	done
}

# _blk_value PROGRAM OPTION: what that option may be.
_blk_value() {
	local choice found=''

	for choice in $(tr ' ' '\n' <<<"${_blk_choices[$1]}"); do
		if [ "${choice%%=*}" = "$2" ]; then
			_blk_words "${choice#*=}"
			found=yes
		fi
	done
	[ -z "$found" ] || return 0
	case $1:$2 in
	blksum:-a | blksum:--algorithm) _blk_words blk128 xxh128 xxh64 md5 sha1 sha256 sha512 ;;
	blkzip:-m | blkzip:--method) _blk_words deflate zstd ;;
	*:--bridge) _blk_split < <(_blk_ask ip -br link show type bridge | awk '{ print $1 }') ;;
	*:--from | *:--to) _blk_split < <(_blk_hosts | sort -u) ;;
	*:--connect) _blk_words qemu:///system qemu:///session xen:///system ;;
	*:--pool) _blk_split < <(_blk_ask virsh -q pool-list --all --name) ;;
	*:--vg) _blk_split < <(_blk_ask vgs --noheadings -o vg_name) ;;
	*:--dir | *:--state) _blk_files -d ;;
	*:--map | *:--snapshot | *:--store | *:--changes | *:--backing | *:--undo) _blk_files ;;
	*:--id | *:--bwlimit | *:-L | *:--rate-limit)
		if [[ $cur == @* ]]; then
			cur=${cur#@}
			_blk_files
			COMPREPLY=("${COMPREPLY[@]/#/@}")
		fi
		;;
	esac
}

# _blk_operand PROGRAM: a file; for a driver its command, then what that is about.
_blk_operand() {
	local i word command=''

	if [ -z "${_blk_commands[$1]}" ]; then
		_blk_files
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ " ${_blk_takers[$1]} " == *" $word "* ]]; then
			i=$((i + 1))
		elif [[ $word != -* ]]; then
			command=$word
			break
		fi
	done
	case $1:$command in
	*:) _blk_split < <(tr ' ' '\n' <<<"${_blk_commands[$1]}") ;;
	blkmigrate:copy | blkmigrate:import) _blk_files ;;
	blkmigrate:*) _blk_split < <(_blk_ask virsh -q list --all --name) ;;
	esac
}

_blk() {
	local program=${COMP_WORDS[0]##*/} cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	# bash cuts words at "=" and ":".
	if [ "$before" = = ] && [ "$COMP_CWORD" -gt 1 ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	elif [ "$cur" = = ]; then
		cur=''
	fi
	if [[ " ${_blk_takers[$program]} " == *" $before "* ]]; then
		_blk_value "$program" "$before"
	elif [[ $cur == -* ]]; then
		_blk_split < <(tr ' ' '\n' <<<"${_blk_flags[$program]} ${_blk_takers[$program]}")
	else
		_blk_operand "$program"
	fi
}

complete -F _blk "${_blk_programs[@]}"
