# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --bwlimit: one limit of the rate for all disks that are under way.

# rate_words: what blkmeter is told of the limit.
rate_words() {
	if [ -z "$rate" ]; then
		return
	elif $sharing; then
		printf '%s\n' -L "@$(rate_file)"
	elif [[ $rate == @* ]] && meter_is_far; then
		printf '%s\n' -L "$(head -n 1 -- "${rate#@}")"
	else
		printf '%s\n' -L "$rate"
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

# share_rate NUMBER: so many send now, and have the same part each.
share_rate() {
	local whole=$rate share

	$sharing && [ -n "$rate" ] && [ "$1" -gt 0 ] || return 0
	[[ $whole != @* ]] || whole=$(head -n 1 -- "${rate#@}") || return 0
	whole=$(rate_bytes "$whole") || return 0
	share=$((whole / $1))
	[ "$share" -gt 0 ] || [ "$whole" = 0 ] || share=1
	if [ "$(rate_file)" = "$private/rate" ]; then
		echo "$share" >"$private/rate.part"
		mv "$private/rate.part" "$private/rate"
	else
		put old "$(rate_file)" <<<"$share"
	fi
}

# rate_bytes RATE: as blkmeter reads it: K and so on are powers of 1024, KB and so on of 1000.
rate_bytes() {
	[[ $1 =~ ^([0-9]+)([KMGTPE]?)(B?)$ ]] || return
	if [ -n "${BASH_REMATCH[3]}" ]; then
		numfmt --from=si -- "${BASH_REMATCH[1]}${BASH_REMATCH[2]}"
	else
		numfmt --from=iec -- "$1"
	fi
}
