#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Choices of a migration that its plan keeps, with two hosts that are this one: hosts.bash.

load ../helpers
load hosts

setup() {
	hosts_begin
}

@test "--preallocate of the plan holds for every pass" {
	migrate prepare --preallocate
	migrate sync
	fallocate -p -o 0 -l 3M old.img

	run -0 --separate-stderr migrate cutover -v

	cmp old.img there/old.img
	[ "$(stat -c %b there/old.img)" -ge 8192 ]
	[[ $stderr == *'blkwrite --verify -v --preallocate '* ]]
}

@test "--compress of the plan holds for later commands, and that of a command for it alone" {
	run -0 --separate-stderr migrate prepare --compress none
	[[ $stderr == *'compressed on the way: none'* ]]

	run -0 --separate-stderr migrate sync -v --compress deflate
	[[ $stderr == *" $dir/old.img | blkzip"* ]]
	run -0 --separate-stderr migrate cutover -v
	[[ $stderr != *blkzip* ]]

	cmp old.img there/old.img
	[ "$(cat host/new/web.state)" = running ]
}
