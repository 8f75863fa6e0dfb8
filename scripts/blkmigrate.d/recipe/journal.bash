# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What was begun and what was done, in from/ID/journal on the old host: a line for each,
# appended and flushed before anything else happens.  A line that a power failure cut lacks
# its last word, a dot, and counts as not written.

declare -A finished=() begun=()

# journal_read: fill begun and finished.
journal_read() {
	local line words

	begun=() finished=()
	while IFS= read -r line; do
		[[ $line == *' .' ]] || continue
		read -r -a words <<<"$line"
		case ${words[1]} in
		begin) begun[${words[2]}]=${words[0]} ;;
		done) finished[${words[2]}]=${words[0]} ;;
		undo) unset "begun[${words[2]}]" "finished[${words[2]}]" ;;
		esac
	done < <(on old cat "${folder[old]}/from/$id/journal" 2>/dev/null || true)
}

# journal begin|done|undo|note WORD ...
journal() {
	local now

	$dry_run && return
	TZ=UTC0 printf -v now '%(%FT%TZ)T' -1
	guarded old bash -c '
		set -e
		[ -d "$1" ] || mkdir -p -m 700 "$1"
		[ -z "$(tail -c 1 "$1/journal" 2>/dev/null)" ] || echo >>"$1/journal"
		printf "%s\n" "$2" >>"$1/journal"
		sync "$1/journal"' journal "${folder[old]}/from/$id" "$now $* ." ||
		die "the journal on $(name_of old) cannot be written; nothing more is done"
	case $1 in
	begin) begun[$2]=now ;;
	done) finished[$2]=now ;;
	undo) unset "begun[$2]" "finished[$2]" ;;
	esac
}

# step NAME COMMAND [ARGUMENT ...]: once in the life of a migration.  The command may have
# been killed anywhere before, and must bear to be run again.
step() {
	local name=$1

	shift
	[ -z "${finished[$name]:-}" ] || return 0
	journal begin "$name"
	"$@"
	journal 'done' "$name"
}
