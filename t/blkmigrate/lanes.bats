#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate over several connections at once: --lanes.

load ../helpers
load migrate

setup() {
	migrate_begin
}

# count_logins: how many connections the host has taken; in $logins.
count_logins() {
	logins=$(grep -c '^Accepted publickey' ssh/log) || true
}

# count_in FILE WORD: lines of the file that are the word.
count_in() {
	grep -cxF -- "$2" "$1" || true
}

@test "--lanes: a disk is copied over so many connections, then its changes" {
	break_program blkwrite 'echo "$BLKFAN_LANE${SSH_CONNECTION%% 127*}" >>"'"$dir"'/came"
		exec "'"$BIN"'/blkwrite" "$@"'

	run -0 --separate-stderr migrate copy -v --create --lanes 3 old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr =~ 'blkmeter '[^|]*' | blkfan -n 3 ssh -o ControlMaster=no -o ControlPath=none '[^|]*' new '\''blkwrite --verify' ]]
	[ "$(grep -c 'blk128:' <<<"$stderr")" = 1 ]
	[ "$(wc -l <came)" = 3 ]
	printf changed | dd of=old.img seek=3000000 oflag=seek_bytes conv=notrunc status=none

	run -0 --separate-stderr migrate copy --lanes 2 --verify full old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(wc -l <came)" = 5 ]
	[[ $stderr == *"new.img: 65536 bytes"* ]]
}

@test "a configuration of ssh that shares connections does not make one of all lanes" {
	mkdir -m 700 shared
	printf 'ControlMaster auto\nControlPath %s/shared/%%h\nControlPersist 20\n' "$dir" >>ssh/config
	ssh -F "$config" new true
	at_end ssh -F "$config" -O exit new
	[ -S shared/127.0.0.1 ]
	break_program blkwrite 'echo "${SSH_CONNECTION}" >>"'"$dir"'/came"
		exec "'"$BIN"'/blkwrite" "$@"'
	at_end ssh -F "$config" -O exit new

	migrate copy --create --lanes 4 old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(sort -u came | wc -l)" = 4 ]
}

@test "--dry-run prints the lanes; one lane is the pipe without blkfan" {
	run -0 --separate-stderr migrate copy -n --create --lanes 4 old.img new:"$dir/new.img"
	[[ $output == *' | blkzip --adapt | blkmeter '*' | blkfan -n 4 ssh '* ]]

	run -0 --separate-stderr migrate copy -n --create --lanes 1 old.img new:"$dir/new.img"
	[[ $output != *blkfan* ]]

	run -0 --separate-stderr migrate copy -n --create --lanes 2 --transport tcp old.img new:"$dir/new.img"
	[ "$(grep -c '^new# nc -n -v -l 127.0.0.1 4915[23] | blkwrite --verify -v --id @' <<<"$output")" = 2 ]
	[[ $output == *' | blkmeter '*" | blkfan -n 2 sh -c 'shift "*' lane 49152 49153'* ]]
	[ ! -e new.img ]
	for wrong in 0 65 100 x ''; do
		run -64 --separate-stderr migrate copy --lanes "$wrong" old.img new:"$dir/new.img"
		[ "$stderr" = "blkmigrate: --lanes wants a number from 1 to 64" ]
	done
}

@test "over tcp each lane has a port, and the status is that of blkwrite" {
	require nc
	break_program nc "$(command -v nc)"' "$@"
		status=$?
		case " $* " in *" -h "*) exit "$status" ;; esac
		echo "${*: -1}" >>"'"$dir"'/ports"
		exit 1'

	run -0 --separate-stderr migrate copy -v --create --lanes 3 --transport tcp old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(sort ports | uniq -c | awk '$1 == 2' | wc -l)" = 3 ]
	[ "$(grep -c 'blk128:' <<<"$stderr")" = 1 ]
	break_program blkwrite 'cat >/dev/null
		echo "blkwrite: it does not keep this" >&2
		exit 2'
	run -2 --separate-stderr migrate copy --lanes 2 --transport tcp old.img new:"$dir/new.img"
	[[ $stderr == *'blkwrite: it does not keep this'*'the copy failed'* ]]
}

@test "over tcp a lane with another id is refused at once, and nothing is touched" {
	require nc
	migrate copy --create old.img new:"$dir/new.img"
	cp new.img before
	printf changed | dd of=old.img conv=notrunc status=none
	break_program blkdiff '[ "$1" != --id ] || shift 2
		exec "'"$BIN"'/blkdiff" "$@"'

	run -2 --separate-stderr migrate copy --lanes 3 --transport tcp old.img new:"$dir/new.img"

	[[ $stderr == *'the stream has another id than --id says'* ]]
	[[ $stderr == *'the copy failed; the same command resumes it' ]]
	cmp before new.img
}

@test "one limit of the rate is over all lanes, and the meter is in front of them" {
	break_program blkmeter 'echo "$*" >>"'"$dir"'/meters"
		exec "'"$BIN"'/blkmeter" "$@"'

	migrate copy --create --lanes 4 --bwlimit 20M old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(wc -l <meters)" = 1 ]
	grep -q -- '-L 20M' meters
}

@test "a lane that breaks fails the copy, and the same command resumes it" {
	make_noise old.img 16M
	break_program ssh '[ "${BLKFAN_LANE:-}" != 2 ] || { head -c 1000000; exit 255; } | exec '"$(command -v ssh)"' "$@"
		exec '"$(command -v ssh)"' "$@"'

	run -2 --separate-stderr migrate copy --create --lanes 3 old.img new:"$dir/new.img"

	[[ $stderr == *'it was cut: its end did not come'* ]]
	[[ $stderr == *'the copy failed; the same command resumes it' ]]
	rm broken/ssh
	hash -r
	run -0 migrate copy --lanes 3 --verify full old.img new:"$dir/new.img"
	cmp old.img new.img
}

@test "killed in the middle, no lane writes any more, and the same command resumes" {
	make_noise old.img 24M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--lanes 4 --bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img
	sleep 1

	kill -KILL "$pid"

	# The run that takes over ends what still writes.
	run -0 migrate copy --lanes 2 --verify full old.img new:"$dir/new.img"
	run -1 fuser -s state/lock/*.work
	cmp old.img new.img
	[ -z "$(ls tmp)" ]
}

@test "without blkfan --lanes says so, and makes nothing" {
	mkdir few
	ln -s "$BIN"/* few/
	rm few/blkfan
	export PATH=$dir/few:${PATH//"$BIN":/}

	for way in ssh tcp; do
		run -2 --separate-stderr migrate copy --create --lanes 2 --transport "$way" old.img new:"$dir/new.img"
		[[ $stderr == *' no blkfan'*', which --lanes needs: install it'*', or --lanes 1' ]]
	done
	[ ! -e new.img ]
	run -0 --separate-stderr migrate copy --create --lanes 1 old.img new:"$dir/new.img"
	cmp old.img new.img
}

@test "the plan keeps the lanes; --lanes of a later command comes before it" {
	code='document() { cat "$private/plan" >"$2.got" && mv "$2.got" "$2"; }
		load() { printf "%s\n" vm=web uuid=1-2-3 "$1" >"$private/plan"; load_plan; lanes_ready; echo "[$lanes]"; }'

	[ "$(inside "$code; load lanes=4")" = '[4]' ]
	[ "$(inside "$code; lanes_wanted=8; load lanes=4")" = '[8]' ]
	[ "$(inside "$code; load drives=empty")" = '[]' ]
	for wrong in 'a[$(touch oops)]' 65 0 '4 4'; do
		run -2 inside "$code; load 'lanes=$wrong'"
		[[ $output == *'the plan in '*' cannot be understood: lanes='* ]]
	done
	[ ! -e oops ]
	inside '[[ " ${plan_scalars[*]} " == *" lanes "* ]]'
}

@test "driven from a third host over ssh it is said that one connection feeds the lanes" {
	run -0 --separate-stderr migrate copy -v --create --lanes 2 --from new "$dir/old.img" new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr == *'the lanes begin on this host, which gets the disks from new over one connection'* ]]
}
