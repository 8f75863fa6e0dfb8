# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What reaches the terminal.  Names, answers and messages may have been made by anybody, and a
# terminal obeys what is in them: ESC and the other control characters, U+0080 to U+009F among
# them, become question marks.  Other characters of UTF-8 stay as they are; of what is not UTF-8
# only ASCII does.

# More of one message, and more bytes of all that a command says, are not shown.
shown_limit=20000 relay_limit=1000000

# Characters of UTF-8 as RFC 3629 has them, and line feeds, as an extended regular expression for
# bytes: the locale is C.
next_byte=$'[\x80-\xbf]'
utf8_text=$'^([ -~\n]|[\xc2-\xdf]'"$next_byte"
utf8_text+=$'|\xe0[\xa0-\xbf]'"$next_byte"$'|[\xe1-\xec\xee\xef]'"$next_byte$next_byte"
utf8_text+=$'|\xed[\x80-\x9f]'"$next_byte"
utf8_text+=$'|\xf0[\x90-\xbf]'"$next_byte$next_byte"$'|[\xf1-\xf3]'"$next_byte$next_byte$next_byte"
utf8_text+=$'|\xf4[\x80-\x8f]'"$next_byte$next_byte)*$"

# make_shown TEXT: $shown_text is what of it may be shown; line feeds stay.
shown_text=''
make_shown() {
	shown_text=${1:0:shown_limit}
	[[ $shown_text == *[!\ -~]* ]] || return 0
	shown_text=${shown_text//$'\t'/ }
	shown_text=${shown_text//[$'\001'-$'\011\013'-$'\037\177']/?}
	shown_text=${shown_text//$'\xc2'[$'\x80'-$'\x9f']/??}
	[[ $shown_text =~ $utf8_text ]] || shown_text=${shown_text//[$'\x80'-$'\xff']/?}
}

# printable TEXT: the same as one line, on standard output.
printable() {
	make_shown "$1"
	printf '%s' "${shown_text//$'\n'/?}"
}

# relay [DELIMITER]: what programs say on standard error, from standard input to standard output,
# line by line.  It reads to the end in any case, so that nobody who writes has to wait.
relay() {
	local line end=${1:-$'\n'} size=0 whole=yes

	trap '' INT
	while IFS= read -r -n 8192 -d "$end" line || [ -n "$line" ]; do
		size=$((size + ${#line} + 1))
		whole=no
		[ "$size" -le "$relay_limit" ] || break
		make_shown "${line%$'\r'}"
		! keep_digest "$shown_text" && ! is_needless "$shown_text" || continue
		printf "%s$end" "$shown_text" || break
		whole=yes
	done 2>/dev/null
	[ "$whole" = yes ] || cat >/dev/null
}

# is_needless LINE: blkwrite cannot tell that a delta made from a bitmap is for its target; this program
# can, by the mark of the target and the checkpoint of the bitmap.
is_needless() {
	[[ $1 == 'blkwrite: '*': the delta does not state all of the old data: that it is for this target was not checked' ]]
}

# keep_digest LINE: where digest_file is set, keep there what blkread -v and blkwrite -v say of their
# digests at the end; the line of the first is nothing for the operator: true.
digest_file=''
keep_digest() {
	[ -n "$digest_file" ] && [[ $1 =~ ^blk(read|write):\ .*,\ [0-9.]+\ s,\ [^,]+/s(, verified)?,\ (blk128:[0-9a-f]{32})$ ]] || return
	printf '%s%s %s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}" >>"$digest_file"
	[ "${BASH_REMATCH[1]}" = read ]
}

# relayed COMMAND [ARGUMENT ...]: run it with its standard error relayed to ours.
relayed() {
	local status=0

	{ "$@" 2>&1 >&4 4>&- | relay >&2 4>&-; } 4>&1 || status=$?
	return "$status"
}
