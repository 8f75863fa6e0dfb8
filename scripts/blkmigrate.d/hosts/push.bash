# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --push: a new host without blkwrite and blksum gets them for one migration, in to/ID/bin, where
# nothing else finds them.

push=false pushed=''

# program NAME: print how to call it on the new host.
program() {
	printf '%s\n' "${pushed:+$pushed/}$1"
}

# pushable NAME: print the file of a program that can be sent: the one that make static made, or the
# one that is installed here.
pushable() {
	local file=$here/../../build/static/bin/$1

	if [ -x "$file" ]; then
		realpath "$file"
	else
		type -P "$1"
	fi
}

# will_push HOST NAME: a missing program will be sent.
will_push() {
	$push && [ "$1" = new ] && [[ $2 == blkwrite || $2 == blksum ]] && pushable "$2" >/dev/null
}

# find_pushed: use what an earlier run of this migration sent.
find_pushed() {
	local bin

	bin=$(state_of new)/bin
	! asks_yes new test -x "$bin/whole" || pushed=$bin
}

# programs_ready: send them if they are not there.
programs_ready() {
	local bin tool

	find_pushed
	[ -z "$pushed" ] || return 0
	ask_lines new "$a_name" bash -c 'for tool; do command -v "$tool" >/dev/null || echo "$tool"; done
		true' missing blkwrite blksum || die "$(name_of new) cannot be asked for its programs"
	[ ${#answers[@]} -gt 0 ] || return 0
	$push || die "$(name_of new) has no ${answers[0]}: install it there, or --push sends it along"
	bin=$(state_of new)/bin
	for tool in blkwrite blksum; do
		push_program "$tool" "$bin/$tool"
	done
	$dry_run || guarded new ln -s blksum "$bin/whole" || die "$(name_of new): $bin cannot be written"
	pushed=$bin
}

# push_program NAME FILE: send it; it must arrive as it is here, and run.
push_program() {
	local file sum status=0

	file=$(pushable "$1") || die "there is no $1 here that could be sent: make static makes one"
	show new "cat >$(quote "$2") # $file"
	! $dry_run || return 0
	put new "$2" <"$file"
	guarded new chmod 700 "$2" || die "$(name_of new): $2 cannot be made a program"
	sum=$(sha256sum <"$file") || die "$file cannot be read"
	ask new "$any_text" bash -c "$fresh_function"'fresh "$1"; sha256sum <"$1"' sha256sum "$2" && [ "$answer" = "$sum" ] ||
		die "$(name_of new): $2 did not arrive as it was sent"
	# A program that runs answers an unknown option with status 2.
	ask -q new "$any_text" "$2" --none || status=$?
	[ "$status" = 2 ] || die "$(name_of new) cannot run $file: make static makes programs that run on any host of this architecture"
}
