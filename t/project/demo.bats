#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later

load ../helpers

setup() {
	test_begin
	mkdir -m 700 home tmp
	export HOME=$dir/home TMPDIR=$dir/tmp
}

# Nothing may be left in the only places where the demo has any business.
nothing_left() {
	[ -z "$(find "$dir/home" "$dir/tmp" -mindepth 1)" ]
}

@test "the demo migrates a disk, shows its files and leaves nothing behind" {
	run -0 "$root/scripts/demo"

	[[ $output == *'$ blkread old/web.img | blkmeter'* ]]
	[[ $output == *"$(read_back), blk128:"* ]]
	[ "$(grep -o '^blk128:[0-9a-f]*' <<<"$output" | uniq | wc -l)" = 1 ]
	[ "$(grep -c '^blk128:' <<<"$output")" = 2 ]
	grep -qE '^film\.mkv +125829120$' <<<"$output"
	[[ $output == *'(exit status 2)'* ]]
	nothing_left
}

@test "the demo shows the meter on a terminal" {
	require script

	run -0 script -qec "stty cols 100; '$root/scripts/demo' --small" /dev/null

	# The line itself shows only if the copy takes long enough; the summary always follows it.
	[[ $output =~ blkmeter:\ 128\ MiB\ \(134217728\ bytes\)\ in\  ]]
	nothing_left
}

@test "the demo works for an ordinary user whose account has no password" {
	require_root "other users"
	require setpriv unshare
	cp /etc/passwd passwd
	echo "blkdemo:x:54321:54321::$dir/home:/bin/bash" >>passwd
	chmod 755 . "${BATS_RUN_TMPDIR:-.}"
	chown 54321:54321 home tmp
	mkdir project programs

	run -0 "$root/t/private" sh -c "mount --bind passwd /etc/passwd
		mount --bind '$root' project
		mount --bind '$BIN' programs
		BIN='$dir/programs' exec setpriv --reuid 54321 --regid 54321 --clear-groups \
			'$dir/project/scripts/demo' --small"

	[[ $output == *'Done.'* ]]
	nothing_left
}

@test "the demo works for root without /run/sshd, and does not leave it behind" {
	require_root "an empty /run"
	require unshare

	run -0 "$root/t/private" sh -c "mount -t tmpfs none /run && '$root/scripts/demo' --small && ls /run"

	[[ $output != *$'\n'sshd* ]]
	nothing_left
}

@test "the demo takes everything away when it is terminated in the middle" {
	background "$root/scripts/demo" >output
	wait_for 60 grep -q blkwrite output

	kill -TERM "$pid"

	# A shell lets the pipe come to its end first, in which a disk crosses and is read back.
	wait_for 60 gone "$pid"
	nothing_left
}

@test "the demo says what to do if the filters have not been built" {
	BIN=$dir run -2 --separate-stderr "$root/scripts/demo"

	[ "$stderr" = "demo: $dir/blkread is not there; run make first" ]
}
