#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The manuals say what the programs do: synopsis, options, and examples as they are printed.

load ../helpers
load ../world

# Not asked of make here: bats runs these lines for each test.
filters=$(cd "$root/filters" && printf "%s " *.c)
filters=${filters//.c/}

# Every option by its name alone, a line each: -r, --raw.
manual_options() {
	python3 - "$root/filters/$1.1" <<'EOP'
import re, sys
names = set()
for line in open(sys.argv[1]):
    if not line.startswith(".It Fl "):
        continue
    line = line.replace(" Ns ", " ")
    digits = re.match(r"\.It Fl (\d) No to Fl (\d)", line)
    if digits:
        names.update("-%d" % n for n in range(int(digits[1]), int(digits[2]) + 1))
        line = line[digits.end():]
    for part in re.split(r"\bFl\b|,|\|", line.removeprefix(".It ")):
        word = part.split()[:1]
        if word and re.fullmatch(r"-?[A-Za-z0-9][A-Za-z0-9-]*", word[0]) and word[0] not in ("Ar", "Cm"):
            names.add("-" + word[0])
print("\n".join(sorted(names)))
EOP
}

program_options() {
	python3 - "$root/filters/$1.c" <<'EOP'
import re, sys
source = open(sys.argv[1]).read()
short = re.search(r'getopt_long\(argc, argv,\s*"([^"]*)"', source)[1]
names = {"-" + c for c in short if c not in ":+"}
if "HELP_LETTERS" in source and "HELP_NAMES" in source:
    names |= {"-h", "-V", "--help", "--version"}
names |= {"--" + n for n in re.findall(r'\{ "([a-z0-9-]+)", *(?:no|required|optional)_argument', source)}
print("\n".join(sorted(names)))
EOP
}

# examples MANUAL: the commands in its EXAMPLES. A prompt begins a command; lines without one go
# on where the line before ended in |, \ or an operator.
examples() {
	mandoc -Tascii -O width=500 "$1" | col -bx | awk '
		/^[A-Z]/ { inside = ($0 ~ /^EXAMPLES/) }
		!inside { next }
		{ sub(/^ +/, "") }
		/^[$#] / { if (command != "") print command; command = substr($0, 3); more = /[|\\]$/; next }
		more { sub(/\\$/, "", command); command = command " " $0; more = /[|\\]$/; next }
		{ more = 0 }
		END { if (command != "") print command }'
}

# run_examples FILTER: run them in order, as a reader would.
run_examples() {
	local command count=0

	start_world
	cp old.img old/disk.img
	cp old.img old/web.img
	cp old.img new/disk.img
	examples "$root/filters/$1.1" >commands
	while IFS= read -r command <&9; do
		echo "$ $command"
		on old "$command" 3>&- 9<&- </dev/null
		count=$((count + 1))
	done 9<commands
	[ "$count" -gt 0 ]
}

@test "every filter has a manual, and so has the format" {
	for filter in $filters; do
		[ -s "$root/filters/$filter.1" ]
	done
	[ -s "$root/lib/stream/blkstream.5" ]
}

@test "mandoc has nothing to say about the manuals" {
	require mandoc

	run -0 mandoc -Tlint -Wwarning "$root"/filters/*.1 "$root"/lib/*/*.5

	[ -z "$output" ]
}

@test "each manual describes the options that the program takes, and no others" {
	for filter in $filters; do
		echo "$filter"
		manual_options "$filter" >manual
		program_options "$filter" >program
		[ -s program ]
		diff manual program
	done
}

@test "each manual has the sections that a manual has" {
	for filter in $filters; do
		for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO' CAVEATS; do
			echo "$filter: $section"
			grep -qx "\.Sh $section" "$root/filters/$filter.1"
		done
	done
}

@test "manuals refer only to manuals that are ours or the system's" {
	grep -h '^\.Xr' "$root"/filters/*.1 "$root"/lib/*/*.5 | awk '{ print $2, $3 }' | sort -u >references

	while read -r page section; do
		case $page in
		blkstream) [ -e "$root/lib/stream/$page.$section" ] ;;
		blk*) [ -e "$root/filters/$page.$section" ] ;;
		*) [[ $section =~ ^[1-8]$ ]] ;;
		esac || { echo "$page($section)" && false; }
	done <references
}

@test "the examples of blkread(1) run as printed" {
	run_examples blkread
}

@test "the examples of blkzip(1) run as printed" {
	run_examples blkzip
}

@test "the examples of blkmeter(1) run as printed" {
	run_examples blkmeter
}

@test "the examples of blkwrite(1) run as printed" {
	run_examples blkwrite
}

@test "the examples of blkdiff(1) run as printed" {
	run_examples blkdiff
}

@test "the examples of blksum(1) run as printed" {
	run_examples blksum
}

@test "the examples of blkfan(1) run as printed" {
	run_examples blkfan
	cmp old.img new/copy.img
}

@test "no manual has examples that are not run here" {
	for filter in $filters; do
		grep -q "run_examples $filter\$" "$BATS_TEST_FILENAME"
	done
}
