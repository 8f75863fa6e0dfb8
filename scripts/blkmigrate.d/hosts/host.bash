# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The two hosts, "old" and "new", and how commands get there.
#
# address[HOST] is the destination for ssh, or empty for this machine.  Each word of a command
# crosses ssh quoted by quote, and nothing else crosses.

declare -A address=([old]='' [new]='') folder=()
ssh_options=()
private=''

# quote WORD ...: print them so that any POSIX shell reads them back.
quote() {
	quote_words "$@"
	printf '%s\n' "$quoted"
}

# quote_words WORD ...: the same, in $quoted, without a process of its own.
quote_words() {
	local word words=() close="'\\''"

	for word; do
		if [[ $word =~ ^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+:,./=-]*$ ]]; then
			words+=("$word")
		else
			words+=("'${word//\'/"$close"}'")
		fi
	done
	quoted=${words[*]}
}

# fresh_function: begins a script for a host.  There, fresh FILE ... drops files from the page cache:
# what is read next is what the medium has.  A page whose write-back failed seems to have been
# written until then.
fresh_function='fresh() {
	local file left

	for file; do
		sync -- "$file" 2>/dev/null || true
		dd if="$file" iflag=nocache count=0 status=none 2>/dev/null || true
		left=$(fincore -nb -o RES -- "$file" 2>/dev/null) || continue
		[ "${left//[[:space:]]/}" = 0 ] ||
			echo "$file: only a cache is read, not the medium: its pages cannot be dropped" >&2
	done
}
'

# --- ssh --------------------------------------------------------------------------

# make_private: a folder for the sockets of ssh that no other user can reach.
make_private() {
	private=$(mktemp -d "${TMPDIR:-/tmp}/blkmigrate.XXXXXX") || die "cannot make a private folder"
}

# asking_ssh, stream_ssh [HOST]: set $ssh, the words that begin a connection, to HOST with the cipher for
# streams.  A host with an unknown key is never trusted, whatever the options say: ssh uses the first
# value of an option.
ssh=() quoted=''
asking_ssh() {
	ssh=(ssh -o StrictHostKeyChecking=yes "${ssh_options[@]}"
		-o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3)
}

stream_ssh() {
	asking_ssh
	ssh+=(-o BatchMode=yes)
	[ -z "$key_mark" ] || ssh+=(-o IdentitiesOnly=yes -i "$private/key")
	[ -z "${1:+${cipher[$1]:-}}" ] || ssh+=(-o "Ciphers=${cipher[$1]}")
}

# feed HOST COMMAND [ARGUMENT ...]: run it there, with our standard input.  What it says on standard
# error is relayed; what it prints must be kept from the terminal by the caller.
feed() {
	local host=$1 status=0

	shift
	if [ -z "${address[$host]}" ]; then
		relayed "$@"
	else
		stream_ssh
		quote_words "$@"
		quoted="LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 $quoted"
		relayed "${ssh[@]}" -o ControlMaster=auto -o "ControlPath=$private/$host" -o ControlPersist=60 \
			-- "${address[$host]}" "$quoted" || status=$?
		[ "$status" != 255 ] || line_broke
		return "$status"
	fi
}

# line_broke: note, for this program and all processes of it, that a host could not be asked.
line_broke() {
	[ -z "$private" ] || : >"$private/line-broke" || true
} 2>/dev/null

# random_hex BYTES: set $random to twice as many digits, from the kernel's random numbers; BYTES is a
# multiple of 4, or is rounded up to one.
random=''
random_hex() {
	local left=$1 word

	random=''
	while [ "$left" -gt 0 ]; do
		printf -v word %08x "$SRANDOM"
		random+=$word
		left=$((left - 4))
	done
	random=${random:0:$((2 * $1))}
}

# on HOST COMMAND [ARGUMENT ...]: run it there, without input.  Status 255 means that the host could
# not be asked; see answers.bash.
on() {
	feed "$@" </dev/null
}

# ssh_text HOST TEXT: print what to type here to run TEXT, a part of a pipe, there, over a
# connection of its own.
ssh_text() {
	if [ -z "${address[$1]}" ]; then
		printf '%s\n' "$2"
	else
		stream_ssh "$1"
		printf '%s\n' "$(quote "${ssh[@]}" -- "${address[$1]}") $(quote "$2")"
	fi
}

# name_of HOST: print its name for messages.
name_of() {
	printf '%s\n' "${address[$1]:-this host}"
}

# reach HOST [COMMAND]: die unless it answers, after the command.
reach() {
	reached "$1" || {
		${2:-true}
		die "$(name_of "$1") does not answer by ssh: mend that first (ssh ${address[$1]} true)"
	}
}

# reached HOST: whether it answers.  Check that its shell returns words unchanged, and set has_aes[HOST],
# and folder[HOST] to where the state of migrations is kept there: from/ID on the host that a disk
# leaves, to/ID on the one where it arrives.
reached() {
	local host=$1 word=$'\'"$(x)`x`\\ *\t;&|<>~#!%\xc3\xa4' said

	! $temp_key || key_login "$host" || die "$(name_of "$host") does not let us in by ssh"
	said=$(brief on "$host" sh -c "$say_aes"'if [ "$(id -u)" = 0 ]; then
			echo /var/lib/blkmigrate
		else
			echo "${XDG_STATE_HOME:-$HOME/.local/state}/blkmigrate"
		fi
		say_aes
		printf %s "$1"' reach "$word") || return
	[[ $said =~ ^(/[^$'\n']*)$'\n'(aes|none)$'\n' && ${said#"${BASH_REMATCH[0]}"} = "$word" ]] ||
		die "the login shell on $(name_of "$host") does not read words as a POSIX shell does, or prints something: give the user sh or bash"
	folder[$host]=${state_option:-${BASH_REMATCH[1]}} has_aes[$host]=${BASH_REMATCH[2]}
}

# hang_up HOST: end the connection that commands share.
hang_up() {
	[ -S "$private/$1" ] || return 0
	ssh -o "ControlPath=$private/$1" -O exit -- "${address[$1]}" 2>/dev/null || true
	rm -f "$private/$1"
}

# show HOST TEXT: print what is run there, as a prompt and a command.
show() {
	if $dry_run || $verbose; then
		make_shown "$2"
		printf '%s# %s\n' "$1" "$shown_text" >&"$shown"
	fi
}
