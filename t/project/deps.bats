#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# scripts/deps, on systems that are made up: nothing is installed.

load ../helpers

# system INSTALLED AVAILABLE: apt and dpkg of a system with these packages, in PATH.
system() {
	mkdir -p system
	cat >system/dpkg-query <<-EOS
		#!/bin/bash
		[[ " $1 " != *" \${!#} "* ]] || printf installed
	EOS
	# The real one writes its table of versions behind the candidate, in more than one piece.
	cat >system/apt-cache <<-EOS
		#!/bin/bash
		candidate='(none)'
		[[ " $2 " != *" \${!#} "* ]] || candidate=1.0
		echo "  Candidate: \$candidate"
		sleep 0.05
		echo "  Version table:" || exit
	EOS
	printf '#!/bin/sh\nexit 100\n' >system/apt-get
	chmod +x system/*
	PATH=$dir/system:$PATH
}

@test "a package that only some releases have is missing where it is to be had, and only there" {
	packages=$("$root/scripts/deps" --print)
	others=$(grep -v util-linux-extra <<<"$packages" | xargs)

	system "$others" util-linux-extra
	run -1 --separate-stderr "$root/scripts/deps" --check
	[ "$stderr" = "deps: missing: util-linux-extra" ]

	system "$others" ''
	run -0 --separate-stderr "$root/scripts/deps" --check
}

@test "--build names only what the programs are built with" {
	run -0 --separate-stderr "$root/scripts/deps" --build --print

	grep -qx zlib1g-dev <<<"$output"
	grep -qx gcc <<<"$output"
	run ! grep -qx -e bats -e openssh-server -e python3 <<<"$output"
}
