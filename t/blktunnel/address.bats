#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Addresses as numbers (scripts/blkmigrate.d/hosts/address.bash), and the choice of those inside.

load ../helpers

setup() {
	test_begin
	. "$root/scripts/blkmigrate.d/hosts/address.bash"
}

# parsed TEXT: as family, digits and length.
parsed() {
	parse_address "$1" && echo "$family $hex/$bits"
}

@test "an address or a prefix of IPv4 becomes a number" {
	[ "$(parsed 192.0.2.7)" = "4 c0000207/32" ]
	[ "$(parsed 10.0.0.0/8)" = "4 0a000000/8" ]
}

@test "an address or a prefix of IPv6 becomes a number" {
	[ "$(parsed 2001:DB8::7)" = "6 20010db8000000000000000000000007/128" ]
	[ "$(parsed ::/0)" = "6 00000000000000000000000000000000/0" ]
	[ "$(parsed 1:2:3:4:5:6:7::)" = "6 00010002000300040005000600070000/128" ]
}

@test "what is neither is refused, and never evaluated" {
	for text in '' 1 1.2.3 1.2.3.256 01.2.3.4 1.2.3.4/33 1.2.3.4/08 1.2.3.4/ 1:2 1::2::3 ::: :1:2:3:4:5:6:7 \
		1:2:3:4:5:6:7:8:9 12345:: fe80::1%eth0 ::1/129 ::ffff:1.2.3.4 'a[$(touch pwned)]' '1.2.3.$(touch pwned)' '::$(touch pwned)' \
		'1.2.3.4/$(touch pwned)' '1.2.3.4/a[$(touch pwned)]' $'1.2.3.4\n'; do
		echo "<$text>"
		run -1 parse_address "$text"
	done
	[ ! -e pwned ]
}

@test "bits behind the prefix are seen" {
	parse_address 10.1.2.4/30 && is_network
	parse_address 2001:db8:0:1::/63 && run -1 is_network
	parse_address 10.1.2.5/30 && run -1 is_network
	parse_address fd00::/7 && run -1 is_network
}

@test "networks overlap where the shorter prefix covers the other one" {
	overlap 10.0.0.0/8 10.1.2.0/30
	overlap 10.1.2.0/30 10.0.0.0/8
	run -1 overlap 10.0.0.0/9 10.128.0.0/30
	run -1 overlap 10.0.0.0/8 fd00::/8
}

@test "an address is written as people write it" {
	parse_address 10.1.2.4
	show_address "$hex" 2
	[ "$shown_address" = 10.1.2.6 ]
	parse_address fd12:0:3::
	show_address "$hex" 1
	[ "$shown_address" = fd12:0:3::1 ]
}
