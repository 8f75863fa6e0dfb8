#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The cipher of the connection that carries a stream.

load ../helpers
load migrate

# Both hosts have $dir/cpu for /proc/cpuinfo; $dir/ssh-N is what each ssh was told, and said.
setup() {
	migrate_begin
	cp -r "$root/scripts" .
	sed -i "s|/proc/cpuinfo|$dir/cpu|" scripts/blkmigrate.d/hosts/cipher.bash
	processor 'flags		: fpu sse2 aes avx'
	real=$(command -v ssh)
	mkdir programs
	cat >programs/ssh <<-EOS
		#!/bin/bash
		[[ " \$* " != *" -G "* ]] || exec $real "\$@"
		echo "\$*" >$dir/ssh-\$\$
		exec $real -v -E $dir/ssh-\$\$ "\$@"
	EOS
	chmod +x programs/ssh
	PATH=$dir/programs:$PATH
}

processor() {
	printf 'processor\t: 0\nmodel name\t: aes\n%s\n' "$@" >cpu
}

# stream_cipher [OPTION ...]: copy, and set $stream to the ciphers of the connections that carry the stream.
stream_cipher() {
	rm -rf ssh-* new.img state
	scripts/blkmigrate copy --state "$dir/state" --ssh-option "-F$config" "$@" --create old.img new:"$dir/new.img"
	cmp old.img new.img
	grep -le 'blkwrite --verify' ssh-* >logs
	stream=$(xargs sed -n 's/^debug1: kex: client->server cipher: \([^ ]*\).*/\1/p' <logs)
}

@test "where both processors have AES, a stream is encrypted with it, a question as ssh does by itself" {
	stream_cipher

	[ "$stream" = aes128-gcm@openssh.com ]
	run ! grep -l 'ControlMaster=auto.*Ciphers=' ssh-*
}

@test "arm64 says it in another line; a processor without it changes nothing" {
	processor 'Features	: fp asimd aes sha2'
	stream_cipher
	[ "$stream" = aes128-gcm@openssh.com ]

	for line in 'flags		: fpu sse2 vaes avx' 'cpu		: POWER9'; do
		processor "$line"
		stream_cipher
		[ "$stream" = chacha20-poly1305@openssh.com ]
	done
}

@test "the user's choice of a cipher holds, in ssh_config and as an option" {
	stream_cipher --ssh-option Ciphers=aes256-ctr
	[ "$stream" = aes256-ctr ]

	stream_cipher --ssh-option Ciphers=-aes256-ctr
	[ "$stream" = chacha20-poly1305@openssh.com ]

	echo 'Ciphers aes256-gcm@openssh.com,aes128-gcm@openssh.com' >>ssh/config
	stream_cipher
	[ "$stream" = aes256-gcm@openssh.com ]
}

@test "an ssh that cannot be told to offer one first is left as it is" {
	sed -i "2s|.*|if [[ \" \$* \" == *' -G '* ]]; then $real \"\$@\" 2>\&1 \| sed 's/OpenSSH_[0-9]*/OpenSSH_7/'; exit; fi|" programs/ssh
	stream_cipher
	[ "$stream" = chacha20-poly1305@openssh.com ]

	sed -i "2s|.*|[[ \" \$* \" != *' -G '* ]] \|\| exit 255|" programs/ssh
	stream_cipher
	[ "$stream" = chacha20-poly1305@openssh.com ]
}

@test "a connection that ssh's configuration shares has the cipher that its first user asked for" {
	mkdir shared
	printf 'ControlMaster auto\nControlPath %s/shared/%%h\nControlPersist 20\n' "$dir" >>ssh/config

	stream_cipher

	xargs grep -l "mux_client_request_session: master session id" <logs
	[ "$stream" = aes128-gcm@openssh.com ]
	ssh -F "$config" -O exit new
}

@test "several lanes have it, too" {
	stream_cipher --lanes 2

	[ "$stream" = $'aes128-gcm@openssh.com\naes128-gcm@openssh.com' ]
}
