# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Addresses of IPv4 and IPv6, and prefixes of them, as numbers.

# parse_address TEXT: an address, or a prefix as ADDRESS/LENGTH.  $family is 4 or 6, $plain_address the
# address as it was given, $hex its 8 or 32 hexadecimal digits, $bits the length of the prefix: 32 or
# 128 where none is given.  False if TEXT is neither.
family='' plain_address='' hex='' bits=''
parse_address() {
	local length=''

	plain_address=${1%%/*} hex=''
	[[ $1 != */* ]] || length=${1#*/}
	if [[ $plain_address == *:* ]]; then
		family=6 bits=128
		parse_six "${plain_address,,}" || return
	else
		family=4 bits=32
		parse_four "$plain_address" || return
	fi
	[[ $1 == */* ]] || return 0
	[[ $length =~ ^(0|[1-9][0-9]{0,2})$ ]] && [ "$length" -le "$bits" ] || return
	bits=$length
}

parse_four() {
	local byte bytes

	[[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || return
	IFS=. read -r -a bytes <<<"$1"
	for byte in "${bytes[@]}"; do
		[[ $byte =~ ^(0|[1-9][0-9]*)$ ]] && [ "$byte" -le 255 ] || return
		printf -v byte %02x "$byte"
		hex+=$byte
	done
}

# A form with an address of IPv4 in it is not known here.
parse_six() {
	local text=$1 left=$1 right='' group first=() last=() missing

	[[ $text =~ ^[0-9a-f:]+$ && $text != :[!:]* && $text != *[!:]: ]] || return
	if [[ $text == *::* ]]; then
		left=${text%%::*} right=${text#*::}
	fi
	IFS=: read -r -a first <<<"$left"
	IFS=: read -r -a last <<<"$right"
	missing=$((8 - ${#first[@]} - ${#last[@]}))
	if [[ $text == *::* ]]; then
		[ "$missing" -ge 1 ] || return
	else
		[ "$missing" = 0 ] || return
	fi
	while [ "$missing" -gt 0 ]; do
		first+=(0)
		missing=$((missing - 1))
	done
	for group in "${first[@]}" "${last[@]}"; do
		[[ $group =~ ^[0-9a-f]{1,4}$ ]] || return
		printf -v group %04x "$((16#$group))"
		hex+=$group
	done
}

# is_network: whether what was parsed has no bits behind its prefix.
is_network() {
	local rest=${hex:(bits + 3) / 4} spare=$((bits % 4))

	[[ ! $rest =~ [1-9a-f] ]] || return
	[ "$spare" = 0 ] || [ $((16#${hex:bits / 4:1} & ((1 << (4 - spare)) - 1))) = 0 ]
}

# covers HEX BITS OTHER-HEX: whether the other address is in that prefix.
covers() {
	local whole=$(($2 / 4)) spare=$(($2 % 4))

	[ ${#1} = ${#3} ] && [ "${1:0:whole}" = "${3:0:whole}" ] || return
	[ "$spare" = 0 ] || [ $((16#${1:whole:1} >> (4 - spare))) = $((16#${3:whole:1} >> (4 - spare))) ]
}

# overlap PREFIX PREFIX: whether they have an address in common.
overlap() {
	local one_hex one_bits

	parse_address "$1" || return
	one_hex=$hex one_bits=$bits
	parse_address "$2" || return
	covers "$one_hex" "$((one_bits < bits ? one_bits : bits))" "$hex"
}

# show_address HEX NUMBER: $shown_address is that address with the number added to its last 16 bits,
# which must not overflow.
shown_address=''
show_address() {
	local digits=$1 last groups=() i

	printf -v last %04x "$((16#${digits: -4} + $2))"
	digits=${digits:0:${#digits} - 4}$last
	if [ ${#digits} = 8 ]; then
		shown_address=$((16#${digits:0:2})).$((16#${digits:2:2})).$((16#${digits:4:2})).$((16#${digits:6:2}))
		return
	fi
	for ((i = 0; i < 32; i += 4)); do
		printf -v last %x "$((16#${digits:i:4}))"
		groups+=("$last")
	done
	last=${groups[*]}
	last=${last// /:}
	# Only what we make is shown: a prefix of 48 or 64 bits, zeros and a small number.
	shown_address=${last/:0:0:0:0:/::}
	[ "$shown_address" != "$last" ] || shown_address=${last/:0:0:0:/::}
}
