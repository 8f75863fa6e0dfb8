#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What blkmigrate plans, checks and makes, where that needs no libvirt: both hosts are this one.

load helpers

# inside CODE: blkmigrate does that instead of what its command line says.
inside() {
	[ -e blkmigrate.d ] || ln -s "$root/scripts/blkmigrate.d" .
	touch lock.work
	echo mine >lock.token
	{
		sed '$d' "$root/scripts/blkmigrate"
		echo 'command=plan vm=web uuid=1-2-3 was_running=running id=0123456789ab
			make_private
			lock=([old]=$PWD/lock [new]=$PWD/lock) token=mine folder=([old]=$PWD/state [new]=$PWD/state)'
		echo "$1"
	} >driver
	bash driver
}

# --- estimates --------------------------------------------------------------------

@test "estimates: holes are not sent, and times are by --bwlimit or what was measured" {
	truncate -s 8M old.img
	make_noise head 1M
	dd if=head of=old.img conv=notrunc status=none

	run -0 inside 'yes=true command=run
		disks=(vda vdb)
		source=([vda]=$PWD/old.img [vdb]=$PWD/old.img) kind=([vda]=file [vdb]=qcow2) size=([vda]=8388608 [vdb]=8388608)
		estimate
		sum_of_all
		downtime_expected
		rate=512K read_rate=524288
		estimate
		read_rate=524288
		rest_of vda
		rest_of vdb
		sum_of_all
		downtime_expected'

	[ "$output" = 'at most 2.0MiB to send
down for as long as that takes
1.0MiB are read on both sides, about 3 s
the last changes are sent, in seconds
at most 2.0MiB to send, about 5 s at 512KiB/s as --bwlimit says
down for about 3 s, and while it shuts down and starts' ]
}

@test "estimates: both rates are measured, in two seconds" {
	make_noise old.img 4M

	run -0 inside 'disks=(vda) source[vda]=$PWD/old.img kind[vda]=file size[vda]=4194304
		began=$SECONDS
		estimate
		echo "$line_rate $read_rate $((SECONDS - began))"'

	[[ $output =~ ^([0-9]+)\ ([0-9]*)\ ([0-9]+)$ ]]
	[ "${BASH_REMATCH[1]}" -gt 1000000 ]
	[ "${BASH_REMATCH[3]}" -le 5 ]
}

@test "times are said in seconds, minutes or hours" {
	[ "$(inside 'duration 99; duration 100; duration 5999; duration 9000' | xargs)" = '99 s 2 min 100 min 2 h 30 min' ]
}
