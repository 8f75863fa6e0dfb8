#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate when a login needs a password, and when the new host has none of the programs.

load ../helpers
load migrate

# The user's key has a passphrase; askpass gives it and counts the calls.  The home folder on new
# is $dir/home.
setup() {
	migrate_begin
	mkdir -p home/.ssh
	keys=$dir/home/.ssh/authorized_keys
	printf 'ssh-ed25519 AAAA somebody\nssh-ed25519 AAAB another, without a line feed' >"$keys"
	chmod 640 "$keys"
	sed -i "s|^AuthorizedKeysFile .*|& $keys|; s|^SetEnv .*|& HOME=$dir/home|" ssh/sshd_config
	kill -HUP "$sshd"
	wait_for 5 ssh -F "$config" new true
}

# lock_key: from now on the user's key is not to be had without a question.
lock_key() {
	ssh-keygen -q -p -P '' -N sesame -f ssh/user >/dev/null
	sed -i '/^BatchMode/d' ssh/config
	printf '#!/bin/sh\necho >>%s/asked\necho sesame\n' "$dir" >askpass
	chmod +x askpass
	export SSH_ASKPASS=$dir/askpass SSH_ASKPASS_REQUIRE=force
	unset SSH_AUTH_SOCK
}

others_are_there() {
	[ "$(head -n 2 "$keys")" = 'ssh-ed25519 AAAA somebody
ssh-ed25519 AAAB another, without a line feed' ]
	[ "$(stat -c %a "$keys")" = 640 ]
}

@test "--temp-key asks once, and its key is restricted, short-lived and gone in the end" {
	break_program blkwrite 'cat "'"$keys"'" >>"'"$dir"'/seen"
		exec "'"$BIN"'/blkwrite" "$@"'
	lock_key

	run -2 --separate-stderr migrate copy --create old.img new:"$dir/new.img"
	[[ $stderr == *'new does not answer by ssh'* ]]
	run -0 --separate-stderr migrate copy --temp-key --create old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(wc -l <asked)" = 1 ]
	run -0 grep blkmigrate-temp-key seen
	[[ $output =~ ^'restrict,from="127.0.0.1",expiry-time="'([0-9]{12})'" ssh-ed25519 '[^\ ]+' blkmigrate-temp-key:'[0-9a-f-]+:[0-9]+:[0-9]+$ ]]
	[[ ${BASH_REMATCH[1]} > $(date -d '110 minutes' +%Y%m%d%H%M) ]]
	[[ ${BASH_REMATCH[1]} < $(date -d '121 minutes' +%Y%m%d%H%M) ]]
	run ! grep temp-key "$keys"
	others_are_there
	[ -z "$(ls tmp)" ]
}

@test "the temporary key is gone after a failure, too" {
	break_program blkwrite 'cat >/dev/null; exit 2'
	lock_key

	run -2 migrate copy --temp-key --create old.img new:"$dir/new.img"

	run ! grep temp-key "$keys"
	others_are_there
}

@test "a killed run's temporary key goes by itself, or with the next run" {
	make_noise old.img 24M
	lock_key
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--temp-key --bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img
	grep -q temp-key "$keys"
	grep temp-key "$keys" >left

	kill -KILL "$pid"
	wait_for 20 eval '! grep -q temp-key "$keys"'

	cat left >>"$keys"
	sed 's/blkmigrate-temp-key:/&f/' left >>"$keys"
	sed 's/blkmigrate-temp-key:/&e/; s/expiry-time="..../&0/; s/time="..../time="1999/' left >>"$keys"
	run -0 migrate copy --temp-key old.img new:"$dir/new.img"
	cmp old.img new.img
	[ "$(grep -o 'temp-key:.' "$keys")" = temp-key:f ]
	others_are_there
	wait_for 10 eval '[ -z "$(ls tmp)" ]'
}

@test "a dry run leaves no key" {
	lock_key
	cp "$keys" before

	run -0 migrate copy --temp-key -n --create old.img new:"$dir/new.img"

	cmp before "$keys"
	[ "$(wc -l <asked)" = 1 ]
}

# --- programs ---------------------------------------------------------------------

# strip_new: new has blkwrite and blksum no more; this host has them.
strip_new() {
	mkdir -p bare
	ln -s /usr/bin/* /usr/sbin/* /bin/* bare/ 2>/dev/null || true
	rm -f bare/blk{write,sum,read,zip,diff,meter}
	sed -i "s|^SetEnv PATH=[^ ]*|SetEnv PATH=$dir/bare|" ssh/sshd_config
	kill -HUP "$sshd"
	wait_for 5 eval '! ssh -F "$config" new "command -v blkwrite"'
}

@test "--push sends the programs along, for the one copy only" {
	strip_new

	run -2 --separate-stderr migrate copy --create old.img new:"$dir/new.img"
	[[ $stderr == *'new has no blkwrite: install it there, or --push sends it along' ]]
	[ ! -e new.img ]
	run -0 migrate copy --push --create --verify full old.img new:"$dir/new.img"
	cmp old.img new.img
	[ "$(stat -c %a state/to/*/bin/blkwrite)" = 700 ]
	printf changed | dd of=old.img conv=notrunc status=none

	run -0 --separate-stderr migrate copy -v old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr == *"$dir/state/to/"*"/bin/blkwrite --verify"* ]]
	run -0 migrate copy --finish old.img new:"$dir/new.img"
	[ -z "$(find state/to -type f)" ]
}

@test "a program that arrives broken, or does not run there, is not used" {
	strip_new
	rm bare/sha256sum
	printf '#!/bin/sh\ncat >/dev/null\nprintf "%%064d  -\\n" 0\n' >bare/sha256sum
	chmod +x bare/sha256sum
	run -2 --separate-stderr migrate copy --push --create old.img new:"$dir/new.img"
	[[ $stderr == *'/bin/blkwrite did not arrive as it was sent' ]]

	ln -sf /usr/bin/sha256sum bare/sha256sum
	cp -r "$root/scripts" .
	mkdir other
	printf '\177ELF of another architecture' >other/blkwrite
	chmod +x other/blkwrite
	run -2 --separate-stderr env PATH="$dir/other:$PATH" scripts/blkmigrate copy --state "$dir/state" \
		--ssh-option "-F$config" --push --create old.img new:"$dir/new.img"

	[[ $stderr == *"new cannot run $dir/other/blkwrite: make static makes programs that run on any host of this architecture" ]]
	[ ! -e new.img ]
}
