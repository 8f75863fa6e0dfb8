#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Names that would move the cursor: no filter shows them as they are.

load ../helpers

# The second is U+009B, as which a terminal takes CSI; the third byte sequence is an umlaut.
name=$'a\e[31m\xc2\x9bm\xc3\xa4'
shown=$'a?[31m??m\xc3\xa4'

@test "messages of all filters show a question mark for each control character in a name" {
	for command in 'blkread' 'blkwrite' 'blksum' 'blkzip' 'blkdiff --snapshot' 'blkdiff old.img' \
		'blksum -c' 'blkread --id' 'blkmeter -L'; do
		prefix=''
		[[ $command != *--id && $command != *-L ]] || prefix=@
		echo x >old.img
		run -2 --separate-stderr bash -c "$command \"\$1\" </dev/null" - "$prefix$name"
		echo "$command: $stderr" | cat -v
		[[ $stderr == *"$shown"* ]]
		[[ $stderr != *$'\e'* && $stderr != *$'\xc2\x9b'* ]]
	done
}

@test "blksum -c: verdicts and errors show names without escapes, digests to a file keep them" {
	echo x >"$name"
	blksum -a md5 "$name" >list
	grep -q $'\e' list
	md5sum -c list

	run -0 --separate-stderr blksum -c list
	[ "$output" = "$shown: OK" ]
	echo y >"$name"
	run -1 --separate-stderr blksum -c list
	[[ $output == "$shown: FAILED"* ]]
	rm "$name"
	run -2 --separate-stderr blksum -c list

	[[ $stderr == *"$shown"* && $stderr != *$'\e'* ]]
}

@test "blksum at a terminal shows a name without escapes" {
	require script
	echo x >"$name"

	run -0 script -qec 'blksum -a md5 *m*' /dev/null

	[[ $output == *"$shown"* ]]
	[[ $output != *$'\e[31m'* ]]
}

@test "blkmeter shows its name without escapes, as JSON with those of JSON" {
	run -0 --separate-stderr bash -c 'head -c 100000 /dev/zero | blkmeter -f -N "$1" >/dev/null' - $'m\xc2\x9bx\xc3\xa4'
	[[ $stderr != *$'\xc2\x9b'* ]]
	run -0 --separate-stderr bash -c 'head -c 100000 /dev/zero | blkmeter --json -N "$1" >/dev/null' - $'m\xc2\x9bx\xc3\xa4'

	[[ $stderr == *$'m\\u009bx\xc3\xa4'* ]]
}
