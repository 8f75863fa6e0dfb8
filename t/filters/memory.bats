#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Memory does not grow with the device: a sparse tebibyte needs as much as a sparse gibibyte, and
# dense data needs no more than the threads' buffers.

load ../helpers

# peak COMMAND [ARGUMENT ...]: run it, and print the most memory it had, in KiB.
peak() {
	python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=open("output", "wb"), stdin=sys.stdin)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}

# Sanitizers keep freed memory, and shadow the rest.
slack() {
	if [ -n "${SANITIZER:-}" ]; then
		echo 400000
	else
		echo 4096
	fi
}

same_peak() {
	local small large

	small=$(peak "$@" <small-input)
	large=$(peak "${@//small/large}" <large-input)
	echo "$*: $small KiB, $large KiB"
	[ "$large" -le $((small + $(slack))) ]
	[ "$large" -le $((32 * 1024 + $(nproc) * 4 * 256 + $(slack))) ]
}

make_sparse_inputs() {
	truncate -s 1G small
	truncate -s 1T large
	printf x | dd of=small bs=1 seek=1000000000 conv=notrunc status=none
	printf x | dd of=large bs=1 seek=1000000000000 conv=notrunc status=none
	blkread small >small-input
	blkread large >large-input
}

@test "blkread of a sparse tebibyte needs as much memory as of a gibibyte" {
	make_sparse_inputs

	same_peak blkread small
}

@test "blkzip of a sparse tebibyte needs as much memory as of a gibibyte" {
	make_sparse_inputs

	same_peak blkzip
}

@test "blkmeter of a sparse tebibyte needs as much memory as of a gibibyte" {
	make_sparse_inputs

	same_peak blkmeter -q
}

@test "blkwrite --verify of a sparse tebibyte needs as much memory as of a gibibyte" {
	make_sparse_inputs

	same_peak blkwrite --create --verify small-target
}

@test "blkwrite --map of a sparse tebibyte needs as much memory as of a gibibyte, and a small map" {
	make_sparse_inputs

	same_peak blkwrite --create --map small-map small-target
	[ "$(stat -c %s large-map)" -lt 1000 ]
}

@test "blksum of a sparse tebibyte needs as much memory as of a gibibyte" {
	make_sparse_inputs

	same_peak blksum small
}

@test "each filter keeps to its buffers on 128 MiB of dense data" {
	make_noise small 16M
	make_noise large 128M
	blkread small >small-input
	blkread large >large-input

	same_peak blkread small
	same_peak blkzip -1
	same_peak blkmeter -q
	same_peak blkwrite --create --verify small-target
	same_peak blksum small
}

@test "blkzip of raw bytes keeps to its buffers" {
	make_noise small-input 16M
	make_noise large-input 128M

	same_peak blkzip
}
