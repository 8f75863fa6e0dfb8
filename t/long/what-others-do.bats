#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What others do to a machine while blkmigrate moves it, each act at each moment.  In every cell of
# this matrix the machine runs in exactly one place, or in none with a line that says why; no count is
# lost; the status is 0 only if it was moved.  Each cell is printed as a line of a table: act, moment,
# status, where the machine runs, "ok", "cannot" with the reason where the act cannot happen then, or what
# is wrong, and what blkmigrate said.  All cells are tried, also after one that is wrong.  AT in the
# environment, a pattern, takes some of the moments.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

# The moments, and the line of the journal that has just been written then.
moments='prepared:none bulk:begin_bulk passes:done_bulk off:done_down define:begin_defined commit:done_started'

# stop_at WORDS: when the driver has written that line it waits for /tmp/go.
stop_at() {
	# shellcheck disable=SC2016
	shim old sync 'journal=${*: -1}
		if [[ $journal == */journal && ! -e /tmp/reached && $(tail -n 1 "$journal") == *" '"$1"' ."* ]]; then
			"$tool" "$@"
			touch /tmp/reached
			for ((i = 0; i < 1200; i++)); do
				[ ! -e /tmp/go ] || break
				sleep 0.1
			done
			exit 0
		fi'
}

reached_or_ended() {
	on old 'test -e /tmp/reached' || gone "$pid"
}

# top: the file to which the machine on old writes now, in $disk_now.
top() {
	disk_now=$(on old 'virsh -q domblklist web 2>/dev/null || virsh -q domblklist mail' | awk '$1 == "vda" { print $2 }')
	[[ $disk_now != *.snap ]] || { on old "ln -sf $disk_now /tmp/top.qcow2" && disk_now=/tmp/top.qcow2; }
}

# note_count: what the machine has counted to, in $seen, at least; after an act it counts on a little.
note_count() {
	local try

	top
	for try in 1 2 3; do
		count old "$disk_now" 2>/dev/null || { sleep 0.3 && continue; }
		[ "$count" -lt "$seen" ] || seen=$count
		return 0
	done
}

counts_on() {
	[ "$(state old web)" = running ] || return 0
	sleep 2
	note_count
}

# cells ACT: at each moment.
cells() {
	local moment bad=''

	for moment in $moments; do
		[[ ${moment%%:*} =~ ^(${AT:-.*})$ ]] || continue
		wrong='' cannot=''
		cell "$1" "${moment%%:*}" "$(tr _ ' ' <<<"${moment#*:}")"
		bad+=$wrong
	done
	[ -z "$bad" ]
}

# holds WORDS COMMAND [ARGUMENT ...]: else these words are what is wrong with the cell.
holds() {
	"${@:2}" || wrong+="${wrong:+, }$1"
}

# acts ACT: it is done; where it fails, it cannot be done now.
acts() {
	"act_$1" >act.log 2>&1 || cannot=$(tr -s '\n' ' ' <act.log | cut -c 1-60)
	counts_on
}

cell() {
	local act=$1 when=$2 line=$3

	wipe_hosts
	on new 'mountpoint -q /srv/small && umount /srv/small; rm -rf /srv/own.img' || true
	place=() there='' seen=0 said='' status=0
	"before_$act" 2>/dev/null || true
	watch_machines
	make_running web raw
	on old 'virsh -q autostart web'
	migrate prepare web --to new --yes "${place[@]}" >/dev/null 2>&1
	note_count
	if [ "$when" != prepared ]; then
		stop_at "$line"
		background migrate run web --to new --yes >said 2>&1
		wait_for 200 reached_or_ended
		acts "$act"
		on old 'touch /tmp/go'
		wait "$pid" || status=$?
	else
		acts "$act"
		migrate run web --to new --yes >said 2>&1 || status=$?
	fi
	! declare -F "after_$act" >/dev/null || holds 'what comes after it' "after_$act" >/dev/null 2>&1
	is_settled "$act" "$when"
}

# is_settled ACT WHEN: the invariant, and the cell's line of the table.
is_settled() {
	local ours theirs where=none why

	ours=$(state old web)
	[ -n "$ours" ] || ours=$(state old mail)
	theirs=$(state new web)
	[ "$ours" != running ] || where=old
	[ "$theirs" != running ] || { [ "$where" = old ] && where=both || where=new; }
	why=$(grep '^blkmigrate: ' said | grep -v 'rolling back' | head -n 1 | cut -c 1-150)
	[ -n "$why" ] || why=$(grep -v '^blkwrite' said | tail -n 1 | cut -c 1-150)
	cat act.log said
	case $where in
	both) wrong='runs on both' ;;
	new) holds 'counts are lost' went_to_new ;;
	old)
		holds 'status 0, and not moved' [ "$status" != 0 ]
		note_count
		holds 'does not count on' wait_for 60 old_counts_past "$seen"
		;;
	none) holds 'runs nowhere, and nothing says why' says_why ;;
	esac
	# A host without power has told nothing of what it ran.
	[[ $1 == @(reboot|power) ]] || holds 'ran on both' never_both
	echo "# $1 | $2 | $status | $where | ${wrong:-${cannot:+cannot: }${cannot:-ok}} | $why" >&3
}

went_to_new() {
	wait_for 60 is_counting new web 2 && shut_down new web && count new "${there:-$disk}" && [ "$started" -ge "$seen" ]
}

# says_why: somebody has ended it, or it is said what to do.
says_why() {
	grep -qE 'was off, and is off on new|nothing is started|nothing more is done|not started here any more|it is shut off|and web on this host is shut off|nothing has happened to it|was committed to new' said &&
		{ [ "$status" != 0 ] || grep -q 'was off, and is off on new' said; }
}

old_counts_past() {
	local count started

	top
	count old "$disk_now" && [ "$count" -gt "$1" ]
}

# --- on old ----------------------------------------------------------------------------

act_snapshot() {
	on old "virsh snapshot-create-as web backup --disk-only --no-metadata --diskspec vda,file=$images/web.snap"
}

act_pivot() {
	on old "truncate -s 16M $images/copy.img; virsh blockcopy web vda $images/copy.img --format raw --reuse-external --transient-job --wait --pivot"
}

act_resize() {
	on old 'virsh blockresize web vda 20M'
}

act_attach() {
	on old "truncate -s 1M $images/more.img
		virsh attach-disk web $images/more.img vdb --live || virsh attach-disk web $images/more.img vdb --config"
}

act_detach() {
	on old 'virsh detach-interface web bridge --config'
}

act_rename() {
	on old 'virsh domrename web mail'
}

act_edit() {
	on old 'virsh setmaxmem web 65536 --config'
}

act_save() {
	on old 'virsh managedsave web'
}

act_start() {
	on old 'virsh start web'
}

act_destroy() {
	on old 'virsh destroy web'
}

act_undefine() {
	on old 'virsh undefine web'
}

# --- on new ----------------------------------------------------------------------------

# The same UUID, another name and disk.
act_define() {
	sed "s,<name>web,<name>other,; s,$disk,/srv/own.img," "$xml" >other.xml
	on new 'truncate -s 1M /srv/own.img; cat >/tmp/other.xml; virsh define /tmp/other.xml' <other.xml
}

act_startnew() {
	on new 'virsh resume web || virsh start web'
}

before_fill() {
	place=(--dir /srv/small) there=/srv/small/web.img
	on new 'mkdir -p /srv/small && mount -t tmpfs -o size=20M none /srv/small'
}

act_fill() {
	on new 'head -c 30M /dev/urandom >/srv/small/full || true'
}

act_reboot() {
	lose_power new
	start_host new
}

act_power() {
	lose_power new
}

after_power() {
	start_host new
}

# --- beside it -------------------------------------------------------------------------

# The first one keeps it from doing anything.
act_driver() {
	on old 'timeout 60 blkmigrate rollback web || true'
}

act_master() {
	on old 'pkill -KILL -f "ssh: .*mux"'
}

act_odd() {
	# shellcheck disable=SC2016
	shim new virsh 'if [ ! -e /tmp/odd ]; then touch /tmp/odd; printf "a[\$(touch /tmp/pwned)]\n\e[31m"; exit 0; fi'
}

after_odd() {
	[ -z "$(on new 'ls /tmp/pwned 2>/dev/null')" ]
}

@test "an external snapshot" { cells snapshot; }

@test "a blockcopy, and its pivot" { cells pivot; }

@test "another size of the disk" { cells resize; }

@test "a disk is plugged in" { cells attach; }

@test "an interface is taken out of the definition" { cells detach; }

@test "another name" { cells rename; }

@test "another size of memory" { cells edit; }

@test "it is saved" { cells save; }

@test "it is started" { cells start; }

@test "its power is taken" { cells destroy; }

@test "it is undefined" { cells undefine; }

@test "a machine with its UUID is defined on new" { cells define; }

@test "it is started on new" { cells startnew; }

@test "the file system of the copy is full" { cells fill; }

@test "new reboots" { cells reboot; }

@test "new loses its power" { cells power; }

@test "a second driver" { cells driver; }

@test "the connection that commands share is killed" { cells master; }

@test "libvirt on new gives an odd answer" { cells odd; }
