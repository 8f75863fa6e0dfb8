# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Configuration files: options as "key = value", in sections of hosts.  They are read as data: nothing
# in them is expanded or executed here.  What comes later holds: the system's file, the user's file,
# the command line; options that can be repeated add up.

# Entry by entry: the option without its dashes, its value, the host of its section or nothing, and
# where it stands.
config_keys=() config_values=() config_hosts=() config_places=()
# given[OPTION]: on the command line.  config_file is that of --config, instead of both.
declare -A given=()
config_file='' config_host='' origin=''

# scan_options WORD ...: what is given on the command line, before it is read.
named_host=''
scan_options() {
	local name

	while [ $# -gt 0 ]; do
		case $1 in
		--) return ;;
		--*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
		esac
		name=$1
		case $name in
		-n) name=--dry-run ;;
		-v) name=--verbose ;;
		-y) name=--yes ;;
		esac
		shift
		if [ -n "${value_goes_to[$name]:-}" ]; then
			[ $# -gt 0 ] || return 0
			given[$name]=$1
			shift
		elif [[ $name =~ ^--[a-z-]+$ ]]; then
			given[$name]=yes
		elif [ "$command" = copy ] && [[ $name == ?*:?* ]]; then
			named_host=${name%%:*}
		fi
	done
}

read_configuration() {
	config_file=${given[--config]:-}
	if [ -n "$config_file" ]; then
		[ -r "$config_file" ] || usage_error "--config: $config_file cannot be read"
		read_config_file "$config_file"
		return
	fi
	[ ! -e /etc/blkmigrate.conf ] || read_config_file /etc/blkmigrate.conf
	[ ! -e "${XDG_CONFIG_HOME:-${HOME:-/nonexistent}/.config}/blkmigrate.conf" ] ||
		read_config_file "${XDG_CONFIG_HOME:-$HOME/.config}/blkmigrate.conf"
}

# read_config_file FILE: who may write to it decides what ssh runs, so nobody else may.
read_config_file() {
	local line number=0 host='' seen

	seen=$(stat -L -c '%u %a' -- "$1") || usage_error "$1: cannot be looked at"
	[[ $seen =~ ^(0|$EUID)\ [0-7]*[0145][0145]$ ]] ||
		usage_error "$1: others may write to it (chown, chmod go-w); it is not read"
	while IFS= read -r line || [ -n "$line" ]; do
		number=$((number + 1)) origin=$1:$number
		line=${line#"${line%%[![:space:]]*}"}
		line=${line%"${line##*[![:space:]]}"}
		case $line in
		'' | '#'*) ;;
		'['?*']') host=${line:1:-1} ;;
		*)
			[[ $line =~ ^([a-z][a-z-]*)[[:space:]]*=[[:space:]]*(.*)$ ]] ||
				usage_error "this is neither \"option = value\" nor a host in brackets: $(printable "${line:0:100}")"
			config_keys+=("${BASH_REMATCH[1]}") config_values+=("${BASH_REMATCH[2]}")
			config_hosts+=("$host") config_places+=("$origin")
			is_option "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
			;;
		esac
	done <"$1" || usage_error "$1: cannot be read"
	origin=''
}

# is_option KEY VALUE: or the end.
is_option() {
	[[ $1 != @(config|to) ]] || usage_error "--$1 is for the command line"
	[ -n "${value_goes_to[--$1]:-}" ] || {
		[ -n "${flag_sets[--$1]:-}" ] || usage_error "there is no option $1"
		[[ $2 == @(yes|no) ]] || usage_error "$1 is yes or no"
	}
}

# configure HOST: take what holds when HOST, which may be empty, is the new one.  Called again when a
# plan names it.
configure() {
	local number key again=false

	[ -z "$config_host" ] || return 0
	! $configured || again=true
	configured=true
	! $again || [ -n "$1" ] || return 0
	config_host=$1
	for number in "${!config_keys[@]}"; do
		key=${config_keys[number]} origin=${config_places[number]}
		[ -z "${config_hosts[number]}" ] || [ "${config_hosts[number]}" = "$1" ] || continue
		if adds_up "--$key"; then
			! $again || [ -n "${config_hosts[number]}" ] || continue
		elif [ -n "${given[--$key]:-}" ]; then
			continue
		fi
		take_entry "$key" "${config_values[number]}"
	done
	origin=''
}
configured=false

take_entry() {
	if [ -n "${value_goes_to[--$1]:-}" ]; then
		read_value "--$1" "$2"
	elif [ "$2" = yes ]; then
		read_flag "--$1"
	fi
}

# adds_up OPTION: whether it may be repeated.
adds_up() {
	[[ ${value_goes_to[$1]:-} == +* || $1 == --ssh-option ]]
}

# --- blkmigrate config --------------------------------------------------------------

# show_config: what holds for --to, and where it is from.
show_config() {
	local number key last=()
	local -A holds=() from=()

	for key in connect:"$uri" downtime:"$downtime" jobs:"$jobs" passes:"$passes" shutdown-timeout:"$shutdown_timeout" transport:"$transport"; do
		holds[${key%%:*}]=${key#*:} from[${key%%:*}]=default
	done
	for number in "${!config_keys[@]}"; do
		key=${config_keys[number]}
		[ -z "${config_hosts[number]}" ] || [ "${config_hosts[number]}" = "${address[new]}" ] || continue
		if adds_up "--$key"; then
			last+=("$key = ${config_values[number]}  # ${config_places[number]}")
		else
			holds[$key]=${config_values[number]} from[$key]=${config_places[number]}
		fi
	done
	for key in "${!given[@]}"; do
		if adds_up "$key"; then
			last+=("${key#--} = ${given[$key]}  # command line")
		else
			holds[${key#--}]=${given[$key]} from[${key#--}]="command line"
		fi
	done
	for key in "${!holds[@]}"; do
		last+=("$key = ${holds[$key]}  # ${from[$key]}")
	done
	make_shown "$(printf '%s\n' "${last[@]}" | sort)"
	printf '%s\n' "$shown_text"
}
