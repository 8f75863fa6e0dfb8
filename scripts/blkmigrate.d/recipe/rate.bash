# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --bwlimit: one rate limit for all disks that are being sent.

# parse_size TEXT: set $parsed to the number of bytes, as size_parse in lib/base does for blkmeter
# -L: "4096", "1.5M", "20MiB", "20MB", "8s"; K, KiB and so on are powers of 1024, KB and so on
# powers of 1000, s is a sector of 512 bytes.  False if it is no such text, no whole number, or too
# large.
parsed=0
parse_size() {
	local whole fraction base=1024 power=0 part=0 left i digits

	[[ $1 =~ ^([0-9]+)(\.([0-9]{1,9}))?(([KMGTPEkmgtpe])(iB|B)?|B|s)?$ ]] || return
	whole=${BASH_REMATCH[1]} fraction=${BASH_REMATCH[3]} digits=${#BASH_REMATCH[3]}
	case ${BASH_REMATCH[4]} in
	'' | B) ;;
	s) base=512 power=1 ;;
	*)
		power=KMGTPE
		power=${power%%"${BASH_REMATCH[5]^}"*}
		power=$((${#power} + 1))
		[ "${BASH_REMATCH[6]}" != B ] || base=1000
		;;
	esac
	whole=${whole#"${whole%%[!0]*}"}
	whole=${whole:-0}
	# A number with as many digits as the largest one is compared with it as text.
	[ ${#whole} -lt 19 ] || { [ ${#whole} = 19 ] && [[ ! $whole > 9223372036854775807 ]]; } || return
	# Convert the fraction unit by unit, so that no step overflows; no rest may remain.
	left=$((10#0$fraction))
	for ((i = 0; i < power; i++)); do
		part=$((part * base + left * base / 10 ** digits))
		left=$((left * base % 10 ** digits))
	done
	[ "$left" = 0 ] || return
	for ((i = 0; i < power; i++)); do
		[ "$whole" -le $((9223372036854775807 / base)) ] || return
		whole=$((whole * base))
	done
	[ "$whole" -le $((9223372036854775807 - part)) ] || return
	parsed=$((whole + part))
}

# find_rate: set $parsed to the current limit in bytes a second, 0 if there is none; false if its
# file cannot be used.
find_rate() {
	local text=${rate:-0}

	[[ $text != @* ]] || text=$(head -n 1 -- "${text#@}") || return
	parse_size "$text"
}

# rate_words: set $rate_option to what tells blkmeter the limit.
rate_option=()
rate_words() {
	rate_option=()
	if [ -z "$rate" ]; then
		return
	elif $sharing; then
		rate_option=(-L "@$(rate_file)")
	elif [[ $rate == @* ]] && meter_is_far; then
		rate_option=(-L "$(head -n 1 -- "${rate#@}")")
	else
		rate_option=(-L "$rate")
	fi
}

# rate_file: where blkmeter looks for its share, once a second.
rate_file() {
	if meter_is_far; then
		printf '%s/rate\n' "$(state_of old)"
	else
		printf '%s/rate\n' "$private"
	fi
}

# share_rate NUMBER: give each of so many disks an equal share.
share_rate() {
	local share

	$sharing && [ -n "$rate" ] && [ "$1" -gt 0 ] || return 0
	find_rate || return 0
	share=$((parsed / $1))
	[ "$share" -gt 0 ] || [ "$parsed" = 0 ] || share=1
	if [ "$(rate_file)" = "$private/rate" ]; then
		echo "$share" >"$private/rate.part"
		mv "$private/rate.part" "$private/rate"
	else
		put old "$(rate_file)" <<<"$share"
	fi
}
