# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A file of tests whose two hosts, with libvirt and a volume group each, are in the lab's guest:
# `load in-guest` after migrate.  The same file runs there, once, and here each test looks for its
# result there.

guest_needs=(qemu-system-x86_64 busybox cpio modprobe lvm dmsetup xsltproc xmllint bats)

# Options of the guest.
guest_options=(-m 1536)

# Further preparations in the guest, before the hosts are started.
guest_begin() {
	:
}

setup_file() {
	if [ -n "${IN_GUEST:-}" ]; then
		modprobe -a veth bridge tun loop
		guest_begin
		start_hosts
		start_volumes /dev/vda /dev/vdb
		export LVM_SUPPRESS_FD_WARNINGS=1
		return
	fi
	cd "$BATS_FILE_TMPDIR" || return
	command -v "${guest_needs[@]}" "${lab_needs[@]}" >/dev/null || return 0
	truncate -s 256M vg.img far.img
	timeout 3600 "$root/t/lab/guest" "${guest_options[@]}" -d vg.img -d far.img \
		env IN_GUEST=yes BATS_TEST_TIMEOUT=1800 PATIENCE=10 bats --timing "$BATS_TEST_FILENAME" >log 2>&1 3>&- || true
}

teardown_file() {
	stop_hosts
}

setup() {
	if [ -n "${IN_GUEST:-}" ]; then
		test_begin
		wipe_hosts
	else
		require_hosts
		require "${guest_needs[@]}"
	fi
}

# in_guest FUNCTION: run it in the guest; here, check its result.
in_guest() {
	if [ -n "${IN_GUEST:-}" ]; then
		"$1"
		return
	fi
	tr -d '\r' <"$BATS_FILE_TMPDIR/log" | awk -v name="$BATS_TEST_DESCRIPTION" '
		/^(not )?ok / {
			line = $0
			sub(/^(not )?ok [0-9]+ /, "", line)
			mine = index(line, name " in ") == 1
			if (mine)
				good = /^ok /
		}
		mine
		END { exit !good }' || {
		tail -n 60 "$BATS_FILE_TMPDIR/log"
		return 1
	}
}
