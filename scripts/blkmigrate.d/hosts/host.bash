# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The two hosts, "old" and "new", and how commands get there.
#
# address[HOST] is what ssh is told, or empty for this machine.  All that a command is made
# of crosses ssh through quote, and nothing else does.

declare -A address=([old]='' [new]='') folder=()
ssh_options=()
private=''

# quote WORD ...: the words as any POSIX shell reads them back.
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

# --- ssh --------------------------------------------------------------------------

# The sockets of ssh lie where nobody else can reach them.
make_private() {
	private=$(mktemp -d "${TMPDIR:-/tmp}/blkmigrate.XXXXXX") || die "cannot make a private folder"
}

# asking_ssh, stream_ssh: set $ssh, the words that begin a connection.  A host whose key is not
# known is never trusted, whatever the options say: the first mention counts.
asking_ssh() {
	ssh=(ssh -o StrictHostKeyChecking=yes "${ssh_options[@]}"
		-o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3)
}

stream_ssh() {
	asking_ssh
	ssh+=(-o BatchMode=yes)
	[ -z "$key_mark" ] || ssh+=(-o IdentitiesOnly=yes -i "$private/key")
}

# feed HOST COMMAND [ARGUMENT ...]: run it there, with our standard input.
feed() {
	local host=$1 ssh quoted

	shift
	if [ -z "${address[$host]}" ]; then
		"$@"
		return
	fi
	stream_ssh
	quote_words env LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 "$@"
	"${ssh[@]}" -o ControlMaster=auto -o "ControlPath=$private/$host" -o ControlPersist=60 \
		-- "${address[$host]}" "$quoted"
}

# on HOST COMMAND [ARGUMENT ...]: run it there, without input.  255 means that the host
# could not be asked.
on() {
	feed "$@" </dev/null
}

# ssh_text HOST TEXT: a pipe's part TEXT as it is given here to be run there, by a
# connection of its own.
ssh_text() {
	local ssh

	if [ -z "${address[$1]}" ]; then
		printf '%s\n' "$2"
	else
		stream_ssh
		printf '%s\n' "$(quote "${ssh[@]}" -- "${address[$1]}") $(quote "$2")"
	fi
}

# name_of HOST: for people.
name_of() {
	printf '%s\n' "${address[$1]:-this host}"
}

# reach HOST: it answers, its shell gives back what it is given, and it is known where what
# is known of migrations lies there: from/ID on the host that a disk leaves, to/ID on the one
# where it arrives.
reach() {
	local host=$1 word=$'\'"$(x)`x`\\ *\t;&|<>~#!%\xc3\xa4' answer

	! $temp_key || key_login "$host" || die "$(name_of "$host") does not let us in by ssh"
	answer=$(on "$host" sh -c 'if [ "$(id -u)" = 0 ]; then
			echo /var/lib/blkmigrate
		else
			echo "${XDG_STATE_HOME:-$HOME/.local/state}/blkmigrate"
		fi
		printf %s "$1"' reach "$word") ||
		die "$(name_of "$host") does not answer by ssh: mend that first (ssh ${address[$host]} true)"
	folder[$host]=${state_option:-${answer%%$'\n'*}}
	[ "${answer#*$'\n'}" = "$word" ] ||
		die "the login shell on $(name_of "$host") does not read words as a POSIX shell does, or prints something: give the user sh or bash"
}

# show HOST TEXT: what is run there, as a prompt and a command.
show() {
	if $dry_run || $verbose; then
		printf '%s# %s\n' "$1" "$2" >&"$shown"
	fi
}
