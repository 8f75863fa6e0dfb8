#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The other ways to build, each a build of its own: `make check-builds`.

load ../helpers

filters=$(make -s -C "$root" filters)

# remake ARGUMENT ...: run make without the variables of an outer make.
remake() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -j "$(nproc)" -C "$root" "$@" 3>&-
}

@test "make static makes programs that run with nothing around them" {
	require_root "chroots"
	remake static
	mkdir empty
	cp "$root"/build/static/bin/blk* empty/
	make_image empty/image 4M
	chroot=$(command -v chroot)
	in_empty() {
		env -i "$chroot" "$dir/empty" "$@"
	}

	in_empty /blkread image >stream
	in_empty /blkzip <stream >packed
	in_empty /blkmeter -q <packed >metered
	in_empty /blkwrite --create --verify target <metered
	in_empty /blksum image target >sums

	cmp empty/image empty/target
	[ "$(cut -d ' ' -f 1 sums | uniq | wc -l)" = 1 ]
	for filter in $filters; do
		run -0 readelf -hldsW "empty/$filter"
		[[ $output != *INTERP* ]]
		[[ $output == *"Type:"*DYN*"Flags: NOW PIE"* ]]
		[[ $output == *GNU_RELRO* && $output == *__stack_chk_fail* ]]
	done
}

@test "the same bytes are built in whatever folder" {
	for folder in one two/with-a-longer-name; do
		mkdir -p "$folder"
		cp -R "$root/Makefile" "$root/filters" "$root/lib" "$root/scripts" "$folder/"
		env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -j "$(nproc)" -C "$folder" BIN=bin BUILD="build/$folder" all 3>&-
	done

	for filter in $filters; do
		cmp "one/bin/$filter" "two/with-a-longer-name/bin/$filter"
	done
	cmp one/build/one/libblk.a two/with-a-longer-name/build/two/with-a-longer-name/libblk.a
	run -1 grep -rlF -e "$dir" one/bin one/build/one --include='*.o' --include='blk*'
}

@test "programs that are built with and without ISA-L read what the other wrote" {
	make_image image 8M
	remake ISAL= CFLAGS=-O0 BUILD="$dir/build" BIN="$dir/without" "$dir/without/blkzip"
	[[ $(ldd "$BIN/blkzip") == *libisal* ]] || skip "built without ISA-L"
	[[ $(ldd without/blkzip) != *libisal* ]]
	blkread image >stream

	for level in -1 -2 --adapt; do
		blkzip $level <stream | without/blkzip -d | cmp - stream
		without/blkzip $level <stream | blkzip -d | cmp - stream
		blkzip $level <image | tee raw.gz | without/blkzip -d | cmp - image
		gzip -dc raw.gz | cmp - image
	done
	[ "$(blkzip <image | wc -c)" != "$(without/blkzip <image | wc -c)" ]
}

@test "a program built without zstd refuses to use it, and says what to do" {
	remake ZSTD= CFLAGS=-O0 BUILD="$dir/build" BIN="$dir/without" "$dir/without/blkwrite" "$dir/without/blkzip"
	make_image image 1M
	blkread image | blkzip -m zstd >stream

	run -2 --separate-stderr without/blkwrite --create copy <stream
	[ "$stderr" = "blkwrite: standard input: stream byte 0: the stream is compressed with zstd, and this program was built without it; blkzip -d where it comes from takes zstd out" ]
	[ ! -e copy ]
	run -2 --separate-stderr without/blkzip -m zstd
	[ "$stderr" = "blkzip: zstd: this program was built without it" ]
	blkread image | without/blkzip | blkwrite --create copy
	cmp image copy
}

@test "a program built without libblkid refuses to look for a partition, and says what to do" {
	remake BLKID= CFLAGS=-O0 BUILD="$dir/build" BIN="$dir/without" "$dir/without/blkread"
	make_image image 1M

	run -2 --separate-stderr without/blkread -r --partition 1 image
	[ "$stderr" = "blkread: --partition: this program was built without libblkid; -o and -l name the bytes, which sfdisk -l shows" ]
	without/blkread -r image | cmp - image
}
