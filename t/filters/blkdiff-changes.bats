#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkdiff --changes: lists of what has changed, as other tools write them.

load ../helpers
load delta

# list_of TEXT [OPTION ...]: the changes to a device of 4 MiB according to a list of that text
# (printf's).
list_of() {
	local text=$1

	shift
	[ -e device ] || make_image device 4M
	# shellcheck disable=SC2059
	printf "$text" | blkdiff --list "$@" --changes - device
}

# refuses TEXT MESSAGE [OPTION ...]: such a list is refused with that message, and nothing
# else comes out.
refuses() {
	local text=$1 message=$2

	shift 2
	echo "${text:0:200}"
	run -2 --separate-stderr list_of "$text" "$@"
	[ -z "$output" ]
	[ "$stderr" = "blkdiff: standard input: $message" ]
}

@test "every kind of list is recognised by its format and read correctly" {
	local list

	truncate -s 4M device
	for list in "$root"/t/files/lists/good-*; do
		echo "$list"
		run -0 --separate-stderr blkdiff --list --era-block 64K --changes "$list" device

		[ -z "$stderr" ]
		[ "$output" = "0 65536
393216 131072
1048576 196608
4128768 65536
# 4 ranges, 458752 bytes" ]
	done
}

@test "listed ranges are sent as the device has them, zeros without data, unchecked" {
	make_noise device 1M
	clear_range device 40960 8192
	echo 32768 32768 >list

	blkdiff --changes list device >delta

	[ "$(records <delta)" = "DATA 32768 8192 unchecked
ZERO 40960 8192 unchecked
DATA 49152 16384 unchecked" ]
}

@test "a list and the old device give the new one" {
	make_pair
	blkdiff --list old new >list

	blkdiff --changes - new <list >delta

	apply delta old
	cmp target new
}

@test "adjacent ranges are merged, and ranges are cut off at the end of the device" {
	run -0 list_of '0 100\n100 100\n200 1\n4194303 9000\n4194304 1\n9000000000 1\n'

	[ "$output" = "0 201
4194303 1
# 2 ranges, 202 bytes" ]
}

@test "ranges of no length, comments, blank lines and other line ends are nothing" {
	run -0 list_of '\t 5 \t 10 \t\r\n\r\n\n# 1 2\n7 0 # none\n 20 5#x\n'

	[ "$output" = "5 10
20 5
# 2 ranges, 15 bytes" ]
}

@test "-o and -l cut a list too" {
	run -0 list_of '0 4194304\n' -o 1000 -l 2000

	[ "$output" = "1000 2000
# 1 ranges, 2000 bytes" ]
}

@test "-q says whether the list names anything" {
	make_image device 4M

	run -1 blkdiff -q --changes <(echo 100 1) device
	run -0 blkdiff -q --changes <(echo 100 0) device
	run -0 blkdiff -q -o 1M --changes <(echo 100 1) device
}

@test "an empty list is refused: the tool that should write it has failed" {
	refuses '' 'empty: no list came'
	refuses '\n' 'empty: no list came'
	refuses ' \n\t\n' 'empty: no list came'
}

@test "a text without an end is refused: it was cut" {
	refuses '0 4096' 'line 1: it has no end: the list was cut'
	refuses '0 4096\n65536 13107' 'line 2: it has no end: the list was cut'
	refuses '0 4096\n# 1 ranges' 'line 2: it has no end: the list was cut'
}

@test "a map of clean and dirty ranges must cover the device" {
	refuses '0 4096 1 dirty\n4096 4096 0 clean\n' \
		'the map ends at byte 8192 of a device of 4194304: it was cut, or is of another one'
	refuses '0 4096 1 dirty\n8192 4186112 0 clean\n' 'the map of clean and dirty ranges has gaps'
	refuses '4096 4190208 0 clean\n' 'the map of clean and dirty ranges has gaps'
	run -0 list_of '0 4096 1 dirty\n4096 4190208 0 clean\n'
	[ "${lines[0]}" = "0 4096" ]
}

@test "a map that extends beyond the device's end belongs to another one, or the device is not there yet" {
	refuses '0 4096 1 dirty\n4096 9000000 0 clean\n' \
		'the map goes on to byte 9004096 of a device of 4194304: it is of another one'
	refuses '4194304 4096 1 dirty\n0 4096 1 dirty\n' \
		'the map goes on to byte 4198400 of a device of 4194304: it is of another one'
	truncate -s 0 device
	refuses '0 65536 1 dirty\n' 'the map goes on to byte 65536 of a device of 0: it is of another one'
	truncate -s 65000 device
	run -0 list_of '0 4096 0 clean\n4096 60928 1 dirty\n'
	[ "${lines[0]}" = "4096 60904" ]
}

@test "the dirty lines of a map alone are a list as well" {
	run -0 list_of '65536 4096 1 dirty\n0 4096 1 dirty\n'

	[ "$output" = "0 4096
65536 4096
# 2 ranges, 8192 bytes" ]
}

@test "a map of allocated blocks is refused, like anything but a dirty bitmap" {
	local allocated='line 1: this map lists allocated ranges, not changes'
	local other='line 1: not of a dirty bitmap: neither 0 clean nor 1 dirty'

	refuses '0 4194304 0 data\n' "$allocated"
	refuses '0 4194304 3 hole,zero\n' "$allocated"
	refuses '0 4194304 2 zero\n' "$allocated"
	refuses '0 4194304 1 local\n' "$other"
	refuses '0 4194304 2 dirty\n' "$other"
	refuses '0 4194304 0 dirty\n' "$other"
	refuses '0 4194304 1 clean\n' "$other"
	refuses '0 4194304 1 dirtyish\n' "$other"
	refuses '0 4194304 1 dirty x\n' "$other"
	refuses '0 4194304 dirty\n' 'line 1: not the type that nbdinfo prints behind the length'
}

@test "lines of two kinds are no list" {
	local other='line 2: this line is of another kind of list than those before'

	refuses '0 10\n10 10 1 dirty\n' "$other"
	refuses '0 10 1 dirty\n10 10\n' "$other"
}

@test "numbers that no device has are refused" {
	local number='line 1: not an offset and a length in bytes'
	local beyond='line 1: a range beyond any device'

	refuses '9223372036854775808 1\n' "$number"
	refuses '18446744073709551616 1\n' "$number"
	refuses '99999999999999999999999999 1\n' "$number"
	refuses '0 9223372036854775808\n' "$number"
	refuses '9223372036854775807 1\n' "$beyond"
	refuses '1 9223372036854775807\n' "$beyond"
	refuses '\-1 4096\n' "$number"
	refuses '0 -4096\n' "$number"
	refuses '+1 4096\n' "$number"
	refuses '0x10 4096\n' "$number"
	refuses '1.5 4096\n' "$number"
	refuses '4K 4K\n' "$number"
	refuses '4096\n' "$number"
	refuses 'a b\n' "$number"
	run -0 list_of '0 9223372036854775807\n'
	[ "${lines[0]}" = "0 4194304" ]
}

@test "a list that is not text is refused" {
	refuses '0 4096\0001\n' 'line 1: not a line of text'
	refuses '\000\n' 'line 1: not a line of text'
	refuses '0 10\n\177ELF\002\001\n' 'line 2: not an offset and a length in bytes'
	make_noise junk 200K
	run -2 --separate-stderr blkdiff --changes junk device
	[ -z "$output" ]
	[[ $stderr == "blkdiff: junk: line "* && $stderr != *$'\n'* ]]
}

@test "a line without end is refused before it fills the memory" {
	make_image device 1M

	run -2 --separate-stderr bash -c '[ -n "${SANITIZER:-}" ] || ulimit -v 400000
		yes "1 1 1" | tr -d "\n" | timeout 20 blkdiff --changes - device'

	[ -z "$output" ]
	[ "$stderr" = "blkdiff: standard input: line 1: not a line of text" ]
}

@test "XML that is cut, or no XML, is refused" {
	local length size file=$root/t/files/lists/good-thin.xml

	make_image device 4M
	size=$(stat -c %s "$file")
	for ((length = 1; length < size - 1; length += 31)); do
		run -2 --separate-stderr blkdiff --changes - device < <(head -c "$length" "$file")
		[ -z "$output" ]
		[[ $stderr == "blkdiff: standard input: line "* && $stderr != *$'\n'* ]]
	done
	refuses '<\n' 'line 1: not well-formed (invalid token)'
	refuses '<blocks></superblock>\n' 'line 1: mismatched tag' --era-block 4K
	refuses '<blocks/><blocks/>\n' 'line 1: junk after document element' --era-block 4K
	refuses '<blocks>\000</blocks>\n' 'line 1: not well-formed (invalid token)' --era-block 4K
}

@test "XML of another program is refused" {
	local head='<superblock data_block_size="128">' tail='</diff></superblock>\n'
	local thin='an element that thin_delta does not write there'

	refuses '<html/>\n' "line 1: neither thin_delta's nor era_invalidate's XML"
	refuses '<diff/>\n' "line 1: neither thin_delta's nor era_invalidate's XML"
	refuses "$head</superblock>\n" "line 1: thin_delta's XML without a diff"
	refuses "$head<device/></superblock>\n" "line 1: $thin"
	refuses "$head<diff>\n<more begin=\"1\" length=\"1\"/>$tail" "line 2: $thin"
	refuses "$head<diff>\n<range begin=\"1\" length=\"1\"/>$tail" "line 2: $thin"
	refuses "$head<diff><same><same/></same>$tail" "line 1: $thin"
	refuses "$head<diff><different/>$tail" 'line 1: an element that says of no range'
	refuses "$head<diff><different begin=\"1\"/>$tail" 'line 1: an element without length'
	refuses "$head<diff><different length=\"1\"/>$tail" 'line 1: an element without begin'
	refuses '<superblock/>\n' 'line 1: an element without data_block_size'
	refuses '<superblock data_block_size="0"/>\n' 'line 1: data_block_size is no size of a block'
	refuses '<superblock data_block_size="9223372036854775807"/>\n' \
		'line 1: data_block_size is no size of a block'
	refuses '<blocks><other/></blocks>\n' \
		'line 1: an element that era_invalidate does not write there' --era-block 4K
	refuses '<blocks><block block="1"><block block="2"/></block></blocks>\n' \
		'line 1: an element that era_invalidate does not write there' --era-block 4K
	refuses '<blocks><range begin="2" end="1"/></blocks>\n' \
		'line 1: a range that ends before it begins' --era-block 4K
}

@test "numbers in XML that no device has are refused" {
	local value

	for value in 9223372036854775808 -1 '' ' 1' 1x 0x1 18446744073709551616; do
		refuses "<blocks><block block=\"$value\"/></blocks>\n" \
			'line 1: block is no number that a device can have' --era-block 4K
	done
	refuses '<blocks><block block="2251799813685248"/></blocks>\n' \
		'line 1: a range beyond any device' --era-block 4K
	refuses '<blocks><range begin="0" end="9223372036854775807"/></blocks>\n' \
		'line 1: a range beyond any device' --era-block 4K
	run -0 list_of '<blocks><range begin="1" end="2251799813685247"/></blocks>\n' --era-block 4K
	[ "${lines[0]}" = "4096 4190208" ]
}

@test "a list of no changes is one" {
	run -0 list_of '<blocks/>\n' --era-block 4K
	[ "$output" = "# 0 ranges, 0 bytes" ]
	run -0 list_of '<superblock data_block_size="128"><diff></diff></superblock>\n'
	[ "$output" = "# 0 ranges, 0 bytes" ]
}

@test "era_invalidate's list needs the size of a block" {
	refuses '<blocks><block block="1"/></blocks>\n' \
		'line 1: era_invalidate names no block size: say it (--era-block)'
}

@test "a document type is refused, and so are entities, which could read files" {
	local doctype='a document type is not accepted'

	refuses '<!DOCTYPE blocks>\n<blocks/>\n' "line 1: $doctype" --era-block 4K
	refuses '<?xml version="1.0"?>\n<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">
<!ENTITY c "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]>
<blocks>&d;</blocks>\n' "line 2: $doctype" --era-block 4K
	refuses '<!DOCTYPE b SYSTEM "file:///etc/passwd">\n<blocks/>\n' "line 1: $doctype" --era-block 4K
	refuses '<blocks>&a;</blocks>\n' 'line 1: undefined entity' --era-block 4K
}

@test "endless XML is refused before it fills the memory" {
	make_image device 1M

	for endless in '<blocks a="' '<blocks><block ' '<!-- ' '<?x '; do
		echo "$endless"
		run -2 --separate-stderr bash -c "[ ${SANITIZER:+x} ] || ulimit -v 400000
			{ printf %s '$endless'; yes x=; } | timeout 60 blkdiff --era-block 4K --changes - device"
		[ -z "$output" ]
		[[ $stderr == "blkdiff: standard input: line "* && $stderr != *$'\n'* ]]
	done
	run -2 --separate-stderr bash -c "yes '<a>' | timeout 20 blkdiff --changes - device"
	[[ $stderr == "blkdiff: standard input: line 1: neither"* ]]
}

# Unlike the text of an element, its attributes' names are kept by the parser.
@test "XML with ever new names is refused before they fill the memory" {
	make_image device 1M
	cat >endless <<-'EOP'
		import itertools, sys
		print("<blocks>")
		for n in itertools.count():
		    print(f'<block block="1" name{n}=""/>')
	EOP

	run -2 --separate-stderr bash -c "[ ${SANITIZER:+x} ] || ulimit -v 400000
		python3 endless 2>/dev/null | timeout 60 blkdiff --era-block 4K --changes - device"

	[ -z "$output" ]
	[ "$stderr" = "blkdiff: standard input: line 65: more names of attributes than any list has" ]
}

@test "an element that is long, but ends, is none of these" {
	local blanks

	blanks=$(printf '%*s' 900000 '')
	run -0 list_of "<blocks><block $blanks block=\"0\"/>$blanks<!--$blanks--></blocks>\n" --era-block 4K

	[ "${lines[0]}" = "0 4096" ]
}

# peak LIST: KiB of memory that blkdiff takes for a list that names something.
peak() {
	python3 -c '
import resource, subprocess, sys
assert subprocess.run(["blkdiff", "-q", "--changes", sys.argv[1], "device"]).returncode == 1
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$1"
}

@test "millions of ranges take seconds and 16 bytes each" {
	local list used count=1000000

	[ -z "${THOROUGH:-}" ] || count=10000000
	truncate -s 100G device
	seq -f '%.0f 4096' 0 8192 $((count * 8192 - 1)) >ascending
	tac ascending >descending
	for list in ascending descending; do
		used=$(timeout 60 bash -c "$(declare -f peak); peak $list")

		echo "$list: $used KiB"
		[ "$used" -lt $((count * 16 / 1024 + 8192 + ${SANITIZER:+1}0 * 100000)) ]
	done
	run -0 timeout 60 bash -c "blkdiff --list --changes descending device | cmp - <(cat ascending;
		echo '# $count ranges, $((count * 4096)) bytes')"
}

@test "a range that comes twice takes memory once" {
	local used

	truncate -s 1G device
	seq -f '%.0f 1' 0 2 600000 | shuf >once
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		cat once
	done >list

	used=$(peak list)

	echo "$used KiB"
	[ "$used" -lt $((32768 + ${SANITIZER:+1}0 * 100000)) ]
	[ "$(blkdiff --list --changes list device | tail -1)" = "# 300001 ranges, 300001 bytes" ]
}
