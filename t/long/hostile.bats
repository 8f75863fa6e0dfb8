#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What takes minutes: every bit of every small stream, many mutations, and the fuzzers for
# FUZZ_SECONDS each.  They leave what they find in the folder FINDINGS.

load ../helpers

: "${TOOLS:=$root/build/release/t}"
: "${FUZZ:=$root/build/fuzz}"
: "${FUZZ_SECONDS:=900}"
: "${FINDINGS:=$root/build/findings}"

refuse() {
	"$TOOLS/unit/refuse" "$@"
}

# 4000 mutations of each of three streams, except those that are still good, and everything that
# make-broken makes.
broken_streams() {
	for name in image bad unsized; do
		mkdir "$name"
		"$TOOLS/unit/make-stream" "$name" | "$TOOLS/unit/make-broken" "$name" 4000
	done
	[ "$(find image bad unsized -type f | wc -l)" -gt 10000 ]
}

@test "every bit of every stream, and 200000 mutations, in process" {
	run -0 "$TOOLS/unit/test-mutate" 200000

	echo "$output" >&3
}

@test "10000 mutated streams are refused by blkwrite, which writes nothing" {
	broken_streams

	for name in image bad unsized; do
		refuse -t target -o 256K -l 256K blkwrite -o 256K -l 256K --no-sync target -- \
			"$name"/*
	done
}

@test "10000 mutated streams are refused by blkzip -t, and never become complete by blkzip" {
	broken_streams

	for name in image bad unsized; do
		refuse -b blkzip -t -- "$name"/*
		refuse -r blkzip -- "$name"/*
	done
}

fuzz() {
	local name=$1

	shift
	[ -x "$FUZZ/fuzz-$name" ] || skip "needs $FUZZ/fuzz-$name: make fuzz"
	mkdir -p "$FINDINGS" corpus
	"$FUZZ/fuzz-$name" corpus "$root/t/fuzz/corpus-$name" -max_total_time="$FUZZ_SECONDS" \
		-artifact_prefix="$FINDINGS/$name-" -rss_limit_mb=1024 -malloc_limit_mb=64 \
		-print_final_stats=1 "$@" 2>fuzz.log || {
		tail -n 40 fuzz.log
		return 1
	}
	grep -E 'number_of_executed_units|cov:' fuzz.log | tail -n 2 >&3
}

@test "the stream reader is fuzzed" {
	fuzz stream -max_len=8192
}

@test "the reader of gzip is fuzzed" {
	fuzz gzip -max_len=4096
}

@test "the reader of exception stores is fuzzed" {
	fuzz store -max_len=65536
}

@test "the readers of lists of changes are fuzzed" {
	fuzz changes -max_len=4096 -dict="$root/t/fuzz/changes.dict"
}

@test "a device is compared with fuzzed maps" {
	fuzz map -max_len=8192
}

@test "fuzzed deltas and undo logs are applied" {
	fuzz patch -max_len=8192
}
