#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What make delivers.

load helpers

filters=$(make -s -C "$root" filters)

# remake ARGUMENT ...: make, without what an outer make has told its own.
remake() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$root" "$@" 3>&-
}

@test "make install puts programs and manuals in place, make uninstall takes them away" {
	remake BIN="$BIN" -o all install DESTDIR="$dir/root" PREFIX=/opt/blk

	for filter in $filters; do
		[ -x "root/opt/blk/bin/$filter" ]
		cmp "$root/filters/$filter.1" "root/opt/blk/share/man/man1/$filter.1"
	done
	cmp "$root/lib/blkstream.5" root/opt/blk/share/man/man5/blkstream.5
	remake BIN="$BIN" uninstall DESTDIR="$dir/root" PREFIX=/opt/blk
	[ -z "$(find root -type f)" ]
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
		run -0 readelf -l --wide "empty/$filter"
		[[ $output != *INTERP* ]]
	done
}

@test "objects are compiled again when the flags change, and only then" {
	object=$dir/build/lib/size.o
	remake BUILD="$dir/build" "$object"
	first=$(stat -c %Y.%i "$object")

	remake BUILD="$dir/build" "$object"
	[ "$(stat -c %Y.%i "$object")" = "$first" ]
	sleep 1
	remake BUILD="$dir/build" CFLAGS=-O1 "$object"
	[ "$(stat -c %Y.%i "$object")" != "$first" ]
}

@test "make dist packs what is committed" {
	require git
	git -C "$root" rev-parse --git-dir >/dev/null 2>&1 || skip "needs a git checkout"

	remake OUT="$dir/out" dist

	tar -tzf out/blk-filters-*.tar.gz | sed 's,^[^/]*/,,' | grep -v '/$' | sort >packed
	git -C "$root" ls-tree -r --name-only HEAD | sort >committed
	diff <(grep . packed) committed
}

@test "a program that is built without zstd refuses what needs it, and says what to do" {
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
