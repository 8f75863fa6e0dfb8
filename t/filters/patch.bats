#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkwrite with deltas and undo logs: checked against what the target holds, harmless to
# apply twice, resumable, and undone.

load ../helpers
load delta

# Images "old" and "new" of one size that differ here and there, first bytes included,
# with ranges that have become zero.
make_pair() {
	make_image old 8M 7
	cp --sparse=always old new
	python3 - <<'EOP'
import random
noise = random.Random(11)
with open("new", "r+b") as f:
    for i in range(120):
        f.seek(noise.randrange((8 << 20) - 20000))
        length = noise.randrange(1, 20000)
        f.write(bytes(length) if i % 3 == 0 else noise.randbytes(length))
    f.seek(5)
    f.write(b"changed")
EOP
}

make_delta() {
	make_pair
	blkdiff old new >delta
}

size_of() {
	stat -c %s "$1"
}

@test "a delta turns the old image into the new one" {
	make_delta
	cp old target

	run -0 blkwrite target <delta

	cmp target new
}

@test "a delta from a pipe, deflated, does the same and reads back what it wrote" {
	make_delta
	cp old target

	run -0 --separate-stderr bash -c 'blkzip <delta | blkwrite -v --verify target'

	cmp target new
	[[ $(no_cache_note <<<"$stderr") == "blkwrite: target: "*" bytes written, 0 were there already, "*", $(read_back)" ]]
}

@test "a delta by map does the same" {
	make_pair
	cp old target

	blksum --map target | blkdiff --map - new | blkwrite target

	cmp target new
}

@test "applying a delta twice changes nothing" {
	make_delta
	cp old target
	blkwrite target <delta

	run -0 --separate-stderr blkwrite -v target <delta

	cmp target new
	[[ $stderr == "blkwrite: target: 0 bytes written, "* ]]
}

@test "a delta on another base is refused before the first byte where it comes from a file" {
	make_delta
	cp old target
	printf 'other' | dd of=target bs=1 seek=5 conv=notrunc status=none
	cp target before

	run -2 --separate-stderr blkwrite target <delta

	cmp target before
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "blkwrite: target: at byte 0: neither the old data of the delta nor its new data "* ]]
}

@test "a delta from a file that is refused makes no file longer, and creates none" {
	make_image old 3M 1
	make_image new 5M 2
	blkdiff old new >delta
	cp old target
	printf other | dd of=target bs=1 seek=2500000 conv=notrunc status=none
	cp target before

	run -2 blkwrite target <delta
	run -2 --separate-stderr blkwrite --create none <delta

	cmp target before
	[ ! -e none ]
	[[ $stderr == "blkwrite: none: at byte "*": neither the old data of the delta"* ]]
}

@test "a delta by map on another base is refused" {
	make_pair
	cp old target
	blksum --map target | blkdiff --map - new >delta
	printf 'other' | dd of=target bs=1 seek=5 conv=notrunc status=none
	cp target before

	run -2 --separate-stderr blkwrite target <delta

	cmp target before
}

@test "--force applies a delta to another base" {
	make_delta
	cp old target
	printf 'other' | dd of=target bs=1 seek=5 conv=notrunc status=none

	run -0 --separate-stderr blkwrite --force target <delta

	cmp target new
	[[ $stderr == "blkwrite: target: "*" bytes were overwritten by --force that the delta was not made for: "* ]]
	run -0 --separate-stderr blkwrite --force target <delta
	[ -z "$stderr" ]
}

@test "a delta that was cut anywhere is finished by applying it again" {
	make_delta
	local whole at
	whole=$(size_of delta)

	for at in 1 64 127 128 192 65536 $((whole / 2)) $((whole - 137)) $((whole - 1)); do
		cp old target
		head -c "$at" delta >cut
		run -2 --separate-stderr bash -c 'cat cut | blkwrite target'
		[ "${#stderr_lines[@]}" = 1 ]
		cmp -n 1048576 target old
		run -0 bash -c 'cat delta | blkwrite target'
		cmp target new
	done
}

@test "a cut delta in a file changes nothing" {
	make_delta
	cp old target
	head -c 500000 delta >cut

	run -2 --separate-stderr blkwrite target <cut

	cmp target old
}

@test "undo puts back what a delta has overwritten" {
	make_delta
	cp old target
	blkwrite --undo log target <delta
	cmp target new

	run -0 blkwrite --verify target <log

	cmp target old
}

@test "undo restores the size of a file that grew, with -o too" {
	local offset

	make_image old 3000001 1
	make_image new 5000001 2
	for offset in 0 1000001 2999999 3000001; do
		echo "from $offset"
		rm -f log
		cp old target
		blkdiff -o "$offset" old new >delta
		blkwrite -o "$offset" --undo log target <delta
		cmp -i "$offset" target new

		run -0 blkwrite target <log

		cmp target old
	done
}

@test "undo has nothing of a delta that found everything done" {
	make_delta
	cp new target

	blkwrite --undo log target <delta
	blkwrite target <log

	cmp target new
}

@test "an undo log restores whatever moment blkwrite was killed at" {
	require strace
	make_delta
	local when expected

	for when in 1 2 3 5 8 13 21 34; do
		cp old target
		rm -f log
		run inject "$PWD/target" pwrite64 "signal=KILL:when=$when" blkwrite -j 2 --undo log target <delta
		expected=2
		[ "$status" = 137 ] || { expected=0 && cmp target new; }
		run "-$expected" blkwrite target <log
		cmp target old
	done
}

# With one worker no write is torn: it is killed before one of them, and there is no other.
@test "a delta that was killed before any of its writes is finished by applying it again" {
	require strace
	make_delta
	local when

	for when in 1 2 3 5 8 13 21 34; do
		cp old target
		run -137 inject "$PWD/target" pwrite64 "signal=KILL:when=$when" blkwrite -j 1 target <delta
		run -0 blkwrite target <delta
		cmp target new
	done
}

@test "a range that a kill has torn is refused, and a delta by map mends it" {
	make_noise old 4M
	make_noise new 4M 2
	blkdiff old new >delta
	cp old target
	dd if=new of=target bs=4096 skip=517 seek=517 count=3 conv=notrunc status=none

	cp target torn

	run -2 --separate-stderr blkwrite target <delta
	[[ $stderr == "blkwrite: target: at byte 2097152: neither the old data of the delta nor its new data "*"a delta by map repairs that)"* ]]
	cmp target torn

	blksum --map target | blkdiff --map - new | blkwrite target
	cmp target new
}

@test "an undo log mends a range that was torn, however much the record covers" {
	require strace
	make_noise old 100M
	truncate -s 100M new
	echo 0 100M | numfmt --from=iec --field=2 | blkdiff --changes - new >delta
	[ "$(size_of delta)" -lt 1000 ]
	cp old target
	run inject "$PWD/target" fallocate "signal=KILL:when=1" blkwrite -j 2 --undo log target <delta
	# As a machine that died in the middle of the write leaves it.
	clear_range target 1100000 100000

	run -2 --separate-stderr blkwrite target <log

	cmp target old
}

@test "data is flushed to the undo log before it is overwritten" {
	require strace
	make_delta
	cp old target

	run -2 --separate-stderr inject "$PWD/log" fdatasync error=EIO:when=2+ \
		blkwrite -j 1 --undo log target <delta

	cmp target old
	[[ $stderr == "blkwrite: log: Input/output error"* ]]
}

@test "an undo log that exists is not overwritten" {
	make_delta
	cp old target
	echo precious >log

	run -2 --separate-stderr blkwrite --undo log target <delta

	[ "$stderr" = "blkwrite: log: File exists" ]
	[ "$(cat log)" = precious ]
	cmp target old
	make_image new 9M
	blkdiff old new >delta
	run -2 blkwrite --undo log target <delta
	cmp target old
}

@test "an undo log that has no room at first is removed, and the next attempt makes one" {
	local left

	make_noise old 8M 1
	make_noise new 9M 2
	blkdiff old new >delta
	cp old target
	mount_tmpfs 16M

	# Not for its header, then not for the first MiB.
	for left in 0 64; do
		head -c $((16 * 1024 - left))K /dev/zero >"$folder/other"
		run -2 --separate-stderr blkwrite --undo "$folder/log" target <delta
		[ "$stderr" = "blkwrite: $folder/log: No space left on device" ]
		[ ! -e "$folder/log" ]
		cmp target old
	done
	rm "$folder/other"
	run -0 blkwrite --undo "$folder/log" target <delta
	cmp target new
	run -0 blkwrite target <"$folder/log"

	cmp target old
}

@test "a delta that is refused before anything was written leaves no undo log, and no longer file" {
	make_image old 3M 1
	make_image new 5M 2
	blkdiff old new >delta
	make_noise target 3M
	cp target before

	run -2 --separate-stderr bash -c 'cat delta | blkwrite --undo log target'

	[[ $stderr == "blkwrite: target: at byte "*": neither the old data of the delta"*"repairs that)" ]]
	[ ! -e log ]
	cmp target before
}

@test "a signal before anything was written leaves no undo log" {
	make_delta
	cp old target
	mkfifo fifo
	exec 7<>fifo
	background blkwrite --undo log target <fifo 7>&-
	head -c 128 delta >&7
	wait_for 20 test -s log

	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?

	[ "$status" = 143 ]
	[ ! -e log ]
	cmp target old
}

@test "an undo log that restores a range twice is refused before it writes" {
	make_noise target 64K
	cp target before
	"${TOOLS:-$root/build/release/t}/unit/make-stream" undo-overlap >log

	run -2 --separate-stderr blkwrite target <log

	[[ $stderr == "blkwrite: standard input: stream byte "*", device byte 100: an earlier record of this undo log restores the same bytes" ]]
	cmp target before
}

@test "if the undo log runs out of room, its part restores everything" {
	make_noise old 8M 1
	make_noise new 8M 2
	blkdiff old new >delta
	cp old target
	mount_tmpfs 4M

	run -2 --separate-stderr blkwrite --undo "$folder/log" target <delta
	[[ $stderr == "blkwrite: $folder/log: No space left on device (target is partly changed: "*"the undo log restores them)" ]]
	run -1 cmp -s target old
	run -2 blkwrite target <"$folder/log"

	cmp target old
}

@test "a cut undo log puts back all before the cut, and says so" {
	make_delta
	cp old target
	blkwrite --undo log target <delta
	cut_file log $(($(size_of log) - 100))

	run -2 --separate-stderr blkwrite target <log

	cmp target old
	[[ $stderr == *"the stream was cut"*"restored as far as the log reaches" ]]
}

@test "a delta and its undo go to a range of a disk and leave the rest alone" {
	make_delta
	make_noise disk 10M
	dd if=old of=disk bs=1M seek=1 conv=notrunc status=none
	cp disk before
	cp disk after
	dd if=new of=after bs=1M seek=1 conv=notrunc status=none

	blkwrite -o 1M -l 8M --undo log disk <delta
	cmp disk after
	blkwrite disk <log

	cmp disk before
}

@test "an undo log is refused for a range" {
	make_delta
	cp old target
	blkwrite --undo log target <delta

	run -2 --separate-stderr blkwrite -o 0 target <log

	cmp target new
	[[ $stderr == *"-o and -l cannot be used" ]]
}

@test "an undo log on another target is refused" {
	make_delta
	cp old target
	blkwrite --undo log target <delta
	make_noise other 8M

	cp other before

	run -2 --separate-stderr blkwrite other <log

	cmp other before
	[[ $stderr == *"neither the old data of the log nor its new data"* ]]
}

@test "a delta without old says that it was not checked" {
	make_pair
	cp old target
	blkdiff --list old new | blkdiff --changes - new >delta

	run -0 --separate-stderr blkwrite target <delta

	cmp target new
	[[ $stderr == *"that it is for this target was not checked" ]]
}

@test "ranges that the source of a delta could not read are reported, with status 2" {
	python3 -c '
import sys
for i in range(65536):
    sys.stdout.write("A" if i % 64 == 0 else chr(97 + i % 26))' >old
	cp old target

	run -2 --separate-stderr blkwrite target <"$root/t/files/good-delta.blk"

	[[ $stderr == *"blkwrite: target: 512 bytes could not be read at the source; they are left unchanged here"* ]]
	cmp -i 10000 -n 512 target old
	run -1 cmp -s target old
}

@test "a delta makes a target as large or as small as the new device" {
	make_image old 3M 1
	make_image new 5000001 2
	cp old up
	cp new down

	blkdiff old new | blkwrite up
	blkdiff new old | blkwrite down

	cmp up new
	cmp down old
}

@test "a target that is too small for a delta is not touched" {
	make_delta
	attach 4M
	dd if=old of="$device" bs=1M count=4 status=none
	sync

	run -2 --separate-stderr bash -c "cat delta | blkwrite --undo log '$device'"
	[ ! -e log ]
	run -2 --separate-stderr blkwrite "$device" <delta

	[[ $stderr == "blkwrite: $device: too small: "* ]]
	cmp -n 4194304 "$device" old
}

@test "a delta reaches loop devices of either sector size" {
	make_delta
	local sector

	for sector in 512 4096; do
		attach 8M "$sector"
		dd if=old of="$device" bs=1M conv=fsync status=none
		run -0 blkwrite --verify "$device" <delta
		cmp "$device" new
	done
}

@test "--verify of a delta reads back what was written, and nothing else" {
	require strace
	make_noise old 40M
	cp old new
	printf x | dd of=new bs=1M seek=20 conv=notrunc status=none
	printf y | dd of=new bs=1M seek=30 conv=notrunc status=none
	blkdiff old new >delta
	cp old target
	dd if=new of=target bs=1M skip=20 seek=20 count=1 conv=notrunc status=none

	strace -o calls -e trace=pread64 -P "$PWD/target" blkwrite -j 1 --verify target <delta

	cmp target new
	read_of() { grep -c ", 4096, $1) = 4096" calls; }
	[ "$(read_of 31457280)" = 3 ]
	[ "$(read_of 20971520)" = 2 ]
	[ "$(grep -c pread64 calls)" = 6 ]
}

@test "a larger device keeps its tail, which is said" {
	make_delta
	attach 9M
	dd if=old of="$device" bs=1M conv=fsync status=none

	run -0 --separate-stderr blkwrite "$device" <delta

	cmp -n 8388608 "$device" new
	[ "$stderr" = "blkwrite: $device: the 1048576 bytes behind the delta's 8388608 are left as they were" ]
}

@test "the target of an undone delta is flushed before the log's last window is full" {
	require strace
	make_noise old 100M
	truncate -s 100M new
	blkdiff old new >delta
	cp old target

	strace -f -o calls -e trace=fsync,fdatasync -P "$PWD/target" blkwrite --undo log target <delta

	[ "$(grep -c sync calls)" -ge 3 ]
}

@test "a record that does not read back as sent fails, and is named" {
	require strace
	make_delta
	cp old target

	run -2 --separate-stderr inject "$PWD/target" pwrite64 retval=4096:when=3 \
		blkwrite -j 1 --verify target <delta

	[[ $stderr == *"read back otherwise than they were sent"* ]]
}

@test "--zeroed, --discard and --no-sync with --undo are refused for a delta" {
	make_delta
	cp old target

	run -2 blkwrite --zeroed target <delta
	run -2 blkwrite --discard target <delta
	run -2 blkwrite --no-sync --undo log target <delta

	cmp target old
}

@test "--undo is refused for an image" {
	make_pair
	cp old target

	run -2 --separate-stderr bash -c 'blkread new | blkwrite --undo log target'

	cmp target old
	[[ $stderr == "blkwrite: --undo applies to deltas only"* ]]
}
