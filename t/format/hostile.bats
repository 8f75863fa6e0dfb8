#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Broken and hostile input, given to the real programs.  Each time: status 2, one plain
# line on stderr, in seconds, and nothing written that should not be.

load ../helpers

: "${TOOLS:=$root/build/release/t}"

setup_file() {
	local name

	for name in image bad; do
		mkdir -p "$BATS_FILE_TMPDIR/$name"
		"$TOOLS/unit/make-stream" "$name" |
			"$TOOLS/unit/make-broken" "$BATS_FILE_TMPDIR/$name" "${RANDOM_STREAMS:-20}"
	done
}

# refuse [options] COMMAND -- FILES: t/unit/refuse.c says what that means.
refuse() {
	"$TOOLS/unit/refuse" "$@"
}

@test "blkwrite refuses every broken stream, and leaves its range as it was or zero" {
	every 2 "$BATS_FILE_TMPDIR"/*/*
	refuse -b -t target -o 256K -l 256K blkwrite -o 256K -l 256K --no-sync target -- \
		"${some[@]}"
}

@test "blkzip -t refuses every broken stream" {
	every 2 "$BATS_FILE_TMPDIR"/*/*
	refuse -b blkzip -t -- "${some[@]}"
}

@test "blksum refuses every broken stream" {
	every 3 "$BATS_FILE_TMPDIR"/*/*
	refuse -b blksum -- "${some[@]}"
}

@test "blkzip makes no whole stream of a broken one" {
	every 3 "$BATS_FILE_TMPDIR"/*/*
	refuse -r blkzip -- "${some[@]}"
}

@test "blkzip -d makes no whole stream of a broken one" {
	every 3 "$BATS_FILE_TMPDIR"/*/*
	refuse -r blkzip -d -- "${some[@]}"
}

@test "blkzip refuses a broken structure itself" {
	every 2 "$BATS_FILE_TMPDIR"/*/structure-*
	refuse -b blkzip -- "${some[@]}"
}

@test "blkmeter passes every broken stream on as it is" {
	every 2 "$BATS_FILE_TMPDIR"/*/*
	refuse -m blkmeter -- "${some[@]}"
}

@test "blkmeter names what is cut, out of order or behind the end" {
	refuse -b blkmeter -- "$BATS_FILE_TMPDIR"/*/structure-{cut,drop,garbage,stranger}-*
}

@test "blkwrite leaves the first MiB zero, and what lies outside alone, wherever the fault is" {
	{
		seq 1 300000
		head -c 300K /dev/zero
		head -c 1M /dev/urandom
	} >image
	size=$(stat -c %s image)
	mkdir broken
	blkread image | blkzip | "$TOOLS/unit/make-broken" broken
	head -c 8M /dev/zero | tr '\0' x >fresh
	written=0

	every 2 broken/structure-cut-*-payload broken/payload-bit-* broken/end-*
	for file in "${some[@]}"; do
		cp fresh target
		run -2 --separate-stderr blkwrite --no-sync -o 2M -l 4M target <"$file"

		cmp -n 2097152 target fresh
		cmp -n 1048576 -i 2097152:0 target /dev/zero
		cmp -i $((2097152 + size)) target fresh
		cmp -s -n 65536 -i 3145728:1048576 target image && written=$((written + 1))
	done
	[ "$written" -gt 0 ]
}

@test "blkdiff refuses every broken map, and makes no whole delta of one" {
	local map

	make_noise device 129K
	for map in map map-sha256; do
		mkdir "$map"
		"$TOOLS/unit/make-stream" "$map" | "$TOOLS/unit/make-broken" "$map" "${RANDOM_STREAMS:-20}"

		every 2 "$map"/*
		refuse blkdiff --map - device -- "${some[@]}"
		every 5 "$map"/*
		refuse -r blkdiff --map - device -- "${some[@]}"
		refuse blkdiff --list --map - device -- "${some[@]}"
	done
}

# expect_untouched COMMAND ...: it is refused in one line, and target is what base is.
expect_untouched() {
	cp base target
	run -2 --separate-stderr "$@"
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "blkwrite: "* ]]
	cmp target base
}

@test "blkwrite refuses a broken delta from a file or a pipe, and leaves its first MiB as it was" {
	local file

	# What the delta replaces: see streams_fill in t/unit/streams.h.
	python3 -c '
import sys
for i in range(65536 * 2):
    sys.stdout.write(chr(65 + (i >> 16)) if i % 64 == 0 else chr(97 + i % 26))' >base
	"$TOOLS/unit/make-stream" delta-hashes >good
	"$TOOLS/unit/make-broken" . <good
	cp base target
	blkwrite target <good
	run -1 cmp -s -n 65536 target base

	every 5 header-* structure-* payload-*
	for file in "${some[@]}"; do
		echo "$file"
		expect_untouched blkwrite target <"$file"
	done
	every 19 header-* structure-* payload-*
	for file in "${some[@]}"; do
		echo "$file, by a pipe"
		expect_untouched bash -c "cat '$file' | blkwrite target"
	done
}

@test "an ABORT cannot speak to the terminal" {
	for program in "blkzip -t" "blkzip -d" blksum blkmeter "blkwrite target"; do
		truncate -s 1M target

		# shellcheck disable=SC2086
		refuse $program -- "$root/t/files/bad-abort-escapes.blk"
	done
}

@test "a record that is wrong by itself is named by its own byte of the device" {
	local file=$root/t/files/bad-old-hashes-off-grid.blk at program

	at=$(od -An -tu8 -j 144 -N 8 "$file" | tr -d ' ')
	[ "$at" -gt 0 ]
	truncate -s 70000 target
	for program in "blkzip -t" blkzip blkmeter "blkwrite target"; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr bash -c "$program <'$file' >/dev/null"
		[[ $stderr == *": stream byte 128, device byte $at: DATA record is checked by block hashes"* ]]
	done
}

@test "good files are read, bad ones refused, and the README explains each" {
	for file in "$root"/t/files/good-*; do
		blkzip -t <"$file"
	done

	refuse blkzip -t -- "$root"/t/files/bad-*

	(cd "$root/t/files" && printf '%s\n' bad-* cow-* good-*) >names
	sed -n 's/^\([a-z]*-[^ \t]*\)\t.*/\1/p' "$root/t/files/README" | sort | cmp names
}

@test "bad gzip does not become good bytes" {
	refuse blkzip -d -- "$root"/t/files/bad-*.gz
}

@test "zeros are no gzip file" {
	head -c 1M /dev/zero >zeros

	refuse blkzip -d -- zeros
	refuse blkzip -t -- zeros
}

@test "a stream for a larger device touches nothing" {
	truncate -s 4M image
	truncate -s 8T huge
	blkread image >stream
	blkread huge >huge.stream

	refuse -t target -o 1M -l 1M blkwrite -o 1M -l 1M target -- stream huge.stream

	[ "$(tr -d x <target | wc -c)" = 0 ]
}

# replay NAME FILES [FOLDER ...]: that fuzzer's corpus, so many files at least, and others.
replay() {
	local name=$1 files=$2

	shift 2
	run -0 --separate-stderr "$TOOLS/fuzz/replay-$name" "$root/t/fuzz/corpus-$name" "$@"
	[ "${output% files}" -ge "$files" ]
}

@test "what the fuzzers found is read as it was found" {
	replay stream 200 "$root"/t/files
	replay gzip 100 "$root"/t/files
	replay store 30
	replay changes 200 "$root"/t/files/lists
	replay map 100 "$root"/t/files
	replay patch 100 "$root"/t/files
}
