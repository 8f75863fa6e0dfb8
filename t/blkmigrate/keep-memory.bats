#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --keep-memory between two hosts with a stand-in for libvirt: what is refused, what becomes of the
# image when something fails, and what it is never used for.  t/lab/keep-memory.bats has libvirt.

# shellcheck disable=SC2089,SC2090

load ../helpers
load migrate
load hosts

setup() {
	hosts_begin
}

# refused TEXT ... -- OPTION ...: one plan reports all of these obstacles; nothing is touched.
refused() {
	local texts=()

	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
	run -3 --separate-stderr blkmigrate plan --keep-memory --to new --dir "$dir/there" "${@:2}" web
	echo "$stderr"
	for text in "${texts[@]}"; do
		[[ $stderr == *"$text"* ]]
	done
	[ -z "$(ls there)" ]
}

# image HOST: where it is kept there, if it is.
image() {
	case $1 in
	old) ls state/from/*/memory 2>/dev/null || true ;;
	new) ls state/to/*/memory 2>/dev/null || true ;;
	esac
}

# runs_on_new: restored and not started, with a fence on the old host, and without an image.
runs_on_new() {
	[ "$(cat host/new/web.state)" = "${1:-running}" ]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	grep -q /nonexistent/ host/old/web.xml
	run ! grep -E 'virsh (start|shutdown|destroy) ' log
	[ -z "$(image old)$(image new)" ]
	cmp -n 4M old.img there/old.img
}

# is_as_it_was STATE: on the old host, restored and not started.
is_as_it_was() {
	[ "$(cat host/old/web.state)" = "$1" ]
	grep -q "$dir/old.img" host/old/web.xml
	[ ! -e host/new/web.xml ]
	[ -z "$(image old)$(image new)" ]
	run ! grep -E 'old: virsh (start|shutdown|destroy) ' log
}

@test "a machine is saved, sent, restored paused with the paths of the new host, committed and resumed" {
	at_virsh='restore *' then_virsh='stat -c "mode %a %n" "$FAKE"/state/*/*/memory >>"$FAKE/modes"'

	run -0 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	runs_on_new
	run -0 awk '/old: virsh save / { at = 1 } at == 1 && /old: virsh define/ { at = 2 } at == 2 && /new: virsh restore .*--paused/ { at = 3 }
		at == 3 && /new: virsh resume/ { found = 1 } END { exit !found }' log
	[[ $stderr == *'memory: at most '*', kept: web does not reboot'* ]]
	[[ $stderr == *'memory: both sides are blk128:'* ]]
	[[ $stderr == *'web runs on new; it stood still for '* ]]
	[[ $stderr == *'web: its clock is behind by as long as it stood still'* ]]
	grep -q "$dir/there/old.img" state/to/*/restored.xml
	[ "$(stat -c %a state/to/*/restored.xml)" = 600 ]
	# Nobody else can read the memory.
	[ "$(grep -c '^mode 600 ' modes)" = 2 ]
}

@test "a paused machine is refused without the option, and stays paused with it" {
	machine_is paused
	run -3 --separate-stderr blkmigrate plan --to new --dir "$dir/there" web
	[[ $stderr == *'web is paused'*'--keep-memory, with which it stays paused'* ]]

	run -0 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	runs_on_new paused
	run ! grep 'virsh resume' log
	[[ $stderr == *'web is paused, as it was, on new'* ]]
}

@test "a managed save is one on the new host, and is no way around the fence" {
	export XDG_CONFIG_HOME=$dir/config
	mkdir -p config/libvirt/qemu
	ln -s "$dir/host/old" config/libvirt/qemu/save
	HOST=old programs/virsh managedsave $web
	at_virsh='restore *' then_virsh='ls "$FAKE/host/old" >"$FAKE/seen"'
	run -3 --separate-stderr blkmigrate plan --to new --connect qemu:///session --dir "$dir/there" web
	[[ $stderr == *'web has a managed save'*'--keep-memory, which moves it as well'* ]]

	run -0 --separate-stderr migrate run --keep-memory --connect qemu:///session
	echo "$stderr"

	runs_on_new 'shut off'
	[ -e host/new/web.save ]
	run ! grep save seen
	run ! grep 'virsh resume' log
	[[ $stderr == *'web was saved by libvirt, and is a managed save on new'* ]]
}

@test "a managed save that cannot be restored on the new host is one on the old host again" {
	export XDG_CONFIG_HOME=$dir/config
	mkdir -p config/libvirt/qemu
	ln -s "$dir/host/old" config/libvirt/qemu/save
	HOST=old programs/virsh managedsave $web
	at_virsh='restore *' then_virsh='[ "$HOST" = old ] || exit 1'

	run -4 --separate-stderr migrate run --keep-memory --connect qemu:///session
	echo "$stderr"

	[[ $stderr == *'the memory of web cannot be restored on new'* ]]
	is_as_it_was 'shut off'
	[ -e host/old/web.save ]
}

@test "a machine that is off is moved as one that is off" {
	machine_is 'shut off'

	run -0 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	[[ $stderr == *'note: web is off: there is no memory to keep'* ]]
	[[ $stderr == *'web was off, and is off on new'* ]]
	run ! grep -E 'virsh (save|restore) ' log
}

@test "what does not go together with memory is refused" {
	make_image more.img 1M
	make_image third.img 1M
	for each in more:vdb third:vdc; do
		sed -i "s,</devices>,<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$dir/${each%:*}.img'/><target dev='${each#*:}'/></disk>&," host/old/web.xml
	done

	refused 'knows its UUID' 'by another name' 'does not boot when its memory is kept' \
		'knows the disk vdb' 'knows the disk vdc, which would come later' -- \
		--new-uuid --rename other --first-boot "kernel=/boot/vmlinuz" --skip-disk vdb --later vdc
}

@test "a processor that lacks what the guest has found is refused, and so are devices that QEMU does not save" {
	sed -i "s,<devices>,<cpu mode='custom' match='exact'><model>EPYC-Milan</model><feature name='invtsc' policy='require'/></cpu>&,
		s,</devices>,<shmem name='x'/>&," host/old/web.xml
	at_virsh='hypervisor-cpu-compare *' then_virsh='echo "error: the CPU is incompatible with host CPU: Host CPU does not provide required features: vme" >&2; exit 1'

	refused 'the CPU of new lacks what web has found when it started: error: the CPU is incompatible with host CPU: Host CPU does not provide required features: vme' \
		'a CPU that QEMU does not save (invtsc' 'web has memory that it shares with others on old' --
}

@test "too little room for the memory is found in the plan, on either host, together with the disks" {
	require_root "mounting"
	mkdir small
	mount -t tmpfs -o size=8M none small
	at_end umount "$dir/small"
	refused "$dir/small on old, where the memory of web is kept meanwhile, has " -- --memory-dir "$dir/small"
	[[ $stderr == *"$dir/small on new, where the memory"* ]]
	mount -o remount,size=16M small
	run -0 --separate-stderr blkmigrate plan --keep-memory --to new --dir "$dir/small" --memory-dir "$dir/small" web
	mount -o remount,size=12M small

	run -3 --separate-stderr blkmigrate plan --keep-memory --to new --dir "$dir/small" --memory-dir "$dir/small" web

	echo "$stderr"
	[[ $stderr == *"$dir/small on new, where the memory"* ]]
	[[ $stderr != *"$dir/small on old"* ]]
}

@test "what cannot be saved runs on as it was" {
	at_virsh='save *' then_virsh='exit 1'

	run -4 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	[[ $stderr == *'the memory of web cannot be saved in '*'/memory on old'* ]]
	is_as_it_was running
	run ! grep -E 'old: virsh restore' log
}

@test "a restore that fails there is taken back by a restore here; then the same command moves it" {
	at_virsh='restore *' then_virsh='[ "$HOST" = old ] || { echo "error: the CPU is incompatible with host CPU" >&2; exit 1; }'

	run -4 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	[[ $stderr == *'the CPU is incompatible'*'the memory of web cannot be restored on new'* ]]
	is_as_it_was running
	grep 'old: virsh restore .*/memory --paused' log
	then_virsh=''
	migrate run
	runs_on_new
}

@test "a paused machine that is taken back is paused" {
	machine_is paused
	at_virsh='restore *' then_virsh='[ "$HOST" = old ] || exit 1'

	run -4 --separate-stderr migrate run --keep-memory

	is_as_it_was paused
	run ! grep 'virsh resume' log
}

@test "where neither host restores it, it stays off with its memory, status says so, and rollback tries again" {
	at_virsh='restore *' then_virsh='exit 1'

	run -5 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	[[ $stderr == *'cannot be restored on old; it is kept in '*'/memory, and the disks are as it knows them'* ]]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	[ -n "$(image old)" ]
	run -0 blkmigrate status web
	echo "$output"
	[[ $output == *'old: shut off, its memory saved in '*'/memory'* ]]
	then_virsh=''
	rm -f log
	run -0 blkmigrate rollback web
	is_as_it_was running
}

# saved_and_killed: by a driver that got no further; the image is whole.
saved_and_killed() {
	at_sync='line=$(tail -n 1 "$FAKE"/state/from/*/journal 2>/dev/null)
		case $line in *" done down .") rm -f "$FAKE/state/from/"*/reserve; kill -KILL "$(cat "$FAKE/driver")"; exit 1 ;; esac'
	export at_sync
	run -137 bash -c 'echo $$ >driver; exec "$@"' run "$root/scripts/blkmigrate" run --state "$dir/state" --from old --yes --to new --dir "$dir/there" --keep-memory web
	at_sync=''
	[ -n "$(image old)" ]
}

@test "memory is not restored on disks that the machine has written to since: taken back, it boots" {
	saved_and_killed
	# Somebody starts it, and shuts it down.
	HOST=old programs/virsh start $web
	HOST=old programs/virsh shutdown $web

	run -4 --separate-stderr migrate run
	echo "$stderr"

	[[ $stderr == *'web has run on old since its memory was saved (shutdown)'* ]]
	[[ $stderr == *'the memory of web cannot be brought back: it has run since'* ]]
	[ "$(cat host/old/web.state)" = running ]
	run ! grep 'virsh restore' log
	grep 'old: virsh start' log
	[ -z "$(image old)" ]
}

@test "where it is not known whether it ran since, it is neither restored nor booted" {
	saved_and_killed
	rm host/old/web.reason

	run -5 --separate-stderr blkmigrate rollback web
	echo "$stderr"

	[[ $stderr == *'does not tell whether web has run there since its memory was saved; it stays off. If it has not, virsh restore '* ]]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	[ -n "$(image old)" ]
}

@test "a migration that was planned without it is planned again with it" {
	migrate prepare
	run -3 --separate-stderr migrate run --keep-memory
	[[ $stderr == *'was planned without --keep-memory'*'prepare web --keep-memory'* ]]

	migrate prepare --keep-memory
	at_virsh='domtime --sync *' then_virsh='exit 0'
	run -0 --separate-stderr migrate run

	runs_on_new
	[[ $stderr == *'web: its clock is set by its agent'* ]]
}

@test "a dry run shows how the memory gets there" {
	run -0 --separate-stderr migrate run --keep-memory --dry-run
	echo "$output"

	[[ $output == *'virsh -q -c qemu:///system save '*'blkread '*'/memory | blkzip'*'blkwrite '*'/memory'*' restore '*'/restored.xml --paused'* ]]
	[ ! -e host/new/web.xml ]
}

@test "paused there, committed and lost: the same command restores it there" {
	machine_is paused
	# The host loses its power when the commit is there.
	export at_sync='if [ -e "$(echo "$FAKE"/state/to/*/commit)" ] && [ ! -e "$FAKE/lost" ]; then
			touch "$FAKE/lost"
			echo "shut off" >"$FAKE/host/new/web.state"
		fi'

	run -0 --separate-stderr migrate run --keep-memory
	echo "$stderr"

	[ -e lost ]
	runs_on_new paused
	[ "$(grep -c 'new: virsh restore' log)" = 2 ]
	[[ $stderr == *'web is paused, as it was, on new'* ]]
}
