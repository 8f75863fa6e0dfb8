#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --stall-limit: a receiver that is stopped and answers nothing any more.

load ../helpers
load hosts

setup() {
	require nc
	hosts_begin
	# The first blkwrite gets a part of the stream, and is stopped.
	cat >programs/blkwrite <<-EOF
		#!/bin/bash
		mkdir "$dir/once" 2>/dev/null || exec "$BIN/blkwrite" "\$@"
		"$BIN/blkwrite" "\$@" < <(head -c 100000; exec tail -f /dev/null --pid=\$\$) &
		kill -STOP \$!
		wait \$!
		exit
	EOF
	chmod +x programs/blkwrite
}

# finds_stopped OPTION ...: it is found and ended, and the next try copies the disk.
finds_stopped() {
	rm -rf once there/copy.img state
	run -0 --separate-stderr timeout 240 "$root/scripts/blkmigrate" copy --state "$dir/state" --from old \
		--create --stall-limit 2 --retry 1 --retry-wait 0 "$@" "$dir/old.img" new:"$dir/there/copy.img"
	[[ $stderr == *'new: blkwrite (process '*') is stopped, for 2 seconds now; it is ended (--stall-limit)'* ]]
	[[ $stderr == *'(try 1 of 1)'* ]]
	cmp old.img there/copy.img
}

@test "a blkwrite that is stopped is found, over ssh and with lanes, and the copy is tried again" {
	finds_stopped
	finds_stopped --lanes 2
}

@test "a blkwrite that is stopped is found over tcp as well" {
	finds_stopped --transport tcp --listen 127.0.0.1
}

@test "a sender that has nothing to send is not taken for one that hangs" {
	printf '#!/bin/bash\nsleep 6\nexec "%s/blkread" "$@"\n' "$BIN" >programs/blkread
	chmod +x programs/blkread
	mkdir once
	run -0 --separate-stderr blkmigrate copy --create --stall-limit 1 --retry 0 old.img new:"$dir/there/copy.img"
	[[ $stderr != *stall-limit* ]]
}
