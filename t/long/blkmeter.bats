#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What takes a while: rates over ten seconds.

load ../helpers

# Print a line a second while bytes pass at a limited rate, for ten seconds.
holds_rate() {
	local rate=$1

	shift
	timeout 11.5 blkmeter --json -i 1 -L "$rate" "$@" </dev/zero 2>json | cat >/dev/null || true
	jq -se --argjson rate "$(bytes "$rate")" '[.[] | select(.state == "running")]
		| .[9].wire_bytes / .[9].elapsed / $rate
		| ., (. > 0.98 and . < 1.02)' json
}

@test "-L holds its rate within 2 percent over ten seconds" {
	holds_rate 64K
	holds_rate 20M
	holds_rate 200M
	holds_rate 20M -B 4M
}

@test "-L is smooth: no second is off by more than 5 percent" {
	timeout 11.5 blkmeter --json -i 1 -L 20M </dev/zero 2>json | cat >/dev/null || true

	jq -se '[.[] | select(.state == "running")]
		| [range(1; 10) as $i | (.[$i].wire_bytes - .[$i - 1].wire_bytes)
			/ (.[$i].elapsed - .[$i - 1].elapsed) / 20971520]
		| ., all(. > 0.95 and . < 1.05)' json
}
