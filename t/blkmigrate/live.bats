#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live between two hosts with a stand-in for libvirt: what is refused, what libvirt is told,
# and who has the machine after a failure.  t/lab/live.bats has libvirt.

# shellcheck disable=SC2089,SC2090

load ../helpers
load migrate
load hosts

setup() {
	hosts_begin
	export XDG_RUNTIME_DIR=$dir/run
	mkdir -p run/libvirt
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind("run/libvirt/libvirt-sock")'
}

live() {
	migrate live --connect qemu:///session "$@"
}

# is_on_new STATE: moved and fenced; nothing is left but what purge needs.
is_on_new() {
	[ "$(cat host/new/web.state)" = "$1" ]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	grep -q /nonexistent/ host/old/web.xml
	grep -q "$dir/there/old.img" host/new/web.xml
	run ! grep -E 'virsh (start|shutdown|destroy) ' log
	[ -n "$(ls state/to/*/commit)" ]
	for folder in state/from/* state/to/*; do
		[ ! -e "/tmp/blkmigrate-${folder##*/}" ]
	done
}

# is_on_old: as if nothing had happened.
is_on_old() {
	[ "$(cat host/old/web.state)" = running ]
	grep -q "$dir/old.img" host/old/web.xml
	[ ! -e host/new/web.xml ]
	[ -z "$(ls there)" ]
	[ -z "$(find state/from state/to -mindepth 1)" ]
	run ! grep -E 'old: virsh (start|shutdown|destroy) ' log
}

# refused PATTERN OPTION ...: nothing is touched.
refused() {
	run -3 --separate-stderr live "${@:2}"
	echo "$stderr"
	[[ $stderr == *"$1"* ]]
	[ -z "$(ls there)" ]
}

@test "libvirt moves it to a target that was made, paused; the old host is fenced, and it is let run" {
	touch host/old/auto
	run -0 --separate-stderr live
	echo "$stderr"

	is_on_new running
	[ -e host/new/auto ] && [ ! -e host/old/auto ]
	[ "$(stat -c %s there/old.img)" = "$(stat -c %s old.img)" ]
	grep -q -- "--suspend --copy-storage-all --migrate-disks vda --migrateuri unix:///tmp/blkmigrate-.*/memory --disks-uri unix:///tmp/blkmigrate-.*/disks $web qemu+unix:///session?socket=/tmp/blkmigrate-.*/control" log
	run ! grep -- --undefinesource log
	run -0 awk '/old: virsh migrate/ { at = 1 } at == 1 && /old: virsh define .*fenced/ { at = 2 }
		at == 2 && /new: virsh resume/ { found = 1 } END { exit !found }' log
	[[ $stderr == *'web runs on new; it stood still for '*' ms'* ]]
	[[ $(blkmigrate status) == *'moved to new'* ]]
	blkmigrate purge web <<<web
	[ ! -e old.img ]
}

@test "what libvirt is told besides, and a machine that is to wait stays paused" {
	live --suspend --bwlimit 20M --parallel 4 --auto-converge --timeout 600,suspend

	is_on_new paused
	grep -q -- '--auto-converge --parallel --parallel-connections 4 --bandwidth 20 ' log
	run ! grep 'virsh resume' log
}

@test "with --native libvirt uses ports of its own, and it is said that nothing is encrypted" {
	run -0 --separate-stderr live --native --listen 127.0.0.1
	echo "$stderr"

	is_on_new running
	grep -q -- '--migrateuri tcp://127.0.0.1 ' log
	run ! grep -- 'unix:///tmp/.*/memory' log
	[[ $stderr == *'memory and disks cross the network unencrypted'* ]]
}

@test "a dry run prints the commands, and changes nothing" {
	run -0 --separate-stderr live --dry-run
	echo "$output"

	[[ $output == *"old# ssh "*"old# virsh -q -c qemu:///session migrate --live"*"old# virsh -q -c qemu:///session define"*"new# virsh -q -c qemu:///session resume $web"* ]]
	[ -z "$(ls there)" ]
	run ! grep -E 'virsh (migrate|define|resume)' log
}

@test "a failure of libvirt leaves the machine where it was, and nothing of the move" {
	at_virsh='migrate *' then_virsh='echo "error: the guest is on strike" >&2; exit 1'
	run -4 --separate-stderr live --json
	echo "$stderr"

	[ "$(jq -c '[.result, .stage, .id]' <<<"$output")" = '["taken-back","none",null]' ]
	[[ $stderr == *'the guest is on strike'*'web is on old as it was; nothing runs on new'* ]]
	is_on_old
}

@test "what libvirt has left paused on the old host is resumed there" {
	at_virsh='migrate *' then_virsh='echo paused >web.state; exit 1'
	run -4 --separate-stderr live
	echo "$stderr"

	is_on_old
}

@test "a shared disk whose lock the new host gives up a moment later: it is resumed then" {
	at_virsh='@(migrate|resume) *' then_virsh='if [ "$1" = migrate ]; then
			echo paused >web.state; exit 1
		elif [ ! -e "$FAKE/tried" ]; then
			touch "$FAKE/tried"; echo "error: Failed to get write lock" >&2; exit 1
		fi'
	run -4 --separate-stderr live
	echo "$stderr"

	is_on_old
}

@test "killed when it has left the old host, the machine is not let run there; the same command goes on" {
	at_virsh='migrate *' then_virsh='at_virsh=""; "$0" "$@"; kill -KILL "$(cat "$FAKE/driver")"; exit 0'
	run -137 bash -c 'echo $$ >driver; exec "$@"' run "$root/scripts/blkmigrate" live --state "$dir/state" --from old --yes --to new --dir "$dir/there" --connect qemu:///session web
	at_virsh=''
	[ "$(cat host/new/web.state)" = paused ]
	rm -f log

	[[ $(blkmigrate status --connect qemu:///session) == *'being moved live'* ]]
	[ "$(blkmigrate status --json --connect qemu:///session | jq -r '.migrations[0].stage')" = moving ]
	run -5 --separate-stderr blkmigrate rollback --json --connect qemu:///session web
	echo "$stderr"
	[ "$(jq -r '.result + " " + .stage' <<<"$output")" = 'needs-person moving' ]
	[[ $stderr == *'the memory of web is on new only'* ]]
	run -3 --separate-stderr migrate run --connect qemu:///session
	[[ $stderr == *'is being moved by blkmigrate live'* ]]
	run -0 --separate-stderr live
	echo "$stderr"

	is_on_new running
}

@test "killed before it left, it is begun anew, and the first attempt is gone" {
	at_virsh='migrate *' then_virsh='kill -KILL "$(cat "$FAKE/driver")"; exit 1'
	run -137 bash -c 'echo $$ >driver; exec "$@"' run "$root/scripts/blkmigrate" live --state "$dir/state" --from old --yes --to new --dir "$dir/there" --connect qemu:///session web
	at_virsh=''
	[ "$(cat host/old/web.state)" = running ]

	run -0 --separate-stderr live
	echo "$stderr"

	is_on_new running
	[ "$(ls state/from | wc -l)" = 1 ]
}

@test "all that is in the way is said at once" {
	sed -i 's,</devices>,<controller type="sata"/><hostdev/></devices>,' host/old/web.xml
	at_virsh='version *' then_virsh='echo "Running against daemon: 9.0.0"; [ "$HOST" = old ] && v=9.2.0 || v=8.0.0; echo "Running hypervisor: QEMU $v"; exit'
	refused 'QEMU is older on new (8.0.0) than on old (9.2.0)' --rename other --lanes 2
	[[ $stderr == *'a device of the host passed through'*'--transport, --lanes and --compress'*'by another name'* ]]
}

@test "a machine that is off is moved by run" {
	machine_is 'shut off'
	refused 'blkmigrate run moves it'
}

@test "a machine that does not come to an end in time stays where it is" {
	printf 'Job type:         Unbounded\nOperation:        Outgoing migration\nFile processed:   1.000 MiB\nFile total:       4.000 MiB\n' >job
	at_virsh='migrate *' then_virsh='cp "$FAKE/job" job; while [ -e job ]; do sleep 0.1; done; exit 1'
	run -4 --separate-stderr live --timeout 3 --json
	echo "$stderr"

	[[ $stderr == *'{"name":"web","state":"disks",'*'"disk_bytes":1048576,"disk_total":4194304,'* ]]
	[[ $stderr == *'could not be moved within the time of --timeout'* ]]
	is_on_old
}

# may_handle_faults: QEMU may, as far as this machine's stand-in says.
may_handle_faults() {
	printf '#!/bin/sh\n[ "$*" != /proc/sys/vm/unprivileged_userfaultfd ] || exec echo 1\nexec /bin/cat "$@"\n' >programs/cat
	chmod +x programs/cat
}

@test "a connection that broke in post-copy: the same command fetches the rest of the memory" {
	may_handle_faults
	at_virsh='migrate *' then_virsh='echo paused >web.state; echo "post-copy failed" >web.reason
		cp ../../state/from/*/target.xml ../new/web.xml; echo paused >../new/web.state; exit 1'
	run -5 --separate-stderr live --post-copy
	echo "$stderr"
	[[ $stderr == *'the memory of web is on new only'* ]]
	[ "$(cat host/old/web.state)" = paused ]
	at_virsh='help *' then_virsh='exit 0'
	run -5 --separate-stderr live --post-copy
	echo "$stderr"
	[[ $stderr == *'it can since 8.5.0'* ]]
	at_virsh='migrate *' then_virsh='echo "error: no route" >&2; exit 1'
	run -5 --separate-stderr live --post-copy
	echo "$stderr"
	[[ $stderr == *'no route'*'the same command tries again'* ]]
	run ! grep -E 'virsh (domjobabort|destroy|start|define)' log

	at_virsh=''
	run -0 --separate-stderr live
	echo "$stderr"

	is_on_new running
}

@test "a machine that ran on the new host by post-copy, and ended there, is not started on the old one" {
	may_handle_faults
	at_virsh='migrate *' then_virsh='echo "shut off" >web.state; echo migrated >web.reason; exit 1'
	run -5 --separate-stderr live --post-copy
	echo "$stderr"

	[[ $stderr == *'its last writes are on the disks there'* ]]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	at_virsh=''
	run -5 --separate-stderr live --post-copy
	[ "$(cat host/old/web.state)" = 'shut off' ]
	run -5 blkmigrate rollback --connect qemu:///session web
	[ "$(cat host/old/web.state)" = 'shut off' ]
	[ -e there/old.img ]
}
