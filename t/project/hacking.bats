#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# HACKING.md names files, rooms and functions: they exist, and no room is left out.

load ../helpers

# paths FILE: every path of the source that it names, except what make builds.
paths() {
	grep -oE '[A-Za-z0-9_./-]+[A-Za-z0-9_/]' "$1" | grep -E '^(lib|filters|scripts|t|\.ci)/' | sort -u
}

# functions FILE: every name that it writes as `name()`.
functions() {
	grep -oE '`[a-z][a-z0-9_]*\(\)`' "$1" | tr -d '`()' | sort -u
}

missing_paths() {
	local path

	while read -r path; do
		[ -e "$root/$path" ] || echo "$path"
	done < <(paths "$1")
}

missing_functions() {
	grep -rhoE '^[a-z][a-z0-9_]*\(' "$root/lib" "$root/filters" "$root/scripts" | tr -d '(' | sort -u >defined
	functions "$1" | grep -vx noun_verb | comm -23 - defined
}

@test "every file that HACKING.md names exists" {
	[ "$(paths "$root/HACKING.md" | wc -l)" -gt 60 ]

	run -0 missing_paths "$root/HACKING.md"

	[ "$output" = "" ]
}

@test "every function that HACKING.md names exists" {
	[ "$(functions "$root/HACKING.md" | wc -l)" -gt 20 ]

	run -0 missing_functions "$root/HACKING.md"

	[ "$output" = "" ]
}

@test "HACKING.md names every room" {
	for room in "$root"/lib/*/ "$root"/scripts/*.d/*/ "$root"/t/*/; do
		room=${room#"$root/"}
		echo "$room"
		grep -qF "\`$room\`" "$root/HACKING.md"
	done
}

@test "HACKING.md names every module of lib" {
	(cd "$root/lib" && printf '%s\n' */*.[ch]) | sed 's/\.[ch]$//' | sort -u >modules
	[ "$(wc -l <modules)" -gt 80 ]

	run -0 awk '
		NR == FNR { if (match($0, /^\| `lib\/[a-z]+\/`/)) words[substr($0, 8, RLENGTH - 9)] = $0; next }
		{
			split($0, part, "/")
			if ((" " words[part[1]] " ") !~ ("[^A-Za-z0-9_]" part[2] "[^A-Za-z0-9_]"))
				print "lib/" $0
		}' "$root/HACKING.md" modules

	[ "$output" = "" ]
}

@test "a missing file and a missing function are found" {
	printf '%s\n' '`lib/base/nothing.c` `lib/base/io.h` `no_such_thing()` `scan_run()`' >page

	[ "$(missing_paths page)" = lib/base/nothing.c ]
	[ "$(missing_functions page)" = no_such_thing ]
}

@test "README links HACKING.md, NEWS and SECURITY.md" {
	for page in HACKING.md NEWS SECURITY.md; do
		[ -s "$root/$page" ]
		grep -qF "]($page)" "$root/README.md"
	done
}
