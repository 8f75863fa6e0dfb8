#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkdiff with real LVM and device mapper, in a guest (guest, guest-lvm, cases-*.bash).  The guest
# boots once for nearly all cases, then is rebooted, killed, and booted again; each test looks for
# the guest's result of the case with its name.

load ../helpers

needs=(qemu-system-x86_64 qemu-nbd busybox cpio modprobe lvm dmsetup thin_delta era_invalidate mke2fs
	ssh sshd cc)

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	command -v "${needs[@]}" | wc -l | grep -qx "${#needs[@]}" || return 0
	mkdir share
	make_image before.img 16M 1
	make_image after.img 16M 2
	truncate -s 384M first.img
	truncate -s 16M second.img
	truncate -s 24M third.img
	cc -O2 -D_GNU_SOURCE -o share/scribble "$root/t/lab/scribble.c"
	boot snapshot_cases refused_cases list_cases printed_cases holder_cases both_ends_cases power_cases until_rebooted >first.log || true
	boot after_reboot_cases until_killed >second.log &
	kill_guest
	boot after_kill_cases >third.log || true
	cat first.log second.log third.log | tr -d '\r' >log
}

# A guest that hangs has failed.
boot() {
	timeout 3600 "$root/t/lab/guest" -u -s share -d first.img -d second.img -d before.img -d after.img -d third.img \
		"$root/t/lab/guest-lvm" "$@" 2>&1 3>&-
}

# Kill it when it asks for that, unless it ends by itself.
kill_guest() {
	until grep -qs '^kill me now' second.log; do
		[ -n "$(jobs -r)" ] || return 0
		sleep 0.2
	done
	kill -KILL -- "-$(cat share/guest)"
	wait
}

setup() {
	require "${needs[@]}"
	cd "$BATS_FILE_TMPDIR" || return
}

teardown() {
	:
}

# said_ok: the case with the name of this test ended so.
said_ok() {
	awk -v name="$BATS_TEST_DESCRIPTION" '
		{
			line = $0
			if (sub(/^(not )?ok [0-9]+ /, "", line)) {
				mine = line == name
				if (mine && /^ok/)
					good = 1
			}
		}
		mine
		END { exit !good }' log || {
		grep -qF " $BATS_TEST_DESCRIPTION" log || tail -n 30 log
		return 1
	}
}

@test "chunks of 4 KiB" {
	said_ok
}

@test "chunks of 16 KiB" {
	said_ok
}

@test "chunks of 64 KiB" {
	said_ok
}

@test "chunks of 512 KiB" {
	said_ok
}

@test "several metadata areas" {
	said_ok
}

@test "an area of metadata that is exactly full" {
	said_ok
}

@test "a last chunk that is cut by the origin's end" {
	said_ok
}

@test "a snapshot without LVM, of an origin of odd size" {
	said_ok
}

@test "two snapshots of one origin, taken at different times" {
	said_ok
}

@test "a snapshot that was written to: whole chunks, and a warning" {
	said_ok
}

@test "a read-only snapshot: pages, which only the right base takes" {
	said_ok
}

@test "old bytes written back after the copy of the snapshot" {
	said_ok
}

@test "--bulk-from-origin: old bytes written back after a copy of the origin" {
	said_ok
}

@test "a store that is exactly full" {
	said_ok
}

@test "snapshots that were deactivated and activated" {
	said_ok
}

@test "a write that was in the page cache a moment ago" {
	said_ok
}

@test "nothing written: the delta is empty" {
	said_ok
}

@test "three passes while the origin is written to" {
	said_ok
}

@test "a snapshot that overflows while it is read: ABORT" {
	said_ok
}

@test "a filesystem in use while the snapshot is taken" {
	said_ok
}

@test "1,000 changed chunks of a tebibyte" {
	said_ok
}

@test "refused: a snapshot that overflowed" {
	said_ok
}

@test "refused: a snapshot that is being merged" {
	said_ok
}

@test "refused: a transient snapshot" {
	said_ok
}

@test "refused: a thin volume" {
	said_ok
}

@test "refused: the origin, a plain volume, a disk, a file" {
	said_ok
}

@test "a thin pool: thin_delta --verbose" {
	said_ok
}

@test "dm-era: --era-block for the volume below it" {
	said_ok
}

@test "README: a volume that is in use, by its snapshot" {
	said_ok
}

@test "blkdiff.1: pass after pass" {
	said_ok
}

@test "blkdiff.1: thin_delta" {
	said_ok
}

@test "blkdiff.1: era_invalidate" {
	said_ok
}

@test "a volume that is held by another node, or by a mapping of its bytes, is refused" {
	said_ok
}

@test "a volume whose neighbour, or whose snapshot, is held is not" {
	said_ok
}

@test "blkread warns of a writer of the volume, not of one of its origin" {
	said_ok
}

@test "a thin snapshot is read without a warning while its origin is written to" {
	said_ok
}

@test "the server of an nbd device does not hold it" {
	said_ok
}

@test "both ends: a partitioned disk, and mappings of its bytes" {
	said_ok
}

@test "both ends: a volume, and the disk that it lies on" {
	said_ok
}

@test "a power failure: what blkwrite has said is written is there" {
	said_ok
}

@test "across a reboot" {
	said_ok
}

@test "after the guest was killed while it wrote" {
	said_ok
}

@test "every case of the guest is one of these tests" {
	sed -nE 's/^(not )?ok [0-9]+ //p' log | sort >cases
	sed -n 's/^@test "\(.*\)" {$/\1/p' "$BATS_TEST_FILENAME" | grep -v '^every case' | sort >tests

	diff cases tests
}
