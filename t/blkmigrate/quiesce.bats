#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate --quiesce: the freeze ends whatever happens.  virsh and LVM only note here how they
# were called; a real guest is frozen in t/lab/quiesce.bats.

load ../helpers

setup() {
	test_begin
	require setsid
	mkdir -p programs state/from/5a
	: >calls
	: >k.work
	echo mine >k.token
	program virsh 'case $* in
		*domfsfreeze*) touch frozen; echo "Froze 2 filesystem(s)" ;;
		*domfsthaw*) rm frozen 2>/dev/null && echo "Thawed 2 filesystem(s)" || echo "Thawed 0 filesystem(s)" ;;
		esac'
	program lvs :
	program lvcreate :
	PATH=$dir/programs:$PATH
}

# program NAME TEXT: it notes its call and does that.
program() {
	printf '#!/bin/bash\ncd %q\necho "%s $*" >>calls\n%s\n' "$dir" "$1" "$2" >"programs/$1"
	chmod +x "programs/$1"
}

# take SECONDS: the snapshots of a machine with two thin volumes, by blkmigrate's own functions.
take() {
	bash -c 'set -euo pipefail
		here=$1 dir=$2
		for file in hosts/shown hosts/host hosts/session hosts/answers recipe/journal disks/disk disks/snapshot hosts/routes hosts/lanes hosts/compress disks/assemble hosts/transport recipe/jobs \
			recipe/copy machine/domain machine/xen recipe/plan disks/identity recipe/keep disks/images disks/export machine/quiesce; do
			. "$here/$file.bash"
		done
		say() { echo "$*" >&2; }
		warn() { say "blkmigrate: $*"; }
		die() { warn "$*"; exit 2; }
		freeze_seconds=$3 quiesce=true dry_run=false verbose=false
		vm=web uuid=U id=5a private=$dir token=mine
		folder[old]=$dir/state lock[old]=$dir/k
		disks=(vda vdb)
		kind[vda]=thin kind[vdb]=thin volume[vda]=vg/web volume[vdb]=vg/data
		trap "thaw || true" EXIT
		take_together
		echo "${taken[vda]} ${taken[vdb]}"' shell "$root/scripts/blkmigrate.d" "$dir" "${1:-10}"
}

# The calls that change something, without those that only ask.
called() {
	sed -n 's/^\(virsh\|lvcreate\) .*\(domfs[a-z]*\|vg\/[a-z]*\).*/\2/p' calls | xargs
}

@test "the snapshots of all disks are taken in one freeze" {
	run -0 take

	[ "$output" = 'web-blkmigrate-1 data-blkmigrate-1' ]
	[ "$(called)" = 'domfsfreeze vg/web vg/data domfsthaw' ]
}

@test "blkmigrate and all that it has started are killed in the freeze: it is thawed all the same" {
	program lvcreate 'touch waits; sleep 60'
	background take 1
	wait_for 10 test -e waits
	[ -e frozen ]

	kill -KILL -- "-$pid"

	wait_for 10 test ! -e frozen
	[ "$(called)" = 'domfsfreeze vg/web domfsthaw' ]
}

@test "libvirt does not answer when it is time to thaw: it is asked until it does" {
	program lvcreate 'touch waits; sleep 60'
	program virsh 'case $* in
		*domfsfreeze*) touch frozen ;;
		*domfsthaw*) [ "$(grep -c domfsthaw calls)" -gt 2 ] || exit 1; rm frozen ;;
		esac'
	background take 1
	wait_for 10 test -e waits

	kill -KILL -- "-$pid"

	wait_for 20 test ! -e frozen
}

@test "a snapshot that cannot be taken ends the freeze at once" {
	program lvcreate '[[ $* != *vg/data ]]'

	run -2 --separate-stderr take

	[[ $stderr == *'no snapshot of vg/data can be taken'* ]]
	[ "$(called)" = 'domfsfreeze vg/web vg/data domfsthaw' ]
	[ ! -e frozen ]
}

@test "snapshots that took longer than the freeze are no pass" {
	program lvcreate 'sleep 1'

	run -2 --separate-stderr take 1

	[[ $stderr == *'the snapshots of web took longer than 1 seconds, and its file systems were thawed meanwhile'* ]]
}

@test "an agent that does not answer: no snapshot is taken" {
	program virsh 'case $* in
		*domfsfreeze*) echo "error: Guest agent is not responding: it sleeps" >&2; exit 1 ;;
		esac'

	run -2 --separate-stderr take

	[[ $stderr == *'the file systems of web cannot be frozen: error: Guest agent is not responding: it sleeps; the same command without --quiesce resumes'* ]]
	[ "$(called)" = 'domfsfreeze domfsthaw' ]
}

@test "an agent that is silent: no snapshot is taken" {
	program virsh 'case $* in
		*domfsfreeze*) sleep 60 ;;
		esac'

	run -2 --separate-stderr take 1

	[[ $stderr == *'the file systems of web cannot be frozen: no answer in 1 seconds'* ]]
	[[ $(called) != *vg/* ]]
}

@test "a guest without file systems is no failure" {
	program virsh 'case $* in
		*domfsfreeze*) echo "Froze 0 filesystem(s)" ;;
		*domfsthaw*) echo "Thawed 0 filesystem(s)" ;;
		esac'

	run -0 take
}

@test "the process that thaws one freeze ends with it, and leaves the next one alone" {
	take 1
	sleep 2

	[ "$(called)" = 'domfsfreeze vg/web vg/data domfsthaw' ]
	[ -z "$(find state -name 'frozen*')" ]
}
