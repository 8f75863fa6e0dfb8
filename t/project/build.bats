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

@test "programs are position-independent, resolve all symbols at the start, and have stack protectors" {
	for filter in $filters; do
		readelf -hldW --dyn-syms "$BIN/$filter" >elf

		grep -q 'Type: *DYN' elf
		grep -q 'Flags: .*NOW.*PIE' elf
		grep -q 'GNU_RELRO' elf
		grep -q '__stack_chk_fail' elf
		grep -q '__memcpy_chk\|__snprintf_chk' elf
		grep 'GNU_STACK' elf | grep -q ' RW '
	done
}

@test "objects carry the marks of the control flow protection that the compiler has" {
	case $(uname -m) in
	x86_64 | i?86) flag=-fcf-protection mark='IBT.*SHSTK' ;;
	aarch64) flag=-mbranch-protection=standard mark='BTI.*PAC' ;;
	*) flag='' mark='' ;;
	esac
	remake BUILD="$dir/build" CFLAGS=-O1 "$dir/build/lib/base/size.o"

	for word in $flag; do
		grep -q -- " $word " build/flags
		readelf -nW build/lib/base/size.o | grep -q "$mark"
	done
}

@test "a compiler that does not know a flag of hardening is not given it" {
	printf '%s\n' '#!/bin/sh' 'case " $* " in' \
		'*" -fcf-protection "* | *" -fstack-clash-protection "* | *"-prefix-map="*) exit 1 ;;' \
		'*" -D_FORTIFY_SOURCE=3 "*) exit 1 ;;' 'esac' 'exec cc "$@"' >old-cc
	chmod +x old-cc

	remake WERROR=1 CC="$dir/old-cc" BUILD="$dir/build" CFLAGS=-O1 "$dir/build/lib/base/size.o"

	grep -q -- ' -fstack-protector-strong ' build/flags
	grep -q -- ' -D_FORTIFY_SOURCE=2 ' build/flags
}

@test "_FORTIFY_SOURCE stays as CPPFLAGS, CFLAGS or the compiler set it, and off where it would not work" {
	object=build/lib/base/size.o
	# level ARGUMENT ...: the levels that the compiler is given.
	level() {
		rm -rf build
		remake WERROR=1 BUILD="$dir/build" "$@" "$dir/$object" && grep -o 'FORTIFY_SOURCE=[0-9]' build/flags
	}

	[ "$(level CFLAGS=-O1)" = FORTIFY_SOURCE=3 ] || [ "$(level CFLAGS=-O1)" = FORTIFY_SOURCE=2 ]
	[ "$(level CFLAGS=-O1 CPPFLAGS=-D_FORTIFY_SOURCE=1)" = FORTIFY_SOURCE=1 ]
	[ "$(level CFLAGS='-O1 -D_FORTIFY_SOURCE=1')" = FORTIFY_SOURCE=1 ]
	[ "$(level CFLAGS=-O1 CC='cc -D_FORTIFY_SOURCE=1')" = FORTIFY_SOURCE=1 ]
	[ "$(level CFLAGS=-O0)" = "" ]
	[ "$(level CFLAGS=-O1 MODE=-fsanitize=address)" = "" ]
}

@test "CPPFLAGS reach the compiler, after our own" {
	remake BUILD="$dir/build" CFLAGS=-O0 CPPFLAGS='-DOURS_IS=3 -include ours.h -I.' "$dir/build/lib/base/size.o" \
		2>errors && false

	grep -q 'ours.h' errors
	mkdir include
	echo '#if OURS_IS != 3' >include/ours.h
	echo '#error' >>include/ours.h
	echo '#endif' >>include/ours.h
	remake BUILD="$dir/build" CFLAGS=-O0 CPPFLAGS="-DOURS_IS=3 -include ours.h -I$dir/include" \
		"$dir/build/lib/base/size.o"
}

@test "make dist packs what is committed" {
	require git
	git -C "$root" rev-parse --git-dir >/dev/null 2>&1 || skip "needs a git checkout"

	remake OUT="$dir/out" dist

	tar -tzf out/blk-filters-*.tar.gz | sed 's,^[^/]*/,,' | grep -v '/$' | sort >packed
	git -C "$root" ls-tree -r --name-only HEAD | sort >committed
	diff <(grep . packed) committed
}
