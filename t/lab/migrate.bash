# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Helpers for tests of blkmigrate on the lab's two hosts: `load migrate` after libvirt.

also_needed+=(xsltproc xmllint)

# migrate ARGUMENT ...: run blkmigrate on old; /tmp/driver there names its process.
migrate() {
	on old "echo \$\$ >/tmp/driver; exec blkmigrate $(printf '%q ' "$@")"
}

# make_running NAME [KIND]: make a machine on old, and let it count a little.
make_running() {
	make_vm old "$@"
	on old "virsh -q start -- $(printf %q "$1")"
	wait_for 60 is_counting old "$1" 10
}

# moved NAME DISK [DISK-THERE]: it runs on new only, where it started from the exact count with
# which it stopped, and continues to count; a start on old fails and says where the machine is
# now.
moved() {
	local stopped

	is_state old "$1" 'shut off'
	is_state new "$1" running
	count old "$2"
	stopped=$count
	[ "$stopped" -ge 10 ]
	wait_for 60 is_counting new "$1" 10
	shut_down new "$1"
	count new "${3:-$2}"
	echo "it stopped at $stopped, was started from $started, and is at $count"
	[ "$started" = "$stopped" ]
	[ "$count" -ge $((stopped + 10)) ]
	run on old "virsh start -- $(printf %q "$1")"
	[ "$status" = 1 ]
	[[ $output == *"/nonexistent/blkmigrate-"*"/moved-to-new/vd"* ]]
	[[ $(on old "virsh dominfo -- $(printf %q "$1")") =~ Autostart:\ +disable ]]
}

# went_on NAME DISK [DISK-THERE]: like moved, but it has not booted: it started once, on old, from 0,
# and no image of its memory is left.
went_on() {
	local stopped

	is_state old "$1" 'shut off'
	is_state new "$1" running
	count old "$2"
	stopped=$count
	[ "$stopped" -ge 10 ]
	wait_for 60 counts_to new "${3:-$2}" $((stopped + 10))
	shut_down new "$1"
	count new "${3:-$2}"
	echo "it stopped at $stopped, was started from $started, and is at $count"
	[ "$started" = 0 ]
	[ "$count" -ge $((stopped + 10)) ]
	no_memory_left
	run on old "virsh start -- $(printf %q "$1")"
	[ "$status" = 1 ]
	[[ $output == *"/nonexistent/blkmigrate-"*"/moved-to-new/vd"* ]]
	[[ $(on old "virsh dominfo -- $(printf %q "$1")") =~ Autostart:\ +disable ]]
}

no_memory_left() {
	[ -z "$(on old 'find /var/lib/blkmigrate /var/lib/libvirt/qemu/save -name "*memory*" -o -name "*.save"')" ]
	[ -z "$(on new 'find /var/lib/blkmigrate /var/lib/libvirt/qemu/save -name "*memory*" -o -name "*.save"')" ]
}

# stays_awake NAME DISK: like stays, and it has not booted since it was made.
stays_awake() {
	stays "$@"
	on old "virsh -q suspend -- $(printf %q "$1")"
	count old "$2"
	on old "virsh -q resume -- $(printf %q "$1")"
	echo "it was started from $started, and is at $count"
	[ "$started" = 0 ]
	no_memory_left
}

# stays NAME DISK: it runs on old, continues to count, and has no fence; new has nothing of it.
stays() {
	is_state old "$1" running
	[ -z "$(state new "$1")" ]
	on old "virsh dumpxml --inactive -- $(printf %q "$1")" >now.xml
	run ! grep nonexistent now.xml
	count old "$2"
	wait_for 60 counts_to old "$2" $((count + 10))
}

# fails_and_is_taken_back PATTERN: the machine web was down and runs on old again; once the cause
# is fixed, the same command succeeds.
fails_and_is_taken_back() {
	run -4 --separate-stderr migrate run web --to new --yes
	echo "$stderr"
	[[ $stderr == *$1* ]]
	[[ $stderr == *'web is on this host as it was; nothing runs on new'* ]]
	stays web "$disk"
	rm "$lab"/*/shims/*
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

# make_transient NAME KIND: make a machine that runs on old, is defined nowhere, and would be
# started again when it shuts down.
make_transient() {
	make_vm old "$@"
	sed -i 's,<on_poweroff>destroy,<on_poweroff>restart,' "$xml"
	on old 'cat >/tmp/create.xml && virsh -q undefine web && virsh -q create /tmp/create.xml' <"$xml"
	wait_for 60 is_counting old web 10
}

# freeze_for_long: the ten seconds of a freeze are five minutes, which are enough in a guest and on a
# busy machine.
freeze_for_long() {
	# shellcheck disable=SC2016
	shim old timeout 'case $1:" $* " in
		10:*" domfs"*) exec "$tool" 300 "${@:2}" ;;
		esac'
	# shellcheck disable=SC2016
	shim old sleep '[ "$*" != 10 ] || exec "$tool" 300'
}

# Where disks are on either host.
images=/var/lib/libvirt/images

# make_rich: the machine web boots from vda, has swap in vdb, data in vdc, and a disc in sda.
make_rich() {
	make_disk "$lab/old/images/web.img"
	truncate -s 2M "$lab/old/images/swap.img"
	on old "mkswap -L 'web swap' $images/swap.img"
	make_image "$lab/old/images/data.img" 2M 3
	make_image "$lab/old/images/disc.iso" 1M 4
	define old web "raw:$images/web.img" "raw:$images/swap.img" "raw:$images/data.img"
	on old "virsh dumpxml --inactive web >/tmp/w.xml
		sed -i \"s,</devices>,<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='$images/disc.iso'/><target dev='sda' bus='sata'/><readonly/></disk></devices>,\" /tmp/w.xml
		virsh -q define /tmp/w.xml"
	disk=$images/web.img
}

# images_of HOST: print the files in its folder of images, as one line.
images_of() {
	ls -A "$lab/$1/images" | paste -s -d ' '
}

# --- never on both ------------------------------------------------------------------

# watch_machines: from now on, record on both hosts which machines start, stop, pause and resume.
watch_machines() {
	local host

	for host in old new; do
		: >"$host.events"
		background on "$host" 'exec virsh event --event lifecycle --loop --timestamp' >"$host.events"
		eval "watch_$host=$pid"
	done
	for host in old new; do
		wait_for 20 on "$host" 'pgrep -x virsh'
	done
}

# never_both: since watch_machines no machine has run on both at any time.
never_both() {
	stop "$watch_old"
	stop "$watch_new"
	python3 - old.events new.events <<'EOP'
import re, sys
from datetime import datetime

def intervals(name):
    since, found = {}, []
    for line in open(name):
        event = re.match(r"(.*)\+0000: event 'lifecycle' for domain '(.*)': (\w+) ?(\w*)", line)
        if not event:
            continue
        at, domain, what = datetime.fromisoformat(event[1]), event[2], event[3]
        # One whose memory comes in is paused until it is resumed.
        if what == "Started" and event[4] == "Migrated":
            continue
        if what in ("Started", "Resumed"):
            since.setdefault(domain, at)
        elif what in ("Suspended", "Stopped", "Shutdown", "Crashed") and domain in since:
            found.append((domain, since.pop(domain), at))
    return found + [(domain, at, datetime.max) for domain, at in since.items()]

old, new = (intervals(name) for name in sys.argv[1:])
# A machine that is started paused begins and stops at the same millisecond.
both = [(a, b) for a in old for b in new
        if a[0] == b[0] and a[1] < a[2] and b[1] < b[2] and max(a[1], b[1]) < min(a[2], b[2])]
for a, b in both:
    print(f"{a[0]} ran on old from {a[1]} to {a[2]}, on new from {b[1]} to {b[2]}")
sys.exit(bool(both) or not old)
EOP
}

# --- losses of power ------------------------------------------------------------------

# lossy_media [SYSTEM]: what libvirt keeps on both hosts lies on a file system that flushes nothing by
# itself.  Each time a step of the migration is to be recorded, before the journal has it, what is on
# these media is kept.
lossy_media() {
	local host

	at_end rm -rf "$lab/old/media"
	mkdir "$lab/old/media"
	for host in old new; do
		truncate -s 128M "$lab/old/media/$host"
		"mkfs.${1:-ext4}" -q "$lab/old/media/$host"
		attach "$lab/old/media/$host"
		on "$host" "mkdir -p /etc/libvirt/qemu && mount -o commit=300 $device /etc/libvirt/qemu && mkdir /etc/libvirt/qemu/autostart"
		at_end on "$host" 'umount /etc/libvirt/qemu'
	done
	# shellcheck disable=SC2016
	shim old sync 'if [[ ${*: -1} == */journal && $(tail -n 1 -- "${*: -1}") =~ " done "([^ ]+) ]]; then
			cd '"$lab/old/media"'
			for host in old new; do
				cp --sparse=always $host $host-${BASH_REMATCH[1]}
			done
		fi'
}

# after_loss HOST STEP COMMAND ...: run it in what libvirt keeps on that host, if that lost its power
# when the step was done.
after_loss() {
	local status=0

	mkdir -p left
	attach "$lab/old/media/$1-$2"
	mount "$device" left
	(cd left && "${@:3}") || status=$?
	umount left
	return $status
}

# survives_losses: the machine web was moved with lossy_media: after a loss at any step the next one
# finds what it relies on.
survives_losses() {
	after_loss old prepared test -L autostart/web.xml
	after_loss old quiet test ! -e autostart/web.xml
	after_loss old fenced grep -q /nonexistent/ web.xml
	after_loss new defined grep -q "$disk" web.xml
	after_loss new finished test -L autostart/web.xml
	rm "$lab"/old/shims/sync
}

# --- killed ---------------------------------------------------------------------------

# kill_driver_at WHEN WORDS: kill the driver once, when a line of its journal with these words is
# written (after), before it gets there (before), or with only half of it (torn).
kill_driver_at() {
	on old 'rm -f /tmp/killed'
	# shellcheck disable=SC2016
	shim old sync 'journal=${*: -1}
		if [[ $journal == */journal && ! -e /tmp/killed && $(tail -n 1 "$journal") == *" '"$2"' ."* ]]; then
			touch /tmp/killed
			case '"$1"' in
			before) sed -i "\$ d" "$journal" ;;
			torn) truncate -s -9 "$journal" ;;
			esac
			"$tool" "$journal"
			kill -KILL "$(cat /tmp/driver)"
			exit 1
		fi'
}

# What the migrations below are told besides, and by which command they are made.
run_options=()
moving=run

# killed WHEN WORDS: make a running machine, and kill a migration of it there; $stage is what
# status says then.
killed() {
	watch_machines
	make_running web raw
	on old 'virsh -q autostart web'
	kill_driver_at "$@"
	run -137 migrate "$moving" web --to new --yes "${run_options[@]}"
	stage=$(migrate status web | sed -n 's/^web: //p')
	[ -n "$stage" ]
}

# goes_on: the same command finishes the migration.
goes_on() {
	run migrate "$moving" web --to new --yes "${run_options[@]}"
	echo "$output"
	[ "$status" = 0 ]
	moved web "$disk"
	[[ $(on new 'virsh dominfo web') =~ Autostart:\ +enable ]]
	never_both
}

# goes_back: after a rollback it is on old as it was, and nothing is left on new.
goes_back() {
	run migrate rollback web
	echo "$output"
	[ "$status" = 0 ]
	stays web "$disk"
	[[ $(on old 'virsh dominfo web') =~ Autostart:\ +enable ]]
	on old 'echo web | blkmigrate purge web'
	[ -z "$(ls -A "$lab/new/images")" ]
	never_both
}

# goes_nowhere_but_on: after the commit it cannot be rolled back.
goes_nowhere_but_on() {
	run -3 migrate rollback web
	echo "$output"
	[[ $output == *'web was committed to new'* ]]
	is_state old web 'shut off'
	goes_on
}
