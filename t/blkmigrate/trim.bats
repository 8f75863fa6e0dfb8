#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --trim: the guest discards what it does not use, once, before the first pass.

load ../helpers
load hosts

setup() {
	hosts_begin
}

@test "--trim trims a machine that runs, once, before its disks are read" {
	migrate prepare
	export at_virsh='*domfstrim*' then_virsh='cmp -s "$FAKE/old.img" "$FAKE/there/old.img" || echo before-the-copy >>"$FAKE/trimmed"'

	migrate sync --trim
	run -0 --separate-stderr migrate run --trim

	[ "$(cat trimmed)" = before-the-copy ]
	[[ $stderr != *trimmed* ]]
	cmp old.img there/old.img
}

@test "where the agent does not answer that is said, and the machine is moved all the same" {
	export at_virsh='*domfstrim*' then_virsh='echo "error: Guest agent is not responding" >&2; exit 1'

	run -0 --separate-stderr migrate run --trim

	[[ $stderr == *'blkmigrate: web cannot be trimmed, so that unused blocks are sent, too: error: Guest agent is not responding'* ]]
	[ "$(cat host/new/web.state)" = running ]
}
