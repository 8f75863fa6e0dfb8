#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkdiff --store: exception stores of dm-snapshot, made here; t/lab has the kernel's own.

load ../helpers
load delta

make_store() {
	"$root/t/format/make-store" "$@"
}

# patch_entry INDEX OLD NEW: overwrite an entry of the first area of store, chunks of 4 KiB.
patch_entry() {
	patch_bytes store $((4096 + 16 * $1)) \
		"$(python3 -c 'import struct, sys; print(struct.pack("<QQ", int(sys.argv[1]), int(sys.argv[2])).hex())' "$2" "$3")"
}

# refuses MESSAGE: the store is refused with that, in one line, and nothing else comes.
refuses() {
	run -2 --separate-stderr blkdiff --store store new
	[ -z "$output" ]
	[ "$stderr" = "blkdiff: store: $1" ]
}

@test "a store lists the writes to its origin, with chunks of any size" {
	local chunk

	make_pair
	for chunk in 512 4096 16384 65536 524288 4194304; do
		echo "$chunk"
		make_store store old new "$chunk"

		blkdiff --store store new >delta

		apply delta old
		cmp target new
		[ "$(records <delta | grep -c ' checked')" = 0 ]
	done
}

@test "of a store that was never written to only the pages that differ are sent, checked" {
	local chunk

	make_pair
	blkdiff old new | records old >expected
	for chunk in 4096 16384 65536 524288; do
		echo "$chunk"
		make_store store old new "$chunk"

		blkdiff --read-only --store store new >delta

		records old <delta >list
		[ "$(grep -c unchecked list)" = 0 ]
		apply delta old
		cmp target new
		awk '{ n += $3 } END { print n }' list >sent
		awk '{ n += $3 } END { print n }' expected | diff sent -
	done
}

@test "a store of several areas is read to its end" {
	make_noise old 4M 1
	make_noise new 4M 2

	make_store store old new 4096

	[ "$(blkdiff --list --store store new)" = "0 4194304
# 1 ranges, 4194304 bytes" ]
	blkdiff --read-only --store store new >delta
	apply delta old
	cmp target new
}

@test "an area that is full to the last entry continues in the next" {
	local entries

	for entries in 255 256 257 512; do
		make_noise old $((entries * 4096)) 1
		make_noise new $((entries * 4096)) 2

		make_store store old new 4096

		[ "$(blkdiff --list --store store new | tail -1)" = "# 1 ranges, $((entries * 4096)) bytes" ]
	done
}

@test "an empty store is an empty delta" {
	make_image old 2M
	cp old new
	make_store store old new

	blkdiff --store store new >delta

	[ -z "$(records <delta)" ]
}

@test "the last chunk ends where the origin does" {
	make_noise old 1000003 1
	make_noise new 1000003 2
	make_store store old new 65536

	blkdiff --read-only --store store new >delta

	apply delta old
	cmp target new
	[ "$(blkdiff --list --store store new | head -1)" = "0 1000003" ]
}

@test "a chunk that was restored to its old contents is not sent" {
	make_noise old 1M
	cp old new
	put new 65536 x
	put new 131072 y
	make_store store old new
	put new 131072 "$(dd if=old bs=1 skip=131072 count=1 status=none | tr -d '\0')"
	cp old new.expected
	put new.expected 65536 x

	blkdiff --read-only --store store new.expected >delta

	[ "$(records old <delta)" = "DATA 65536 4096 checked" ]
}

@test "--bulk-from-origin sends it all the same, whole and unchecked" {
	make_noise old 1M
	cp old new
	put new 65536 x
	put new 131072 y
	make_store store old new 16384
	cp old back

	blkdiff --read-only --bulk-from-origin --store store back >delta

	[ "$(records <delta)" = "DATA 65536 16384 unchecked
DATA 131072 16384 unchecked" ]
}

@test "a copy that was made from the origin between two writes is mended with --bulk-from-origin" {
	make_noise old 1M
	cp old new
	put new 65536 x
	make_store store old new
	cp new copy
	cp old now

	blkdiff --read-only --bulk-from-origin --store store now | blkwrite copy

	cmp copy now
}

@test "stores on devices of either sector size are read past the page cache" {
	local sector

	make_pair 4M
	make_store store old new 4096 100
	for sector in 512 4096; do
		attach store "$sector"

		blkdiff --read-only --store "$device" new >delta

		apply delta old
		cmp target new
	done
}

@test "-o and -l, --list and -q go with a store" {
	make_noise old 1M
	cp old new
	put new 65536 x
	put new 200000 y
	make_store store old new 16384

	[ "$(blkdiff --list --store store new)" = "65536 16384
196608 16384
# 2 ranges, 32768 bytes" ]
	[ "$(blkdiff --list --read-only --store store new)" = "65536 4096
196608 4096
# 2 ranges, 8192 bytes" ]
	[ "$(blkdiff --list -o 70000 -l 130000 --store store new)" = "70000 11920
196608 3392
# 2 ranges, 15312 bytes" ]
	run -1 blkdiff -q --store store new
	run -0 blkdiff -q -l 65536 --store store new
	run -0 blkdiff -q --read-only --store store old
}

@test "a file that is no store, or an invalid one, is refused" {
	make_image old 1M
	cp old new
	put new 5 x
	make_store store old new
	cp store good

	: >store
	refuses 'at byte 0: the exception store was cut here'
	head -c 511 good >store
	refuses 'at byte 511: the exception store was cut here'
	head -c 4096 good >store
	refuses 'at byte 12: chunks that this store is too small for'
	cp new store
	refuses 'at byte 0: not an exception store'
	cp good store
	patch_bytes store 4 00000000
	refuses 'at byte 4: the snapshot is invalid, it overflowed or was dropped: its list is not whole (use blkdiff --map)'
	patch_bytes store 4 02000000
	refuses 'at byte 4: an exception store that is neither valid nor invalid'
	cp good store
	patch_bytes store 8 02000000
	refuses 'at byte 8: an exception store of another version than 1'
}

@test "chunk sizes that no store has are refused" {
	local sectors

	make_image old 1M
	cp old new
	put new 5 x
	make_store store old new
	for sectors in 00000000 03000000 07000000 09000000 00004000 00000080 ffffffff; do
		echo "$sectors"
		patch_bytes store 12 "$sectors"
		refuses 'at byte 12: a size of chunks that no exception store has'
	done
	patch_bytes store 12 00002000
	refuses 'at byte 12: chunks that this store is too small for'
}

@test "entries that cannot be are refused with their byte" {
	make_noise old 1M
	cp old new
	for i in 0 1 2 3; do
		put new $((i * 4096)) x
	done
	make_store store old new
	cp store good

	patch_entry 2 256 4
	refuses 'at byte 4128: chunk 256 of an origin that has 256'
	patch_entry 2 18446744073709551615 4
	refuses 'at byte 4128: chunk 18446744073709551615 of an origin that has 256'
	cp good store
	patch_entry 1 1 22
	refuses 'at byte 4120: no data can be in chunk 22 of the store'
	patch_entry 1 1 9223372036854775808
	refuses 'at byte 4120: no data can be in chunk 9223372036854775808 of the store'
	patch_entry 1 1 1
	refuses 'at byte 4120: no data can be in chunk 1 of the store'
	cp good store
	truncate -s 2M store
	patch_entry 1 1 258
	refuses 'at byte 4120: no data can be in chunk 258 of the store'
	cp good store
	patch_entry 1 200 2
	refuses 'chunk 2 of the store is listed twice'
	cp good store
	patch_entry 1 0 3
	patch_entry 0 0 2
	refuses 'chunk 0 of the origin is listed twice'
}

# refused_or LIST: blkdiff's output for the store is one line of error, or the list in that file.
refused_or() {
	status=0
	blkdiff --list --store store new >list 2>messages || status=$?
	case $status in
	0) cmp list "$1" ;;
	2) [ "$(wc -l <messages)" = 1 ] && [ ! -s list ] && grep -q '^blkdiff: store: ' messages ;;
	*) false ;;
	esac
}

@test "a store that was cut anywhere is refused, or all that it lists is there" {
	local length end

	make_noise old 256K 1
	make_noise new 256K 2
	make_store store old new 512 3
	cp store good
	blkdiff --list --store good new >whole
	end=$(($(stat -c %s good) - 3 * 512))

	for ((length = 0; length < end; length += 8179)); do
		head -c "$length" good >store
		refused_or /dev/null
		[ "$status" = 2 ]
	done
	for length in $((end - 512)) $((end - 1)); do
		head -c "$length" good >store
		refused_or /dev/null
		[ "$status" = 2 ]
	done
	for length in "$end" $((end + 1)) $((end + 512)); do
		head -c "$length" good >store
		refused_or whole
		[ "$status" = 0 ]
	done
}

# test-cow flips every bit in process.  A 0 in place of a chunk of the store ends the list
# early, which only the kernel's count tells.
@test "a store with a bit changed is refused, or lists at most as many chunks of the origin" {
	local bit accepted=0

	make_noise old 100K
	cp old new
	for bit in 1 2 7 20; do
		put new $((bit * 4096)) x
	done
	make_store store old new
	cp store good

	for ((bit = 0; bit < 128; bit += 19)); do
		cp good store
		flip_bit store "$bit"
		refused_or /dev/null
		[ "$status" = 2 ]
	done
	for ((bit = 32768; bit < 32768 + 4 * 128; bit += 23)); do
		cp good store
		flip_bit store "$bit"
		refused_or list
		[ "$status" = 2 ] || {
			awk '!/#/ && ($1 % 4096 || $2 % 4096 || $1 + $2 > 102400 || (n += $2) > 16384) { exit 1 }' list
			accepted=$((accepted + 1))
		}
	done
	[ "$accepted" -gt 0 ] && [ "$accepted" -lt 10 ]
}

@test "a list that continues beyond the store's end is refused" {
	make_noise old 2M 1
	make_noise new 2M 2
	make_store store old new
	truncate -s $((258 * 4096)) store

	refuses 'at byte 1056768: the list goes on behind the store'\''s end'
}

@test "a store that lists one chunk for ever is refused before it fills the memory" {
	truncate -s 64M new
	python3 - <<'EOP'
import struct
with open("store", "wb") as out:
    out.truncate(3 << 28)
    out.write(struct.pack("<IIII", 0x70416e53, 1, 1, (1 << 28) // 512))
    out.seek(1 << 28)
    for i in range(256):
        out.write(struct.pack("<QQ", 0, 2) * 65536)
EOP

	run -2 --separate-stderr bash -c '[ -n "${SANITIZER:-}" ] || ulimit -v 400000; blkdiff --store store new'

	[ "$stderr" = "blkdiff: store: at byte 268435472: the list has more chunks than the origin" ]
}

@test "read errors of the store are named by their byte, in the list and in the data" {
	make_noise old 1M 1
	make_noise new 1M 2
	make_store store old new 4096 300
	attach_faulty store read-error=4096
	run -2 --separate-stderr bash -c "blkdiff --read-only --store $device new >delta"
	[ "$stderr" = "blkdiff: $device: at byte 4096: Input/output error" ]
	[ ! -s delta ]

	attach_faulty store read-error=512K
	run -2 --separate-stderr bash -c "blkdiff --read-only --store $device new >delta"
	[ "$stderr" = "blkdiff: $device: at byte 524288: Input/output error" ]
	ends_in_abort <delta
}

@test "of a sparse tebibyte only a thousand changed chunks are read" {
	truncate -s 1T new
	python3 - <<'EOP'
import struct
step = (1 << 40) // 4096 // 1000
with open("store", "wb") as out, open("new", "r+b") as new:
    out.truncate(8 << 20)
    out.write(struct.pack("<IIII", 0x70416e53, 1, 1, 8))
    for i in range(1000):
        area, entry = divmod(i, 256)
        at = 1 + area * 257
        out.seek(at * 4096 + entry * 16)
        out.write(struct.pack("<QQ", i * step, at + 1 + entry))
        new.seek(i * step * 4096)
        new.write(b"changed")
EOP
	require strace

	strace -f -qq -o calls -e trace=pread64,read blkdiff --read-only --store store new >delta

	[ "$(records <delta | wc -l)" = 1000 ]
	[ "$(grep -c pread64 calls)" -lt 4000 ]
	[ "$(sed -n 's/.* = \([0-9]*\)$/\1/p' calls | awk '{ n += $1 } END { print n }')" -lt 50000000 ]
}

@test "--snapshot of something else than a snapshot is refused" {
	make_image new 1M

	run -2 --separate-stderr blkdiff --snapshot new
	[ "$stderr" = "blkdiff: new: not a block device (a store in a file is read by --store)" ]
	run -2 --separate-stderr blkdiff --snapshot missing
	[ "$stderr" = "blkdiff: missing: No such file or directory" ]
	attach new
	run -2 --separate-stderr blkdiff --snapshot "$device"
	[ -z "$output" ]
	[[ $stderr == "blkdiff: "* && $stderr != *$'\n'* ]]
}
