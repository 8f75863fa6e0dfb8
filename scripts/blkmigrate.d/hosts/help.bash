# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What --help, --version and a wrong command line of a program print.  A program fills:
#
#	help_about	what it does
#	help_usage	the manual's synopsis, a line each
#	help_commands	'command; what it does', if it has commands
#	help_options	'commands; option and argument; what it means'; the commands that take it, with
#			blanks between; none: all
#	help_like	[command]=another, which takes the same options
#	help_examples	command lines

declare -A help_like=()
help_about='' help_usage=() help_commands=() help_options=() help_examples=()

# print_help PROGRAM [COMMAND]: with a command, of that one alone.
print_help() {
	local program=$1 topic=${2:-} each

	{
		if [ -z "$topic" ]; then
			printf '%s\n\n' "$help_about"
			printf 'usage: %s\n' "${help_usage[0]}"
			[ ${#help_usage[@]} -eq 1 ] || printf '       %s\n' "${help_usage[@]:1}"
		else
			for each in "${help_commands[@]}"; do
				[ "${each%%; *}" != "$topic" ] || printf '%s %s: %s\n' "$program" "$topic" "${each#*; }"
			done
			printf '\nusage: %s\n' "$(usage_of "$program" "$topic")"
		fi
		if [ -z "$topic" ] && [ ${#help_commands[@]} -gt 0 ]; then
			printf '\nCommands; %s --help explains one:\n' "$program command"
			printf '%s\n' "${help_commands[@]}" | two_columns 12
		fi
		printf '\nOptions:\n'
		options_of "$topic" | two_columns 28
		printf '\nExamples:\n'
		examples_of "$program" "$topic"
		printf '\nThe manual: man %s\n' "$program"
	} || { warn "standard output: cannot be written" && exit 2; }
	exit 0
}

# two_columns WIDTH: lines "left; right" as two columns, the right one broken at blanks.
two_columns() {
	awk -F '; ' -v width="$1" '
		{
			line = sprintf("  %-*s", width - 2, $1)
			if (length($1) > width - 4) { print "  " $1; line = sprintf("%*s", width, "") }
			count = split(substr($0, length($1) + 3), words, " ")
			for (i = 1; i <= count; i++) {
				if (length(line) + length(words[i]) > 79) { sub(/ +$/, "", line); print line; line = sprintf("%*s", width, "") }
				line = line words[i] " "
			}
			sub(/ +$/, "", line)
			print line
		}'
}

# usage_of PROGRAM COMMAND: the line of the synopsis that it is in, with it alone.
usage_of() {
	local line words

	for line in "${help_usage[@]}"; do
		words=${line#"$1 "}
		words=${words%%[\[<]*}
		[[ " ${words//|/ } " != *" $2 "* ]] || printf '%s\n' "$1 $2 ${line#"$1 $words"}"
	done
}

options_of() {
	local each commands

	[ -z "$1" ] || set -- "${help_like[$1]:-$1}"
	for each in "${help_options[@]}"; do
		commands=${each%%; *}
		[[ -n $1 && -n $commands && " $commands " != *" $1 "* ]] || printf '%s\n' "${each#*; }"
	done
}

# examples_of PROGRAM COMMAND: two, of the command where there are any.
examples_of() {
	local each found=()

	for each in "${help_examples[@]}"; do
		[[ -n $2 && $each != "$1 $2 "* ]] || found+=("$each")
	done
	[ ${#found[@]} -gt 0 ] || found=("${help_examples[@]:0:2}")
	printf '  %s\n' "${found[@]}"
}

# print_version PROGRAM: make install writes the file; the Makefile of the sources has the number.
print_version() {
	local place text='' commit

	place=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
	if [ -e "$place/../version" ]; then
		text=$(<"$place/../version")
	else
		text=$(sed -n 's/^VERSION = //p' "$place/../../../Makefile" 2>/dev/null) || true
		commit=$(sed -n 's/^\([0-9a-f]\{12\}\)[0-9a-f]*$/\1/p' "$place/../../../lib/help/commit" 2>/dev/null) || true
		[ ! -e "$place/../../../.git" ] ||
			commit=$(GIT_OPTIONAL_LOCKS=0 git -C "$place" describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null) || true
		text="${text:-unknown} (blk-filters, commit ${commit:-unknown})"
	fi
	printf '%s %s\n' "$1" "$text" || { warn "standard output: cannot be written" && exit 2; }
	exit 0
}

# wrong PROGRAM SYNOPSIS TEXT: a command line that means nothing; $wrong_usage has another status for it.
wrong() {
	warn "$3"
	say "usage: $2; $1 --help explains the options"
	exit "${wrong_usage:-2}"
}
