#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What make delivers.

load ../helpers

# Not asked of make here: bats runs these lines for each test.
filters=$(cd "$root/filters" && printf "%s " *.c)
filters=${filters//.c/}

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
	cmp "$root/lib/stream/blkstream.5" root/opt/blk/share/man/man5/blkstream.5
	remake BIN="$BIN" uninstall DESTDIR="$dir/root" PREFIX=/opt/blk
	[ -z "$(find root -type f)" ]
}

@test "objects are compiled again when the flags change, and only then" {
	object=$dir/build/lib/base/size.o
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
