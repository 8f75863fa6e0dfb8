#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What people type by mistake: it does no harm, and the message says what was meant.

load ../helpers

setup() {
	test_begin
	make_image image 4M
	blkread image >disk.blk
}

# says STATUS TEXT COMMAND: standard error is this one line.
says() {
	echo "$3"
	run "-$1" --separate-stderr bash -o pipefail -c "$3"
	echo "$stderr"
	[ "$stderr" = "$2" ]
}

@test "a file that holds a block stream is not read as a disk, unless with -r or --force" {
	meant="this is a block stream already: blkwrite and the other filters read it as it is (--force makes a stream of its bytes)"

	says 2 "blkread: disk.blk: $meant" "blkread disk.blk"
	says 2 "blkread: standard input: $meant" "blkread - <disk.blk >copy.blk"
	says 2 "blkread: standard input: $meant" "blkread <disk.blk"
	says 2 "blkread: standard input: $meant" "cat disk.blk | blkread - >copy.blk"
	run -2 --separate-stderr blkwrite --create copy <copy.blk
	[[ $stderr == *"$meant"* ]]
	says 0 "blkread: standard input: this is gzip: it is copied as it is, not the disk in it (gzip -dc gives that)" \
		"gzip -c image | blkread - >copy.blk"
	blkread -r disk.blk | cmp - disk.blk
	run -0 --separate-stderr bash -c "blkread --force disk.blk | blkwrite - | cmp - disk.blk"
	[ -z "$stderr" ]
}

@test "a device that holds a block stream is read as it is" {
	cp disk.blk stream.img
	truncate -s %4096 stream.img
	attach stream.img

	blkread "$device" | blkwrite - | cmp - stream.img
}

@test "a file that is an image of another format or compressed is copied, and that is said" {
	printf 'QFI\xfb\0\0\0\3' >disk.qcow2
	truncate -s 192K disk.qcow2
	gzip -c image >disk.gz
	xz -0c image >disk.xz

	says 0 "blkread: disk.qcow2: this is a qcow2 image: it is copied as it is, not the disk in it (qemu-img convert -O raw gives that)" \
		"blkread disk.qcow2 >copy.blk"
	blkwrite - <copy.blk | cmp - disk.qcow2
	says 0 "blkread: disk.gz: this is gzip: it is copied as it is, not the disk in it (gzip -dc gives that)" "blkread disk.gz >copy.blk"
	says 0 "blkread: disk.xz: this is xz: it is copied as it is, not the disk in it (xz -dc gives that)" "blkread -r disk.xz >copy"
	says 0 "" "blkread --force disk.xz >copy.blk"
	says 0 "" "blkread -o 1 disk.xz >copy.blk"
}

@test "blkread without an operand reads the file on standard input, and nothing else" {
	blkread <image | blkwrite - | cmp - image
	[ "$(blkread <image | blksum)" = "$(blksum <image)" ]
	truncate -s 1T hole
	timeout 60 blkread <hole | blkwrite -v /dev/null

	for input in /dev/null "<(cat image)" "<(true)"; do
		run -2 --separate-stderr bash -c "blkread < $input"
		[[ $stderr == *"which disk?"* ]]
	done
	run -2 --separate-stderr bash -c "{ head -c 512 >/dev/null; blkread; } <image"
	[[ $stderr == *"which disk?"* ]]
}

@test "what is no block stream is named to blkwrite's user, with what cures it" {
	stream="blkwrite: standard input: stream byte 0: not a block stream"

	says 2 "$stream: blkread makes one of a disk; -r writes the plain bytes of a disk" "cat image | blkwrite --create copy"
	says 2 "$stream but gzip: decompress it by blkzip -d; -r writes the plain bytes of a disk" "gzip -c image | blkwrite --create copy"
	says 2 "$stream but gzip: decompress it by blkzip -d; -r writes the plain bytes of a disk" "blkzip image | blkwrite --create copy"
	says 2 "$stream but zstd: decompress it by zstd -dc; -r writes the plain bytes of a disk" \
		"printf '\x28\xb5\x2f\xfd1234' | blkwrite --create copy"
	says 2 "$stream but a qcow2 image: qemu-img convert -O raw makes a disk of it, which blkread reads" \
		"printf 'QFI\xfb\0\0\0\3' | blkwrite --create copy"
	says 2 "blkwrite: standard input: this is xz, not a disk (decompress it by xz -dc); --force writes it as it is" \
		"printf '\xfd7zXZ\0..' | blkwrite -r --create copy"
	[ ! -e copy ]
}

@test "a peer that sends eight wrong bytes and waits is refused at once" {
	mkfifo pipe
	exec 8<>pipe
	printf 'Welcome!' >&8

	run -2 --separate-stderr timeout 60 blkwrite --create copy <pipe 8>&-
	exec 8>&-

	[[ $stderr == "blkwrite: standard input: stream byte 0: not a block stream: "* ]]
}

@test "a program that failed before blkzip or gzip is recognised by what they made of nothing" {
	for program in blkzip "blkzip --store" "gzip -c" "gzip -1"; do
		says 2 "blkwrite: standard input: only an empty gzip file arrived: the input of the compressor was empty" \
			"true | $program | blkwrite --create copy"
	done
}

@test "other programs' compression is named to blkzip -d's user" {
	foreign="at byte 0: neither gzip nor a block stream"

	printf '\x1f\x9e1234' >old.gz
	says 2 "blkzip: old.gz: $foreign but old gzip: use gzip -dc" "blkzip -d old.gz"
	says 2 "blkzip: standard input: $foreign but xz: use xz -dc" "xz -0c image | blkzip -d"
	says 2 "blkzip: standard input: $foreign" "echo text | blkzip -t"
}

@test "an image is not written over a file that holds one, unless with --force" {
	printf 'QFI\xfb\0\0\0\3' >disk.qcow2
	truncate -s 1M disk.qcow2
	cp disk.qcow2 before

	says 2 "blkwrite: disk.qcow2: holds a qcow2 image, which the bytes of a disk would overwrite; --force writes it anyway" \
		"blkread image | blkwrite disk.qcow2"
	says 2 "blkwrite: disk.qcow2: holds a qcow2 image, which the bytes of a disk would overwrite; --force writes it anyway" \
		"blkwrite -r disk.qcow2 <image"
	cmp disk.qcow2 before
	says 2 "blkwrite: disk.blk: holds a block stream, which the bytes of a disk would overwrite; --force writes it anyway" \
		"blkread image | blkwrite --create disk.blk"
	cp disk.qcow2 new.qcow2
	echo changed | dd of=new.qcow2 seek=1 bs=64K conv=notrunc status=none
	blkdiff disk.qcow2 new.qcow2 | blkwrite disk.qcow2
	cmp disk.qcow2 new.qcow2
	blkread image | blkwrite --force disk.qcow2
	cmp disk.qcow2 image
}

@test "an image of another format is written with -r as it is, and that is said" {
	printf 'QFI\xfb\0\0\0\3' >disk.qcow2
	truncate -s 1M disk.qcow2

	says 0 "blkwrite: standard input: a qcow2 image was written as it is, not the disk in it (qemu-img convert -O raw makes one of it)" \
		"blkwrite -r --create copy <disk.qcow2"
	cmp copy disk.qcow2
}

@test "blksum says that it digested a stream's bytes" {
	run -0 --separate-stderr blksum -a md5 disk.blk image
	[ "$output" = "$(md5sum disk.blk image)" ]
	[ "$stderr" = "blksum: disk.blk: this is a block stream, and its bytes were digested; blksum <disk.blk digests the disk in it" ]
	run -0 --separate-stderr bash -c "blksum <disk.blk"
	[ -z "$stderr" ]
}

@test "a larger file is refused, and cut with --resize or --create alone" {
	truncate -s 6M target
	cp target before

	says 2 "blkwrite: target: the file has 6291456 bytes, the image 4194304: --resize cuts the file to that, -l 4194304 leaves its end as it is" \
		"blkwrite target <disk.blk"
	says 2 "blkwrite: target: the file has 6291456 bytes, the image 4194304: --resize cuts the file to that, -l 4194304 leaves its end as it is" \
		"blkwrite -r target <image"
	cmp target before
	for option in --resize --create; do
		truncate -s 6M target
		blkwrite $option target <disk.blk
		cmp target image
	done
	# A smaller one grows, and so does an empty one.
	for size in 0 1M; do
		truncate -s 0 target
		truncate -s $size target
		says 0 "" "blkwrite target <disk.blk"
		cmp target image
	done
}

@test "a larger file keeps its end, which is said, where only the end of the input tells the size" {
	make_image target 6M 2
	cp target before

	says 0 "blkwrite: target: the 2097152 bytes behind the image's 4194304 are left as they were" "cat image | blkread - | blkwrite target"

	cmp -n 4M target image
	cmp -i 4M target before
	cat image | blkread - | blkwrite --resize target
	cmp target image
}

@test "a file is created in /dev/shm, which is no folder of devices" {
	[ "$(stat -fc %T /dev/shm)" = tmpfs ]
	target=$(mktemp -u /dev/shm/blktest.XXXXXX)
	at_end rm -f "$target"

	blkread image | blkwrite --create "$target"

	cmp image "$target"
	says 2 "blkwrite: /dev/blktest: no such device, and no file is created under /dev" "blkwrite --create /dev/blktest <disk.blk"
}

@test "/dev/null takes an image, which is checked and measured, and nothing that must be read back" {
	run -0 --separate-stderr blkwrite -v /dev/null <disk.blk
	[[ $stderr == "blkwrite: /dev/null: 4194304 bytes, "*", $(blksum image | cut -d ' ' -f 1)" ]]
	blkwrite --map map /dev/null <disk.blk
	blksum -c map image
	says 2 "blkwrite: /dev/null: keeps nothing: it cannot be read back, nor is it the base of a delta" "blkwrite --verify /dev/null <disk.blk"
	says 2 "blkwrite: /dev/null: keeps nothing: it cannot be read back, nor is it the base of a delta" "blkdiff image image | blkwrite /dev/null"
	head -c 1M disk.blk >cut
	run -2 --separate-stderr blkwrite /dev/null <cut
	[[ $stderr == *"the stream was cut"* && $stderr != *incomplete* ]]
	# Two at a time, and beside everybody who has it open.
	blkread image | blkwrite /dev/null & blkwrite /dev/null <disk.blk
	wait $!
	run -2 --separate-stderr blkwrite /dev/zero <disk.blk
	[ -c /dev/null ]
}

@test "a delta between equals says that they are identical already" {
	cp image same

	run -0 --separate-stderr bash -o pipefail -c "blkdiff same image | blkwrite -v same"

	[[ $stderr == "blkwrite: same: already identical: the delta changes nothing, "* ]]
}

@test "blkwrite - writes the disk's bytes to standard output, and 0 means all of them" {
	truncate -s 40M image
	blkread image >disk.blk

	blkwrite - <disk.blk | cmp - image
	blkzip <disk.blk | blkwrite -j 1 - | cmp - image
	run -0 --separate-stderr bash -c "blkwrite -v - <disk.blk >copy"
	[[ $stderr == "blkwrite: standard output: 41943040 bytes, "*", $(blksum image | cut -d ' ' -f 1)" ]]
	cmp copy image
	: >empty
	blkread empty | blkwrite - | cmp - empty
}

@test "blkwrite - fails where the stream does, says that this is no disk, and takes no deltas" {
	head -c 2M disk.blk >cut
	run -2 --separate-stderr bash -c "blkwrite - <cut >copy"
	[[ $stderr == "blkwrite: standard input: stream byte 2097152, device byte "*": the stream was cut: "*" bytes were written, which are no whole disk)" ]]
	says 2 "blkwrite: standard output: No space left on device" "blkwrite - <disk.blk >/dev/full"
	says 2 "blkwrite: standard input: this stream is a delta, an image is wanted" "blkdiff image image | blkwrite - >copy"
	says 2 "blkwrite: standard input: stream byte 0: nothing came, not even a header" "blkwrite - </dev/null"
	says 2 "blkwrite: standard input: the stream has another id than --id says" \
		"ID=$(printf '%032d' 7) blkwrite --id env:ID - <disk.blk"
	for option in -r "-o 1" "-l 1" --create --resize --discard --force "--map map" --no-sync "--undo log" --verify --zeroed; do
		run -2 --separate-stderr bash -c "blkwrite $option - <disk.blk"
		[[ $stderr == "blkwrite: only -j, -v, --id and --progress go with \`-', standard output"* ]]
	done
	[ ! -e map ] && [ ! -e log ]
	run -141 bash -c "blkwrite - <disk.blk | true; exit \${PIPESTATUS[0]}"
}

@test "an interrupted blkwrite says how much had come, and what sends the rest" {
	mkfifo pipe
	background bash -c 'exec blkwrite --create target <pipe 2>said'
	exec 8>pipe
	head -c 3M disk.blk >&8
	wait_for 20 test -s target
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 130 ]
	exec 8>&-

	cat said
	grep -qE "^blkwrite: Interrupt \(target is incomplete: its first MiB is (being made )?zero, [0-9]+ of 4194304 bytes had come; \`blksum --map target \| blkdiff --map - SOURCE \| blkwrite target' sends the rest, with \`ssh HOST' before what is on another host\)$" said
	blksum --map target | blkdiff --map - image | blkwrite target
	cmp target image
}

@test "an interrupted blkread tells at a terminal how to send the rest to another host" {
	cat >job <<-'EOC'
		blkread image | { sleep 100; } &
		sleep 1
		pkill -TERM -P $$ -x blkread
		kill %%; wait
	EOC
	make_noise image 4M

	run script -qec "bash job" /dev/null

	[[ $output == *"a target on another host is incomplete now: \`ssh HOST blksum --map TARGET | blkdiff --map - image | ssh HOST blkwrite TARGET' sends the rest)"* ]]
}
