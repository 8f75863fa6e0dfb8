#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Incomplete undo logs and their exit status: only a complete log is 0.

load ../helpers
load delta

# Images old and new, the delta between them, and the log that puts old back.
make_log() {
	make_pair 4M
	blkdiff old new >delta
	cp old target
	blkwrite --undo log target <delta
	cmp target new
}

# flip FILE BYTE: change a bit of it.
flip() {
	python3 - "$1" "$2" <<'EOP'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 4]))
EOP
}

# payload_of NUMBER <STREAM: the byte of the stream where that record's payload begins.
payload_of() {
	python3 -c '
import sys
data, at = sys.stdin.buffer.read(), 128
for _ in range(int(sys.argv[1])):
    at += 64 + int.from_bytes(data[at + 32:at + 36], "little")
print(at + 64)' "$1"
}

@test "only a complete undo log is a success" {
	make_log

	run -0 --separate-stderr blkwrite target <log

	[ -z "$stderr" ]
	cmp target old
}

@test "an undo log without its end is applied as far as it reaches, which is status 2" {
	make_log
	local size at

	size=$(stat -c %s log)
	for at in $((size - 1)) $((size - 72)) $((size - 136)); do
		head -c "$at" log >cut
		cp new target
		run -2 --separate-stderr blkwrite target <cut
		[[ $stderr == "blkwrite: standard input: stream byte $at, "*"the stream was cut: end of file before its END record; restored as far as the log reaches" ]]
		[ "${#stderr_lines[@]}" = 1 ]
		cmp target old
	done
}

@test "an undo log that is only its header restores nothing, which is status 2" {
	make_log
	head -c 128 log >cut
	cp new target

	run -2 --separate-stderr blkwrite target <cut

	[[ $stderr == *"restored as far as the log reaches" ]]
	cmp target new
}

@test "an undo log whose end was not on the medium yet is applied as far as it reaches" {
	make_log
	local size
	size=$(stat -c %s log)

	cp log torn
	truncate -s $((size - 300)) torn
	truncate -s $((size + 4096)) torn
	cp new target
	run -2 --separate-stderr blkwrite target <torn

	[[ $stderr == *"restored as far as the log reaches" ]]
	run -0 blkwrite target <log
	cmp target old
}

@test "an undo log that is damaged in front of its end is refused before the first write" {
	make_log
	local at

	# The payload of its first record, of one in the middle; the header of that.
	for at in "$(payload_of 0 <log)" "$(payload_of 20 <log)" $(($(payload_of 20 <log) - 30)); do
		cp log broken
		flip broken "$at"
		cp new target
		run -2 --separate-stderr blkwrite target <broken
		[[ $stderr == "blkwrite: standard input: stream byte "*", device byte "*"; the log is damaged, and nothing was written (--force restores what the log holds before that place)" ]]
		[ "${#stderr_lines[@]}" = 1 ]
		cmp target new
	done
}

@test "an undo log with a damaged end, or bytes after it, is refused before the first write" {
	make_log
	local size
	size=$(stat -c %s log)

	cp log broken
	flip broken $((size - 10))
	cp new target
	run -2 --separate-stderr blkwrite target <broken
	[[ $stderr == *"END record with a wrong checksum; the log is damaged, and nothing was written"* ]]
	cmp target new

	cp log broken
	echo >>broken
	run -2 --separate-stderr blkwrite target <broken
	[[ $stderr == *"bytes behind the END record; the log is damaged, and nothing was written"* ]]
	cmp target new
}

@test "an undo log that its sender gave up is refused before the first write" {
	make_log
	head -c -137 log >cut
	run -2 bash -c 'blkzip <cut >aborted'
	cp new target

	run -2 --separate-stderr blkwrite target <aborted

	[[ $stderr == *"the sending side gave up: "*"; the log is damaged, and nothing was written"* ]]
	cmp target new
}

@test "a log that is damaged further from its end than a crash can reach is refused" {
	make_noise old 70M
	truncate -s 70M new
	blkdiff old new >delta
	cp old target
	blkwrite --undo log target <delta
	head -c -200 log >broken
	flip broken "$(payload_of 2 <log)"

	run -2 --separate-stderr blkwrite target <broken

	[[ $stderr == *"; the log is damaged, and nothing was written"* ]]
	cmp target new
}

@test "--force restores the part of a damaged log before the damage, with status 2" {
	make_log
	cp log broken
	flip broken "$(payload_of 20 <log)"
	cp new target

	run -2 --separate-stderr blkwrite --force target <broken

	[[ $stderr == *"restored as far as the log reaches"* ]]
	cmp -n 1048576 target old
	run -1 cmp -s target old
	run -0 blkwrite target <log
	cmp target old
}

@test "from a pipe a broken log is applied up to there, which is status 2" {
	make_log
	cp log broken
	flip broken "$(payload_of 20 <log)"
	cp new target

	run -2 --separate-stderr bash -c 'cat broken | blkwrite target'

	[[ $stderr == *"restored as far as the log reaches" ]]
	cmp -n 1048576 target old
	run -0 bash -c 'cat log | blkwrite target'
	cmp target old
}

# tear SEED: target gets each sector from old or from new.
tear() {
	python3 - "$1" <<'EOP'
import random, sys
seed = random.Random(int(sys.argv[1]))
share = seed.random()
old, new = open("old", "rb").read(), open("new", "rb").read()
with open("target", "wb") as out:
    for at in range(0, len(new), 512):
        out.write((old if seed.random() < share else new)[at:at + 512])
EOP
}

@test "an undo log that lost power in its middle is applied again, without complaint" {
	make_log
	local seed

	for seed in {1..20}; do
		tear "$seed"
		run -0 --separate-stderr blkwrite --verify target <log
		[ "$(no_cache_note <<<"$stderr")" = "" ]
		cmp target old
	done
	tear 21
	run -0 bash -c 'blkzip <log | blkwrite target'
	cmp target old
}

@test "an undo log of a delta of zeros is applied again, too" {
	make_noise old 4M
	truncate -s 4M new
	blkdiff old new >delta
	blkdiff new old >back
	cp old target
	blkwrite --undo log target <delta
	blkwrite --undo log.zeros target <back

	tear 1
	run -0 --separate-stderr blkwrite target <log
	[ -z "$stderr" ]
	cmp target old
	tear 2
	run -0 --separate-stderr blkwrite target <log.zeros
	[ -z "$stderr" ]
	cmp target new
}

@test "an undo log that was torn is still refused where anything else was written since" {
	make_log
	tear 1
	# A byte of the first range behind the first MiB.
	at=$(blkdiff --list old new | awk '$1 > 1048576 && $2 > 100 { print $1 + 50; exit }')
	cp target before
	flip before "$at"
	cp before target

	run -2 --separate-stderr blkwrite target <log

	[[ $stderr == "blkwrite: target: at byte "*": neither the old data of the log nor its new data (another target, or written since: --force puts back what the log has)" ]]
	cmp target before
	run -0 blkwrite --force target <log
	cmp target old
}

# Of another program, whose ranges say only what all of them was to become.
@test "without notes of the sectors a log is applied where a part of it was, which is said" {
	local make=${TOOLS:-$root/build/release/t}/unit/make-stream
	"$make" undo >log
	"$make" -b undo >new
	"$make" -a undo >old
	cp new target
	dd if=old of=target bs=512 skip=10 seek=10 count=3 conv=notrunc status=none

	run -0 --separate-stderr blkwrite target <log

	[ "$stderr" = "blkwrite: target: 4096 bytes of the log's ranges held only a part of its old data: taken for torn by a crash, and put back" ]
	cmp target old
	cp new target
	head -c 4096 /dev/urandom | dd of=target bs=4096 seek=1 conv=notrunc status=none
	run -2 blkwrite target <log
}

@test "what an END that is wrong says of bad bytes is not repeated" {
	make_log
	/usr/bin/python3 - <<'EOP'
import struct
from xxhash import xxh3_64_intdigest as xxh64
data = bytearray(open("log", "rb").read())
end = len(data) - 136
data[end + 64 + 32] ^= 1
total = xxh64(bytes(data[end + 64:]))
data[end + 36:end + 48] = struct.pack("<IQ", total & 0xffffffff, total)
seed, = struct.unpack("<Q", data[32:40])
data[end + 56:end + 64] = struct.pack("<Q", xxh64(bytes(data[end:end + 56]), seed))
open("wrong", "wb").write(data)
EOP

	run -2 --separate-stderr bash -c 'cat wrong | blkwrite target'

	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == *"END counts "*"; restored as far as the log reaches" ]]
}
