#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The rooms of lib/: what a module may include, that each is in a room, and how long files and
# functions may be (HACKING.md).

load ../helpers

# From the ground up.  A room may include those before it, and itself.
ground=(base show pipe hash device stream read help)

# A filter's own rooms stand on that ground, side by side.
filters=(sum diff fan zip meter write)

# arrows [FOLDER]: "from to file" for each include of one room's header by a file of another.
arrows() {
	(cd "${1:-$root}/lib" && grep -H '^#include "' -- */*.[ch]) |
		awk -F '[/:"]' '$1 != $4 { print $1, $4, $1 "/" $2 }' | sort -u
}

# against: the arrows of standard input that must not be.
against() {
	awk -v ground="${ground[*]}" -v filters="${filters[*]}" '
		BEGIN {
			n = split(ground, rooms)
			for (i = 1; i <= n; i++)
				height[rooms[i]] = i
			n = split(filters, rooms)
			for (i = 1; i <= n; i++)
				height[rooms[i]] = 100
		}
		!height[$1] || !height[$2] || height[$2] >= height[$1] { print }'
}

@test "every arrow between rooms goes down, and no filter's room knows another's" {
	arrows >found

	run -0 against <found

	[ "$(wc -l <found)" -gt 100 ]
	[ "$output" = "" ]
}

@test "an arrow that goes up, one between two filters' rooms and an unknown room are found" {
	mkdir -p lib/{base,sum,diff,attic}
	echo '#include "stream/record.h"' >lib/base/up.c
	echo '#include "diff/cow.h"' >lib/sum/across.c
	echo '#include "base/io.h"' >lib/attic/unknown.c
	echo '#include "base/io.h"' >lib/diff/down.c

	run -0 against < <(arrows "$dir")

	[ "$output" = "attic base attic/unknown.c
base stream base/up.c
sum diff sum/across.c" ]
}

@test "an include names the room, and every module is in one" {
	run -1 grep -rEn '^#include "([^/"]*|\.\./.*)"' "$root/lib" "$root/filters"
	run -0 find "$root/lib" -maxdepth 1 -type f

	[ "$output" = "" ]
}

# too_long FILE ...: files of more than 400 lines, and functions of more than 50, in C and in bash.
too_long() {
	awk '
		FNR == 1 { start = 0 }
		FNR == 401 { print FILENAME ": more than 400 lines" }
		/^\{$/ { start = FNR; name = before }
		/^\}/ && start && FILENAME ~ /\.c$/ {
			if (FNR - start + 2 > 50)
				print FILENAME ": " name ": " FNR - start + 2 " lines"
			start = 0
		}
		/^[a-z_0-9]+\(\) [{(]$/ { start = FNR; name = $1 }
		/^[})]$/ && start && FILENAME !~ /\.c$/ {
			if (FNR - start + 1 > 50)
				print FILENAME ": " name ": " FNR - start + 1 " lines"
			start = 0
		}
		/^[^ \t]/ { before = $0 }' "$@"
}

@test "no file is longer than 400 lines, and no function longer than 50" {
	run -0 too_long "$root"/filters/*.c "$root"/lib/*/*.[ch] "$root"/scripts/{blkmigrate,blktunnel,demo,deps} \
		"$root"/scripts/*.d/*/*.bash "$root"/scripts/completion/*.{bash,awk}

	[ "$output" = "" ]
}

@test "a file and a function that are too long are found" {
	{
		printf 'int\nmain(void)\n{\n'
		yes | head -n 47 | tr y '\t'
		printf '\treturn 0;\n}\n'
	} >long.c
	yes | head -n 401 >long.bash
	yes | head -n 400 >short.bash
	printf 'walk() {\n%s\n}\nfly() (\n%s\n)\n' "$(yes | head -n 49)" "$(yes | head -n 48)" >functions.bash

	run -0 too_long long.c long.bash short.bash functions.bash

	[ "$output" = "long.c: main(void): 51 lines
long.bash: more than 400 lines
functions.bash: walk(): 51 lines" ]
}
