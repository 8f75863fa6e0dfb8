#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --retry: where the connection breaks, the same command goes on by itself; where something else fails,
# it does not.

load ../helpers
load migrate
load hosts

setup() {
	hosts_begin
}

# break_at TEXT: the first call that has it takes a part of what it is sent, and loses its host.
break_at() {
	export odd='[[ -e $FAKE/broke || $words != *"$breaks_at"* ]] || { : >"$FAKE/broke"; head -c 100000 >/dev/null; exit ${broken_status:-255}; }'
	export odd_at_all=yes breaks_at=$1
}

@test "run goes on by itself where the line breaks in a copy, and moves the machine" {
	break_at 'blkwrite --verify'
	run -0 --separate-stderr migrate run --retry-wait 0
	[[ $stderr == *'the connection broke; the same command goes on in 0 seconds (try 1 of 3)'* ]]
	[ "$(cat host/new/web.state)" = running ]
	cmp old.img there/old.img
	[ -z "$(ls tmp)" ]
}

@test "copy goes on by itself, with --retry 0 it does not, and the same command does" {
	break_at 'blkwrite --verify'
	run -2 --separate-stderr blkmigrate copy --create --retry 0 old.img new:"$dir/there/copy.img"
	[[ $stderr != *'goes on in'* ]]
	rm broke
	run -0 --separate-stderr blkmigrate copy --create --retry 1 --retry-wait 0 old.img new:"$dir/there/copy.img"
	[[ $stderr == *'(try 1 of 1)'* ]]
	cmp old.img there/copy.img
}

@test "a host that is away is tried as often as it was said, and no more" {
	export at_virsh='' odd='[[ $words != *"blkwrite --verify"* ]] || : >"$FAKE/new.down"; [ ! -e "$FAKE/$HOST.down" ] || exit 255' odd_at_all=yes
	run -2 --separate-stderr migrate run --retry 2 --retry-wait 0
	[ "$(grep -c 'the connection broke' <<<"$stderr")" = 2 ]
	[[ $stderr == *'new does not answer by ssh'* ]]
	[ "$(cat host/old/web.state)" = running ]
}

@test "what fails for another reason is not tried again" {
	break_at 'blkwrite --verify'
	export broken_status=2
	run -2 --separate-stderr migrate run --retry-wait 0
	[[ $stderr != *'the connection broke'* ]]
	[ "$(cat host/old/web.state)" = running ]
}

@test "a cutover that was taken back is not tried again" {
	export odd='[[ $words != *"start --paused"* && $words != *--paused* ]] || exit 255' odd_at_all=yes
	run -4 --separate-stderr migrate run --retry-wait 0
	[[ $stderr == *'the cutover of web failed; rolling back'* ]]
	[[ $stderr != *'the connection broke'* ]]
	[ "$(cat host/old/web.state)" = running ]
}

@test "a signal while it waits ends it" {
	break_at 'blkwrite --verify'
	background bash -c '"$1/scripts/blkmigrate" run --state "$2/state" --from old --yes --to new --dir "$2/there" --retry-wait 60 web >said 2>&1; echo $? >ended' run "$root" "$dir"
	wait_for 60 grep 'the connection broke' said
	pkill -TERM -f "scripts/blkmigrate run --state $dir/state"
	wait_for 20 test -s ended
	[ "$(cat ended)" = 143 ]
}
