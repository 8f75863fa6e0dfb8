#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What filters give up before they read what others wrote (lib/base/confine.h).

load ../helpers

# The version of Landlock that this kernel has, or -1.
version() {
	python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))'
}

# traced FILTER [ARGUMENT ...]: run it; $trace has what it opened, removed and gave up, in order.
traced() {
	trace=$dir/trace
	strace -f -qq -o "$trace" -e signal=none \
		-e trace=openat,open,openat2,unlink,unlinkat,execve,landlock_restrict_self,clone,fork "$@"
}

# gave_up TIMES: the kernel took so many sets of rules, and nothing was opened after the last one, but
# by a child process (lib/device/lookout.h).
gave_up() {
	local child

	[ "$(version)" -gt 0 ] || return 0
	[ "$(grep -c 'landlock_restrict_self.* = 0$' "$trace")" = "$1" ]
	child=$(sed -nE 's/.*(clone\(|clone resumed|fork\(|fork resumed).* = ([0-9]+)$/\2/p' "$trace")
	tac "$trace" | awk '/landlock_restrict_self/ { exit } $1 != "'"${child:-none}"'"' >after
	[ ! -s after ]
}

inputs() {
	make_image image 3M
	cp image other
	printf changed | dd of=other bs=1 seek=1000000 conv=notrunc status=none
	blkread image >stream
	blksum --map image >map
	echo '0 65536' >list
}

@test "blkread, blkzip and blkmeter open nothing once they know their input" {
	inputs

	traced blkread image >out
	gave_up 1
	traced blkzip <stream >out
	gave_up 1
	traced blkzip --adapt stream >out
	gave_up 1
	traced blkzip -d <out >again
	gave_up 1
	cmp stream again
	traced blkzip -t out
	gave_up 1
	traced blkmeter -f <stream >out
	gave_up 1
	traced blkmeter -q -B 1M <stream >out
	gave_up 1
}

@test "blkdiff opens nothing once it knows its two devices, its map, its store or its list" {
	inputs

	traced blkdiff image other >out
	gave_up 2
	traced blkdiff --map map other >out
	gave_up 2
	traced blkdiff --changes list other >out
	gave_up 2
	printf 'SnAp' >store
	truncate -s 1M store
	traced blkdiff --store store other >out || true
	gave_up 2
}

@test "blksum opens nothing once it knows its input, and never anything for writing" {
	inputs

	traced blksum <stream >out
	gave_up 2
	traced blksum --map image >out
	gave_up 2
	traced blksum -c map
	gave_up 2
	traced blksum image other >out
	[ "$(version)" -lt 0 ] || grep -q 'landlock_restrict_self.* = 0$' trace
	traced blksum -c out
	run -1 grep -E 'open.*(O_WRONLY|O_RDWR|O_CREAT)' trace
}

@test "a rate's file is read again after it was replaced by another" {
	make_image image 1M
	mkdir rates others
	echo 1K >rates/rate
	echo 1G >others/rate
	blkread image >stream

	background sh -c 'exec blkmeter -q -L @rates/rate <stream >out'
	ln -sfn "$dir/others/rate" rates/new
	mv -T rates/new rates/rate
	wait "$pid"

	cmp stream out
}

@test "a kernel without Landlock, or one that refuses it, is no trouble and no line" {
	inputs

	for error in ENOSYS EOPNOTSUPP EPERM; do
		without() {
			strace -f -qq -o /dev/null -e signal=none -e inject=landlock_create_ruleset:error="$error" "$@"
		}
		without blkread image 2>errors | without blkmeter -q 2>>errors | without blkzip 2>>errors |
			without blkwrite --create --verify copy 2>>errors
		without blkdiff image image >delta 2>>errors
		without blksum image copy >sums 2>>errors

		cmp image copy
		[ "$(cut -d ' ' -f 1 sums | uniq | wc -l)" = 1 ]
		[ "$(no_cache_note <errors)" = "" ]
		rm copy errors
	done
}

@test "blkwrite opens nothing once its target and its undo log are open" {
	inputs
	blkdiff image other >delta
	cp image target

	traced blkwrite --verify target <stream
	gave_up 2
	mkdir new
	traced blkwrite --create --verify new/.//copy <stream
	gave_up 2
	traced blkwrite --verify --undo undo target <delta
	gave_up 2
	cmp target other
	traced blkwrite target <undo
	gave_up 2
	cmp target image
	cat delta | traced blkwrite target
	gave_up 2
	# Where only the end of the input tells the size, the file is created on the way.
	traced blkwrite -r --create raw < <(cat image)
	[ "$(version)" -lt 0 ] || [ "$(grep -c 'landlock_restrict_self.* = 0$' trace)" = 1 ]
	cmp raw image
}

@test "blkwrite opens nothing once its target and its map are open, and removes a map of no use" {
	inputs
	head -c 1000000 stream >cut
	cp image target

	traced blkwrite --verify --map new target <stream
	gave_up 2
	blksum -c new target
	run -2 --separate-stderr blkwrite --map newer target <cut
	[ ! -e newer ]
	traced blkwrite --map - target <stream >out
	gave_up 2
}

@test "an undo log of which no use came is removed by a blkwrite that has given up all else" {
	inputs
	blkdiff image other >delta
	cp image target
	head -c 200 delta >cut

	run -2 --separate-stderr blkwrite --undo undo target < <(cat cut)

	[ ! -e undo ]
	cmp image target
}
