#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate copy with real LVM, in the lab's guest; the cases are in t/lab/cases-migrate.bash.
# The guest boots once, and each test looks for the guest's result of the case with its name.

load ../helpers

needs=(qemu-system-x86_64 busybox cpio modprobe lvm dmsetup ssh sshd cc)

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	command -v "${needs[@]}" | wc -l | grep -qx "${#needs[@]}" || return 0
	mkdir share
	make_image before.img 16M 1
	make_image after.img 16M 2
	truncate -s 384M first.img
	truncate -s 16M second.img
	cc -O2 -D_GNU_SOURCE -o share/scribble "$root/t/lab/scribble.c"
	timeout 3600 "$root/t/lab/guest" -s share -d first.img -d second.img -d before.img \
		-d after.img "$root/t/lab/guest-lvm" migrate_cases 2>&1 3>&- | tr -d '\r' >log || true
}

setup() {
	require "${needs[@]}"
	cd "$BATS_FILE_TMPDIR" || return
}

teardown() {
	:
}

said_ok() {
	grep -qE "^ok [0-9]+ blkmigrate: $BATS_TEST_DESCRIPTION\$" log || {
		cat log
		return 1
	}
}

@test "a volume that is written to, pass after pass" {
	said_ok
}

@test "what LVM rounds up is zeroed, and the next volume is left alone" {
	said_ok
}

@test "a snapshot that overflowed: by a map, after a warning" {
	said_ok
}

@test "a snapshot that fills is extended" {
	said_ok
}

@test "killed in the middle of a pass, the same command goes on" {
	said_ok
}

@test "a thin volume: only what thin_delta lists crosses" {
	said_ok
}

@test "into a thin pool, and larger: zeros take no room, changes follow" {
	said_ok
}

@test "what another program has reserved of a thin pool is left alone" {
	said_ok
}

@test "killed while it has reserved the metadata, the same command releases them" {
	said_ok
}

@test "a thin volume without thin_delta: by a map, after a warning" {
	said_ok
}

@test "a volume of that name is left alone" {
	said_ok
}

@test "no room at the other end: nothing is left" {
	said_ok
}

@test "no room for a snapshot: nothing is left" {
	said_ok
}

@test "--finish leaves neither snapshot nor tag" {
	said_ok
}
