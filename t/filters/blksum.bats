#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blksum: the same digests as md5sum and its kin, lists that either side checks, digests
# of streams, and maps.

load ../helpers

# Names that a list must carry, in the folder "names".
make_names() {
	mkdir names
	cd names
	for name in plain ' leading blank' '  two' '-dash' '--' '*star' 'a) = b' 'ünï©ode' '#hash' \
		'blk128:x' $'new\nline' 'back\slash' $'carriage\rreturn' $'\\both\n'; do
		printf %s "$name" >"./$name"
	done
	cd ..
}

algorithms='md5 sha1 sha256 sha512'

# The peers of xxHash, which before 0.8.2 neither wrote nor read escaped names.
xxhashes='xxh64 xxh128'

# --- digests ----------------------------------------------------------------------

@test "digests are those of md5sum, sha1sum, sha256sum, sha512sum, xxh64sum and xxh128sum" {
	require xxh128sum xxh64sum
	make_image image $((3145728 + 77))
	: >empty

	for algorithm in $algorithms $xxhashes; do
		[ "$(blksum -a "$algorithm" image empty)" = "$("${algorithm}sum" image empty 2>/dev/null)" ]
	done
}

@test "BSD lines are those of the other programs, too" {
	require xxh128sum xxh64sum
	make_image image 1M

	for algorithm in $algorithms $xxhashes; do
		[ "$(blksum --tag -a "$algorithm" image)" = "$("${algorithm}sum" --tag image 2>/dev/null)" ]
	done
}

@test "-b and -t mean the same as for md5sum" {
	make_image image 64K

	[ "$(blksum -a md5 -b image)" = "$(md5sum -b image)" ]
	[ "$(blksum -a md5 -b -t image)" = "$(md5sum -t image)" ]
}

@test "blk128 is XXH3-128 over the hashes of 64 KiB blocks, and the size" {
	make_image image $((1048576 + 100))

	digest=$(xxh128sum <(split -b 65536 --filter=xxh128sum image 2>/dev/null | cut -c 1-32 |
		python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
		python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<Q", 1048676))') | cut -c 1-32)

	[ "$(blksum image)" = "blk128:$digest  image" ]
}

@test "a device and its image have the same digest, whatever the sector" {
	make_image image 3M
	attach image
	first=$device
	attach ./image 4096

	[ "$(blksum <image)" = "$(blksum "$first" | sed "s,$first,-,")" ]
	[ "$(blksum <image)" = "$(blksum "$device" | sed "s,$device,-,")" ]
}

@test "any number of threads makes the same digest" {
	make_image image 3M
	whole=$(blksum image)

	for jobs in 1 2 7 64; do
		[ "$(blksum -j "$jobs" image)" = "$whole" ]
	done
}

@test "-o and -l digest a range, of a device as of a file" {
	make_image image 2M
	attach image

	for range in '0 1' '1000 100000' '512 65536' '65536 1000000' '2097151 1' '2097152 0'; do
		read -r offset length <<<"$range"
		tail -c +$((offset + 1)) image | head -c "$length" >part
		for algorithm in blk128 md5; do
			want=$(blksum -a "$algorithm" <part)
			[ "$(blksum -a "$algorithm" -o "$offset" -l "$length" image)" = "${want%-}image" ]
			[ "$(blksum -a "$algorithm" -o "$offset" -l "$length" "$device")" = "${want%-}$device" ]
		done
	done
}

@test "-l digests the beginning of a pipe" {
	make_image image 1M

	[ "$(cat image | blksum -a md5 -l 100000)" = "$(head -c 100000 image | md5sum)" ]
}

@test "a pipe that ends before -l is an error" {
	run -2 --separate-stderr blksum -l 100 <<<short

	[ "$stderr" = "blksum: standard input: ended at byte 6, 100 were asked for" ]
	[ "$output" = "" ]
}

@test "a sparse terabyte takes seconds" {
	truncate -s 1T image

	run -0 timeout 20 blksum image

	[[ $output == blk128:* ]]
}

@test "holes and written zeros have the same digest" {
	truncate -s 3000000 sparse
	head -c 3000000 /dev/zero >dense

	for algorithm in blk128 $algorithms $xxhashes; do
		[ "$(blksum -a "$algorithm" <sparse)" = "$(blksum -a "$algorithm" <dense)" ]
		want=$(blksum -a "$algorithm" dense)
		[ "$(blksum -a "$algorithm" sparse)" = "${want%dense}sparse" ]
	done
}

@test "a pipe that gives a byte at a time has the digest of its bytes" {
	make_noise image 70000

	python3 -c '
import os
for byte in open("image", "rb").read():
    os.write(1, bytes([byte]))' | blksum >sum

	[ "$(cat sum)" = "$(blksum <image)" ]
}

@test "named pipes and the files of /proc are read as md5sum reads them" {
	make_noise image 300K

	[ "$(blksum -a md5 <(cat image) | cut -c 1-32)" = "$(md5sum image | cut -c 1-32)" ]
	[ "$(blksum -a md5 /proc/version)" = "$(md5sum /proc/version)" ]
}

@test "a file that cannot be read is named, the rest are digested, and the status is 2" {
	make_image image 64K

	run -2 --separate-stderr blksum -a md5 missing image .

	[ "$output" = "$(md5sum image)" ]
	[ "${stderr_lines[0]}" = "blksum: missing: No such file or directory" ]
	[ "${stderr_lines[1]}" = "blksum: .: Is a directory" ]
}

@test "an unreadable sector is named, and there is no digest" {
	make_noise image 4M
	attach image
	break_after 1M

	for algorithm in blk128 md5; do
		run -2 --separate-stderr blksum -a "$algorithm" "$device" "$dir/image"
		[ "$stderr" = "blksum: $device: at byte 1048576: Input/output error" ]
		[ "${#lines[@]}" = 1 ]
	done
}

@test "a file that is cut while it is read has no digest" {
	make_noise image 1M

	for arguments in '' '-a md5' '--map'; do
		run -2 --separate-stderr inject "$dir/image" pread64 retval=0:when=2+ \
			bash -c "blksum -j 1 $arguments $dir/image | cat >out; exit \${PIPESTATUS[0]}"
		[ "$stderr" = "blksum: $dir/image: at byte 262144: it ends here now, but had 1048576 bytes when opened" ]
	done
}

@test "a name with a newline or a backslash is escaped as md5sum escapes it" {
	make_names
	cd names

	[ "$(blksum -a sha256 -- *)" = "$(sha256sum -- *)" ]
	[ "$(blksum --tag -a sha256 -- *)" = "$(sha256sum --tag -- *)" ]
}

# --- checking lists ---------------------------------------------------------------

@test "lists of the other programs are checked, names of any kind, plain and tagged" {
	make_names
	cd names

	for algorithm in $algorithms; do
		"${algorithm}sum" -- * >../list
		blksum -c --strict ../list
		"${algorithm}sum" --tag -- * >../list
		blksum -c --strict ../list
	done
}

@test "the other programs check our lists, names of any kind, plain and tagged" {
	make_names
	cd names

	for algorithm in $algorithms; do
		blksum -a "$algorithm" -- * | "${algorithm}sum" -c --strict
		blksum -a "$algorithm" --tag -- * | "${algorithm}sum" -c --strict
		blksum -a "$algorithm" -b -- * | "${algorithm}sum" -c --strict
	done
}

@test "lists of xxHash's programs and ours are interchangeable, but for escaped names" {
	require xxh128sum xxh64sum
	make_names
	cd names
	find . -name $'*[\n\r\\\\]*' -delete

	for algorithm in $xxhashes; do
		"${algorithm}sum" -- * >../list 2>/dev/null
		blksum -a "$algorithm" -c --strict ../list
		"${algorithm}sum" --tag -- * >../list 2>/dev/null
		blksum -c --strict ../list
		blksum -a "$algorithm" -- * >../list
		"${algorithm}sum" -c --strict ../list
		blksum -a "$algorithm" --tag -- * >../list
		"${algorithm}sum" -c --strict ../list
	done
}

@test "our own lists are checked without -a, whatever the names" {
	make_names
	cd names

	blksum -- * >../list
	blksum --tag -- * >../tagged
	blksum -c --strict ../list ../tagged
}

# Newer versions of md5sum escape as we do, older ones only names with a newline.
@test "verdicts are printed as md5sum prints them" {
	make_names
	cd names
	rm -- 'back\slash' $'carriage\rreturn'
	md5sum -- * >../list
	printf changed >plain

	run -1 --separate-stderr blksum -c ../list
	ours=$output
	run -1 --separate-stderr md5sum -c ../list

	diff <(echo "$ours") <(echo "$output")
	[[ $output == *"plain: FAILED"* ]]
}

@test "a file that changed is FAILED, and the status 1" {
	make_image image 1M
	blksum image >list
	flip_bit image 4000000

	run -1 --separate-stderr blksum -c list

	[ "$output" = "image: FAILED" ]
	[ "$(no_cache_note <<<"$stderr")" = "blksum: WARNING: 1 computed checksum did NOT match" ]
}

@test "a file that cannot be read makes the status 2, and the others are checked" {
	make_image image 64K
	make_image other 64K 2
	blksum image other >list
	rm image

	run -2 --separate-stderr blksum -c list

	[ "$output" = "$(printf 'image: FAILED open or read\nother: OK')" ]
	[ "${stderr_lines[0]}" = "blksum: image: No such file or directory" ]
	[ "${stderr_lines[1]}" = "blksum: WARNING: 1 listed file could not be read" ]
}

@test "--ignore-missing skips missing files" {
	make_image image 64K
	make_image other 64K 2
	blksum image other >list
	rm image

	run -0 --separate-stderr blksum -c --ignore-missing list

	[ "$output" = "other: OK" ]
	[ "$(no_cache_note <<<"$stderr")" = "" ]
}

@test "--ignore-missing with nothing there has verified nothing, and says so" {
	make_image image 64K
	blksum image >list
	rm image

	run -2 --separate-stderr blksum -c --ignore-missing list
	[ "$stderr" = "blksum: list: no file was verified" ]
	run -2 --separate-stderr blksum -c --ignore-missing --status list
	[ "$stderr" = "" ]
}

@test "--quiet is silent about files that agree, --status about all" {
	make_image image 64K
	make_image other 64K 2
	blksum image other >list
	flip_bit other 9

	run -1 --separate-stderr blksum -c --quiet list
	[ "$output" = "other: FAILED" ]
	run -1 --separate-stderr blksum -c --status list
	[ "$output$stderr" = "" ]
	flip_bit other 9
	run -0 --separate-stderr blksum -c -q list
	[ "$output$(no_cache_note <<<"$stderr")" = "" ]
}

@test "lines that are none are counted, shown by -w and fail by --strict" {
	make_image image 64K
	{
		echo "what is this"
		blksum image
	} >list

	run -0 --separate-stderr blksum -c list
	[ "$(no_cache_note <<<"$stderr")" = "blksum: WARNING: 1 line is improperly formatted" ]
	run -0 --separate-stderr blksum -c -w list
	[ "${stderr_lines[0]}" = "blksum: list: 1: improperly formatted checksum line" ]
	run -2 --separate-stderr blksum -c --strict list
	[ "$output" = "image: OK" ]
}

@test "comments, empty lines and CR LF are passed over even by --strict" {
	make_image image 64K
	{
		echo "# made by hand"
		echo
		blksum image
		md5sum image
		sha1sum --tag image
	} | sed 's/$/\r/' >list

	run -0 --separate-stderr blksum -c --strict list

	[ "$output" = "$(printf 'image: OK\nimage: OK\nimage: OK')" ]
	[ "$(no_cache_note <<<"$stderr")" = "" ]
}

@test "a list without a single checksum is an error" {
	echo "nothing" >list

	run -2 --separate-stderr blksum -c list

	[ "$stderr" = "blksum: list: no properly formatted checksum lines found" ]
}

@test "a list that is a disk, of long lines and zero bytes, is no list" {
	make_noise noise 1M
	head -c 1M /dev/zero >>noise

	run -2 --separate-stderr blksum -c noise

	[ "$stderr" = "blksum: noise: no properly formatted checksum lines found" ]
}

@test "a list that is missing is named, and the next one checked" {
	make_image image 64K
	blksum image >list

	run -2 --separate-stderr blksum -c missing list

	[ "$output" = "image: OK" ]
	[ "$(no_cache_note <<<"$stderr")" = "blksum: missing: No such file or directory" ]
}

@test "a list may come on standard input, and a line may name standard input" {
	make_image image 64K
	blksum image >list
	blksum <image >piped

	blksum -c <list
	blksum -c - <list
	run -0 blksum -c piped <image
	[ "$output" = "-: OK" ]
	run -2 blksum -c <piped
}

@test "upper case, openssl's and md5 -r's lines are understood" {
	make_image image 64K
	digits=$(md5sum image | cut -c 1-32)
	{
		echo "${digits^^}  image"
		echo "MD5(image)= $digits"
		echo "$digits image"
		echo "   $digits *image"
	} >list

	blksum -c --strict list
}

@test "-a tells the kind of 32 bare digits; without it they are MD5" {
	require xxh128sum
	make_image image 64K
	xxh128sum image >list 2>/dev/null

	run -1 blksum -c list
	run -0 blksum -a xxh128 -c list
}

# --- streams ----------------------------------------------------------------------

@test "a stream on standard input has the digest of its image, by any algorithm" {
	make_image image $((3145728 + 77))

	for algorithm in blk128 $algorithms $xxhashes; do
		[ "$(blkread image | blksum -a "$algorithm")" = "$(blksum -a "$algorithm" <image)" ]
	done
	[ "$(blkread image | blksum -)" = "$(blksum <image)" ]
}

@test "a deflated stream has the digest of its image" {
	make_image image 3M

	[ "$(blkread image | blkzip -6 | blksum)" = "$(blksum <image)" ]
}

@test "a FILE that begins as a stream does is bytes" {
	make_image image 1M
	blkread image >stream

	[ "$(blksum -a md5 stream)" = "$(md5sum stream)" ]
	[ "$(blksum stream | cut -d ' ' -f 1)" != "$(blksum image | cut -d ' ' -f 1)" ]
}

@test "a stream that was cut has no digest, wherever it was cut" {
	make_image image 1M
	blkread image >stream
	size=$(stat -c %s stream)

	for length in 8 100 128 150 200 70000 $((size - 136)) $((size - 1)); do
		run -2 --separate-stderr blksum < <(head -c "$length" stream)
		[ "$output" = "" ]
		[[ $stderr == "blksum: standard input: stream byte "*"the stream was cut"* ]]
	done
}

@test "a stream with a bit flipped has no digest" {
	make_image image 1M
	blkread image >stream

	for bit in 400 1100 1600 600000 $(($(stat -c %s stream) * 8 - 300)); do
		flip_bit stream "$bit"
		run -2 --separate-stderr blksum <stream
		[ "$output" = "" ]
		[[ $stderr == "blksum: standard input: "* ]]
		flip_bit stream "$bit"
	done
	blksum <stream
}

@test "bytes behind a stream's end are an error" {
	make_image image 64K

	run -2 --separate-stderr blksum < <(blkread image; echo x)

	[[ $stderr == *"bytes behind the END record"* ]]
}

@test "a stream that its sender gave up has no digest, and the reason is said" {
	make_noise image 4M
	attach image
	break_after 1M

	run -2 --separate-stderr blksum < <(blkread "$device" 2>/dev/null)

	[[ $stderr == "blksum: standard input: "*"$device: at byte 1048576: Input/output error" ]]
}

@test "a map on standard input is no image" {
	make_image image 64K

	run -2 --separate-stderr blksum < <(blksum --map image)

	[ "$stderr" = "blksum: standard input: this stream is a map, an image is wanted" ]
}

@test "a stream has no ranges" {
	make_image image 64K

	run -2 --separate-stderr blksum -l 4096 < <(blkread image)

	[ "$stderr" = "blksum: standard input: a block stream is digested whole, without -o and -l" ]
}

@test "a broken stream does not keep the next file from being digested" {
	make_image image 64K

	run -2 --separate-stderr blksum -a md5 - image < <(blkread image | head -c 1000)

	[ "$output" = "$(md5sum image)" ]
}

# --- maps -------------------------------------------------------------------------

# Byte 1500000 and bytes 2900000 to 3000000 differ from image in other.
make_pair() {
	make_image image $((4194304 + 77))
	cp image other
	flip_bit other 12000000
	dd if=/dev/urandom of=other bs=1 seek=2900000 count=100000 conv=notrunc status=none
}

# ranges GRID: the ranges that make_pair changed, on that grid.
ranges() {
	echo "$((1500000 / $1 * $1)) $1"
	echo "$((2900000 / $1 * $1)) $(((3000000 + $1 - 1) / $1 * $1 - 2900000 / $1 * $1))"
}

@test "a map agrees with the file that it was made of" {
	make_pair

	blksum --map image >map
	run -0 --separate-stderr blksum -c map image

	[ "$output" = "image: OK" ]
	[ "$(no_cache_note <<<"$stderr")" = "" ]
}

@test "a map names the ranges that differ, on its grid of any size, by either hash" {
	make_pair

	for grid in 4096 8192 16384 32768 65536 131072 262144 524288; do
		for algorithm in blk128 sha256; do
			blksum --map --grid "$grid" -a "$algorithm" image >map
			run -1 --separate-stderr blksum -c map other
			[ "$output" = "$(ranges "$grid")" ]
			[[ $(no_cache_note <<<"$stderr") == "blksum: WARNING: other: "*" bytes in 2 ranges differ" ]]
		done
	done
}

@test "ranges that touch are one range" {
	make_pair

	blksum --map --grid 1M image >map
	run -1 --separate-stderr blksum -c map other

	[ "$output" = "1048576 2097152" ]
}

@test "a map remembers the name it was made of" {
	make_pair
	blksum --map image >map

	run -0 --separate-stderr blksum -c map
	[ "$output" = "image: OK" ]
	mv other image
	run -1 blksum -c map
}

@test "a map is small: 16 bytes for 64 KiB, and nothing for zeros" {
	truncate -s 1T image
	make_noise noise 16M
	dd if=noise of=image bs=1M seek=500 conv=notrunc status=none

	timeout 20 blksum --map image >map

	[ "$(stat -c %s map)" -lt 6000 ]
	timeout 20 blksum -c map image
}

@test "a map crosses a pipe, deflated too" {
	make_pair

	blksum --map image | blksum -c - image
	blksum --map image | blkzip | blksum -c - image
	run -1 --separate-stderr bash -o pipefail -c 'blksum --map image | blkzip | blksum -c - other'
	[ "$output" = "$(ranges 65536)" ]
}

@test "the end of a map has the digest of the device" {
	make_pair

	blksum --map image >map

	digest=$(tail -c 32 map | head -c 16 | od -An -v -tx1 | tr -d ' \n')
	[ "$(blksum image)" = "blk128:$digest  image" ]
}

@test "a device that is larger than the map agrees, and its tail is mentioned" {
	make_image image 1M
	blksum --map image >map
	truncate -s 3M image
	attach image

	run -0 --separate-stderr blksum -c map "$device"

	[ "$output" = "$device: OK" ]
	[ "$stderr" = "blksum: $device: the 2097152 bytes beyond the map's 1048576 were not compared" ]
}

@test "a file that is larger than the map differs in the bytes beyond" {
	make_image image 1M
	blksum --map image >map
	truncate -s 3M image

	run -1 --separate-stderr blksum -c map image
	[ "$output" = "1048576 2097152" ]
	run -0 --separate-stderr blksum -l 1M -c map image
}

@test "a file that is smaller than the map differs in the missing bytes" {
	make_image image 3M
	blksum --map image >map
	cut_file image 1000000

	run -1 --separate-stderr blksum -c map image

	[ "$output" = "983040 2162688" ]
}

@test "-o and -l make a map of a range, and check one" {
	make_noise image 2M
	tail -c +1000001 image | head -c 500000 >part
	blksum --map -o 1000000 -l 500000 image >map

	blksum -c map part
	blksum -c -o 1000000 -l 500000 map image
	run -1 --separate-stderr blksum -c -o 1000001 -l 500000 map image
	[ "$output" = "1000001 500000" ]
}

@test "holes and written zeros are the same, zeros and data are not: content counts" {
	truncate -s 3M sparse
	head -c 3M /dev/zero >dense
	cp dense data
	printf x | dd of=data bs=1 seek=2000000 conv=notrunc status=none

	blksum --map sparse | blksum -c - dense
	blksum --map dense | blksum -c - sparse
	run -1 --separate-stderr bash -c 'blksum --map data | blksum -c - sparse'
	[ "$output" = "1966080 65536" ]
	run -1 --separate-stderr bash -c 'blksum --map --grid 4K sparse | blksum -c - data'
	[ "$output" = "1998848 4096" ]
}

@test "a map that was cut or flipped proves nothing: status 2" {
	make_pair
	blksum --map image >map
	size=$(stat -c %s map)

	for length in 64 128 300 $((size - 1)); do
		run -2 --separate-stderr blksum -c - image < <(head -c "$length" map)
		[[ $stderr == "blksum: standard input: "* ]]
	done
	for bit in 600 1500 3000 $((size * 8 - 300)); do
		flip_bit map "$bit"
		run -2 --separate-stderr blksum -c map image
		[[ $stderr == "blksum: map: "* ]]
		flip_bit map "$bit"
	done
}

@test "an image is no map, and a map is no list" {
	make_image image 64K
	blksum --map image >map
	blksum image >list

	run -2 --separate-stderr blksum -c <(blkread image) image
	[[ $stderr == *"a block stream, but not a map" ]]
	run -2 --separate-stderr blksum -c list map
	[ "$stderr" = "blksum: map: a map is checked alone, against one file" ]
	run -2 --separate-stderr blksum -c map image list
	[ "$stderr" = "blksum: map: a map is checked alone, against one file" ]
}

@test "raw bytes from a pipe have no map, and is not checked against one" {
	make_image image 64K
	blksum --map image >map

	run -2 --separate-stderr blksum --map <image
	[[ $stderr == "blksum: standard input: a map is made of, and checked against, a device or a file" ]]
	run -2 --separate-stderr blksum -c map - <image
	[[ $stderr == "blksum: standard input: a map is made of, and checked against, a device or a file" ]]
}

@test "a device that cannot be read to its end has no map, and the stream says so" {
	make_noise image 4M
	attach image
	break_after 1M

	run -2 --separate-stderr bash -c 'blksum --map "$1" >map' - "$device"

	[ "$stderr" = "blksum: $device: at byte 1048576: Input/output error" ]
	run -2 --separate-stderr blksum -c map "$dir/image"
	[[ $stderr == *"the sending side gave up: $device: at byte 1048576: Input/output error" ]]
}

@test "blkdiff takes the ranges that differ as a list" {
	[ -x "$BIN/blkdiff" ] || skip "needs blkdiff"
	make_pair
	blksum --map image >map
	run -1 --separate-stderr bash -c 'blksum -c map other >list'

	blkdiff --changes list other | blkwrite image

	cmp image other
}

@test "--status with a map says nothing" {
	make_pair
	blksum --map image >map

	run -1 --separate-stderr blksum -c --status map other
	[ "$output$stderr" = "" ]
	run -0 --separate-stderr blksum -c --quiet map image
	[ "$output$(no_cache_note <<<"$stderr")" = "" ]
}

@test "grids and hashes that a map cannot have are refused" {
	make_image image 64K

	for grid in 0 2K 6K 2M 64KB; do
		run -2 --separate-stderr blksum --map --grid "$grid" image
		[ "$stderr" = "blksum: --grid $grid: not a power of two from 4K to 1M" ]
	done
	run -2 --separate-stderr blksum --map -a md5 image
	[ "$stderr" = "blksum: --map goes with -a blk128 or -a sha256, and not with -c" ]
	run -2 --separate-stderr blksum -a crc32 image
	[ "$stderr" = "blksum: -a crc32: not blk128, xxh128, xxh64, md5, sha1, sha224, sha256, sha384, sha512 or b2" ]
}

# --- the other end ----------------------------------------------------------------

@test "a full standard output is an error, for digests, verdicts and maps" {
	make_image image 64K
	blksum image >list
	blksum --map image >map
	make_image other 64K 2

	for arguments in image '-c list' '--map image' '-c map other'; do
		run -2 --separate-stderr bash -c "blksum $arguments >/dev/full"
		[[ $stderr == *"blksum: standard output: No space left on device" ]]
	done
}

@test "each line is written whole, when it is known" {
	require strace
	make_image image 64K
	make_image other 64K 2
	mkfifo fifo
	local long
	long=$(printf 'n%.0s' {1..250})
	cp image "$long"

	background blksum image "$long" fifo >out
	wait_for 20 grep -q "  $long\$" out
	[ "$(wc -l <out)" = 2 ]
	cat other >fifo
	wait "$pid"
	cmp <(sed 's/fifo$/other/' out) <(blksum image "$long" other)

	blksum -a sha512 --tag image "$long" other >list
	blksum --map image >map
	head -c 40000 other >part
	for arguments in 'image other' "--tag -a sha512 $long other" '-c list' '-c map part'; do
		echo "$arguments"
		run strace -f -e trace=write -e signal=none -s 100000 -o calls bash -c "exec blksum $arguments >out"
		[ -s out ]
		[ "$(grep -c 'write(1, ".*\\n", ' calls)" = "$(wc -l <out)" ]
		[ "$(grep -c 'write(1,' calls)" = "$(wc -l <out)" ]
	done
}

@test "results that did not fit once are not forgotten" {
	make_image image 4K
	yes "$(blksum image)" | head -n 1000 >list

	run -2 --separate-stderr inject "$dir/out" write error=ENOSPC:when=1 \
		bash -c "blksum -c list >'$dir/out'"

	[[ $stderr == *"blksum: standard output: "* ]]
}

@test "a map is not written to a terminal" {
	require script
	make_image image 64K

	run -2 script -qec 'blksum --map image' /dev/null

	[ "$(tr -d '\r' <<<"$output")" = "blksum: a map is not written to a terminal" ]
}

# screen: the lines that a terminal shows for the bytes on standard input.
screen() {
	python3 -c '
import sys
for line in sys.stdin.buffer.read().decode().split("\n"):
    shown = []
    for part in line.split("\r"):
        shown[:len(part)] = part
    print("".join(shown).rstrip())'
}

@test "results and the progress line never share a line of the terminal" {
	require script strace
	make_pair
	blksum --map --grid 4K image >map
	slow="env ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} strace -f -qq -o /dev/null -P $dir/other -e trace=pread64 -e inject=pread64:delay_enter=300000"

	run -1 script -qec "$slow blksum -j 1 -c map $dir/other" /dev/null

	[[ $output == *"blksum comparing"* ]]
	screen <<<"$output" >shown
	[ "$(grep -v '^$' shown | no_cache_note)" = "$(ranges 4096
		echo "blksum: WARNING: $dir/other: 106496 bytes in 2 ranges differ")" ]
}

@test "digests of several files and the progress line never share a line" {
	require script strace
	make_noise image 3M
	slow="env ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} strace -f -qq -o /dev/null -P $dir/image -e trace=pread64 -e inject=pread64:delay_enter=300000"

	run -0 script -qec "$slow blksum -j 1 $dir/image $dir/image" /dev/null

	[[ $output == *"blksum reading"* ]]
	screen <<<"$output" >shown
	[ "$(grep -v '^$' shown)" = "$(blksum "$dir/image" "$dir/image")" ]
}

# --- what users of other programs expect -----------------------------------------

@test "options that mean something only with -c are refused without it" {
	make_image image 1M

	for option in -q --quiet --status --strict -w --warn --ignore-missing; do
		run -2 --separate-stderr blksum $option image
		[ -z "$output" ]
		[ "${stderr_lines[0]}" = "blksum: -q, -w, --ignore-missing, --status and --strict go with -c" ]
	done
	blksum image >list
	blksum -c -q -w --status --strict --ignore-missing list
}

@test "SHA-224, SHA-384 and BLAKE2b are those of coreutils, which check them and are checked" {
	make_image image 3M
	printf abc >small
	: >empty

	for kind in sha224 sha384 b2; do
		blksum -a "$kind" image small empty >ours
		"${kind}sum" image small empty | diff - ours
		"${kind}sum" -c --quiet ours
		"${kind}sum" --tag image small empty >theirs
		blksum --tag -a "$kind" image small empty | diff - theirs
		blksum -c theirs
	done
	sha224sum image >list
	sha384sum image >>list
	run -0 blksum -c list
	b2sum image >list
	run -1 blksum -c list
	run -0 blksum -c -a b2 list
}

@test "several -a print a line each, and the input is read once" {
	make_image image 3M

	run -0 --separate-stderr bash -c "cat image | blksum -a sha256 -a blk128 -a md5 -a sha256"
	[ "${#lines[@]}" = 3 ]
	[ "${lines[0]}" = "$(sha256sum <image)" ]
	[ "${lines[1]}" = "$(blksum <image)" ]
	[ "${lines[2]}" = "$(md5sum <image)" ]
	blksum --tag -a xxh128 -a md5 image >list
	run -0 --separate-stderr blksum -c list
	[ "$output" = "image: OK
image: OK" ]
	[ "$(blkread image | blksum -a md5 -a sha1)" = "$(md5sum <image; sha1sum <image)" ]

	run -2 blksum -c -a md5 -a sha1 list
	run -2 blksum --map -a blk128 -a sha256 image
}

@test "-z ends lines with a zero byte, as md5sum does" {
	name=$'a\nb\\c'
	make_image "$name" 1M

	md5sum -z "$name" >theirs
	blksum -z -a md5 "$name" | cmp - theirs
	md5sum -z --tag "$name" >theirs
	blksum -z --tag -a md5 "$name" | cmp - theirs
	run -2 blksum -c -z theirs
}

@test "lists of openssl, of version 3 and before, are read" {
	make_image image 1M
	sha256=$(sha256sum <image | cut -d ' ' -f 1)
	b2=$(b2sum <image | cut -d ' ' -f 1)

	printf '%s\n' "SHA2-256(image)= $sha256" "SHA256(image)= $sha256" "BLAKE2B-512(image)= $b2" >list
	if type -P openssl >/dev/null; then
		openssl dgst -md5 image >>list
		openssl dgst -sha384 image >>list
	fi
	run -0 --separate-stderr blksum -c list

	[ -z "$(no_cache_note <<<"$stderr")" ]
	[ "$(sort -u <<<"$output")" = "image: OK" ]
}

@test "digests of xxhsum that are not read are named" {
	make_image image 64K

	while IFS='|' read -r line what; do
		echo "$line" >list
		run -2 --separate-stderr blksum -c list
		[ "$stderr" = "blksum: list: no properly formatted checksum lines found: $what is not read" ]
		blksum image >>list
		run -0 --separate-stderr blksum -c -w list
		[ "${stderr_lines[0]}" = "blksum: list: 1: improperly formatted checksum line: $what is not read" ]
	done <<-'EOC'
		XXH3_0123456789abcdef  image|XXH3_64
		XXH3 (image) = 0123456789abcdef|XXH3_64
		01234567  image|XXH32
		XXH32 (image) = 01234567|XXH32
		XXH64_LE (image) = 0123456789abcdef|XXH64, little-endian
		XXH128_LE (image) = 0123456789abcdef0123456789abcdef|XXH128, little-endian
	EOC
}

@test "one blank before the first name means one before all" {
	for name in name " name" "*name"; do
		echo "$name" >"$name"
	done
	sum() { md5sum <"$1" | cut -d ' ' -f 1; }

	printf '%s %s\n' "$(sum name)" name "$(sum " name")" " name" "$(sum "*name")" "*name" >list
	run -0 --separate-stderr blksum -c list
	[ "$output" = "name: OK
 name: OK
*name: OK" ]
	md5sum name " name" "*name" >list
	blksum -c list
}

@test "a list of many files takes one display, and no thread for each of them" {
	require strace
	mkdir many
	for i in {1..50}; do
		echo "$i" >"many/$i"
	done
	md5sum many/* >list

	strace -f -qq -o calls -e trace=clone,clone3,/signalfd blksum -c list

	[ "$(wc -l <calls)" -lt 10 ]
}

@test "the manual's examples work as they are printed" {
	require mandoc col
	start_sshd
	make_image disk.img 4M
	mandoc -Tascii "$root/filters/blksum.1" | col -bx | sed -n '/^EXAMPLES/,/^DIAGNOSTICS/s/^ *\$ //p' >examples
	[ "$(wc -l <examples)" = 8 ]

	{
		echo "set -eo pipefail"
		echo "ssh() { command ssh -F '$config' \"\$1\" \"cd '$dir' && \$(printf '%s ' \"\${@:2}\")\"; }"
		cat examples
	} >script
	run -0 --separate-stderr bash script

	[ "$output" = "$(printf 'disk.img: OK\ndisk.img: OK\ndisk.img: OK\n%s\ndisk.img: OK' "$(blksum <disk.img)")" ]
	[ "$(no_cache_note <<<"$stderr")" = "" ]
}
