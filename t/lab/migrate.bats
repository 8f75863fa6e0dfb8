#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A virtual machine moves while everything goes wrong: blkmigrate is killed, hosts are not
# there, somebody interferes.  It never runs on both hosts, no count is lost, and what is not
# blkmigrate's is left alone.  Every line of the journal is in t/long/migrate.bats, other faults in
# t/long/blkmigrate-faults.bats.

load ../helpers
load network
load libvirt
load migrate

@test "killed when 'begin fenced' is in the journal, the same command goes on" {
	killed after 'begin fenced'

	goes_on
}

@test "killed when 'done committed' is in the journal, the same command goes on" {
	killed after 'done committed'

	goes_on
}

@test "killed before 'done started' is in the journal, it goes back" {
	killed before 'done started'

	goes_back
}

# refused STATUS PATTERN COMMAND ...: with that message; the machine has not noticed, and nothing was
# made on new.
refused() {
	local expected=$1 pattern=$2

	shift 2
	run "-$expected" "$@"
	echo "$output"
	[[ $output == *$pattern* ]]
	stays web "$disk"
	[ -z "$(ls -A "$lab/new/images")" ]
}

@test "a host whose key is another one is not trusted, even where its user would" {
	make_running web raw
	on old 'cp ~/.ssh/known_hosts /tmp/known && sed -i "s/^new /other /; s/^old /new /" ~/.ssh/known_hosts'
	at_end on old 'cp /tmp/known ~/.ssh/known_hosts'

	refused 2 'new does not answer by ssh' \
		migrate run web --to new --yes --ssh-option StrictHostKeyChecking=no
}

@test "no room on the other host" {
	make_running web raw
	on new 'mkdir -p /srv/small && { mountpoint -q /srv/small || mount -t tmpfs -o size=8M none /srv/small; }'

	refused 3 '/srv/small' migrate run web --to new --yes --dir /srv/small
	[ -z "$(on new 'ls -A /srv/small')" ]
}

@test "a target that does not keep what it is given is not committed to" {
	make_running web raw
	shim new blksum 'case " $* " in
		*" --map "*) ;;
		*) "$tool" "$@" | sed "s/blk128:..../blk128:0000/"; exit ;;
		esac'

	run -4 migrate run web --to new --yes --verify full
	echo "$output"

	[[ $output == *'the digests of both sides differ'* ]]
	stays web "$disk"
}

@test "a second driver is told who is at work, and disturbs nothing" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" define "* && ! -e /tmp/go ]]; then
		touch /tmp/waits
		until [ -e /tmp/go ]; do sleep 0.1; done
	fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/waits'

	run -2 on old 'blkmigrate rollback web'
	[[ $output == *'another blkmigrate is at work on this'* ]]
	on new 'touch /tmp/go'
	wait "$pid"

	moved web "$disk"
}
