# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Options by table. A program fills these arrays and calls read_options():
#
#	flag_sets	[--create]=create=true: the variable that an option sets, and to what
#	value_goes_to	[--pool]=pool: an option with a value, and the variable that gets it; +NAME adds
#			it to a list, /NAME makes an absolute path of it
#	value_is	[--jobs]='[1-9]|1[0-6]': an expression that the whole value has to match
#	value_wanted	[--jobs]='--jobs wants a number from 1 to 16': what is said where it does not; VALUE
#			in it is the value
#
# In the first two, !NAME calls a function with the option and its value. What is no option goes to
# $arguments. Where $one_line is set, it is why no value may have a line feed in it.

declare -A flag_sets=() value_goes_to=([--ssh-option]='!take_ssh_option') value_is=() value_wanted=()
arguments=() one_line=''

read_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--)
			arguments+=("${@:2}")
			return
			;;
		--*=*)
			set -- "${1%%=*}" "${1#*=}" "${@:2}"
			[ -n "${value_goes_to[$1]:-}" ] || usage "$1: no option, or none with a value"
			;;
		-?*) ;;
		*)
			arguments+=("$1")
			shift
			continue
			;;
		esac
		if [ -n "${value_goes_to[$1]:-}" ]; then
			[ $# -gt 1 ] || die "$1 wants a value"
			read_value "$1" "$2"
			shift 2
		else
			read_flag "$1"
			shift
		fi
	done
}

read_flag() {
	local sets=${flag_sets[$1]:-}

	case $sets in
	'') usage "$1: no such option" ;;
	!*) "${sets#!}" "$1" ;;
	*) printf -v "${sets%%=*}" %s "${sets#*=}" ;;
	esac
}

read_value() {
	local place=${value_goes_to[$1]} wanted=${value_wanted[$1]:-}

	[[ -z $one_line || $2 != *$'\n'* ]] || die "$1: a value with a line feed in it $one_line"
	if [ -n "${value_is[$1]:-}" ]; then
		[[ $2 =~ ^(${value_is[$1]})$ ]] || die "${wanted/VALUE/"$2"}"
	fi
	case $place in
	!*) "${place#!}" "$1" "$2" ;;
	/*) printf -v "${place#/}" %s "$(realpath -m -- "$2")" ;;
	+*) add_value "${place#+}" "$2" ;;
	*) printf -v "$place" %s "$2" ;;
	esac
}

# add_value LIST VALUE
add_value() {
	local -n list=$1

	list+=("$2")
}

take_ssh_option() {
	case $2 in
	-*) ssh_options+=("$2") ;;
	*) ssh_options+=(-o "$2") ;;
	esac
}
