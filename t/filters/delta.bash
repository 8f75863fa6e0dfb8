# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Deltas and what they are made of: `load delta` after helpers.

# records [OLD] <STREAM: a line for each range of a stream that is whole and good: type, offset,
# length, and "checked" if it says what it replaces.  With OLD, every such word must be true of
# that file.
records() {
	"$root/t/format/blkstream.py" "$@" >.records
	awk '$1 ~ /^[0-9]+$/ && $2 ~ /^(DATA|ZERO|BAD)$/ {
		print $2, $3, $4, ($0 ~ / old / ? "checked" : "unchecked") }' .records
}

# ends_in_abort <STREAM: the stream says that it is incomplete.
ends_in_abort() {
	"$root/t/format/blkstream.py" >.records 2>.why && return 1
	grep -q 'the producer gave up' .why
}

# put FILE OFFSET TEXT: overwrite in place, in a larger file too.
put() {
	printf '%s' "$3" | dd of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# clear_range FILE OFFSET LENGTH: write zeros.
clear_range() {
	dd if=/dev/zero of="$1" bs=1M seek="$2" count="$3" oflag=seek_bytes iflag=count_bytes \
		conv=notrunc status=none
}

# change FILE [SEED [COUNT]]: overwrite COUNT places with noise, text or zeros.
change() {
	python3 - "$1" "${2:-1}" "${3:-60}" <<'EOP'
import os, random, sys
noise = random.Random(int(sys.argv[2]))
size = os.path.getsize(sys.argv[1])
with open(sys.argv[1], "r+b") as out:
    for i in range(int(sys.argv[3])):
        at = noise.randrange(size)
        length = min(noise.choice([1, 512, 4096, 10000, 70000]), size - at)
        out.seek(at)
        out.write([noise.randbytes, bytes, lambda n: b"abc" * (n // 3) + b"a" * (n % 3)][i % 3](length))
EOP
}

# make_pair [SIZE]: images old and new that differ in many places.
make_pair() {
	make_image old "${1:-8M}" 3
	cp --sparse=always old new
	change new
}

# apply DELTA BASE: DELTA is applied to target, a copy of BASE.
apply() {
	cp --sparse=always "$2" target
	blkwrite target <"$1"
}
