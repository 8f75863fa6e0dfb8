# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --keep-memory: the steps of a cutover in which the machine is saved, and not shut down.
#
# The image on the old host stays until the machine runs on the new one; a rollback restores it there.

# --- before -----------------------------------------------------------------------

# check_keep_memory: in the preflight: what a machine whose memory moves cannot do without.
check_keep_memory() {
	local state

	[ "$keep_memory" = yes ] || return 0
	if is_xen; then
		problem "$vm runs under Xen, and its memory cannot be restored by QEMU" "leave out --keep-memory"
		return
	fi
	state=$(source_state) || exit
	if is_off "$state"; then
		if [ "$persistent" = no ] || ! has_managed_save old; then
			remark "$vm is off: there is no memory to keep"
			return
		fi
		check_managed_disks
		state=managed
	fi
	check_awake "$state"
	check_as_memory_knows_it
	check_memory_room
}

# check_as_memory_knows_it: what is asked for that a machine which goes on would miss.
check_as_memory_knows_it() {
	local out='leave out --keep-memory'

	[ "$live" != yes ] || out='blkmigrate run boots it there'
	[ ${#skipped[@]} = 0 ] || problem "the memory of $vm knows the disk ${skipped[*]}" "leave out --skip-disk; or $out"
	[ ${#later[@]} = 0 ] || problem "the memory of $vm knows the disk ${later[*]}, which would come later" "leave out --later; or $out"
	[ ${#swaps[@]} = 0 ] || problem "a part of the memory of $vm may be in the swap space on ${swaps[*]}" "leave out --recreate-swap; or $out"
	[ -z "$first_boot" ] || problem "$vm does not boot when its memory is kept" "leave out --first-boot; or $out"
	[ "$new_uuid" = "$uuid" ] || problem "$vm knows its UUID, and its memory cannot be restored with another" "leave out --new-uuid; or $out"
	[ "$new_name" = "$vm" ] || problem "libvirt does not restore the memory of $vm by another name" "leave out --rename, and virsh domrename when it is off; or $out"
}

# check_managed_disks: those with which it was saved, and which it opens when it is restored.
check_managed_disks() {
	xml_document old "$private/saved.xml" vm_on old managedsave-dumpxml "$uuid" ||
		die "libvirt on $(name_of old) does not tell the managed save of $vm"
	[ "$(disk_paths "$private/saved.xml")" = "$(disk_paths "$private/source.xml")" ] ||
		problem "$vm was saved with other disks than its definition has now" "start it, or define it as it was (virsh managedsave-dumpxml)"
}

# memory_bytes: $answer is the most that the image can have: the memory and that of the screens, and
# what devices keep.
memory_bytes() {
	local memory video

	memory=$(xml_value /domain/memory "$private/source.xml")
	video=$(xml_value 'sum(/domain/devices/video/model/@vram | /domain/devices/video/model/@ram | /domain/devices/video/model/@vgamem)' "$private/source.xml")
	[[ $memory =~ ^($a_number)$ ]] || memory=0
	[[ $video =~ ^($a_number)$ ]] || video=65536
	answer=$(((memory + video + 8192) * 1024))
}

# check_memory_room: on both hosts, beside the disks that are still to be made in that file system.
check_memory_room() {
	local host wanted more place disk

	memory_bytes
	wanted=$answer
	for host in old new; do
		place=$(dirname -- "$(memory_file "$host")")
		more=0
		if [ "$host" = new ]; then
			for disk in "${placed[@]}"; do
				[ "${at_target[$disk]:-},${target_kind[$disk]}" != absent,lvm ] || continue
				[ "${at_target[$disk]:-}" = absent ] && in_one_place "$place" "$(dirname -- "${target[$disk]}")" || continue
				more=$((more + size[$disk]))
			done
		fi
		ask "$host" "$a_number" bash -c 'set -o pipefail
			folder=$1
			[ -z "$2" ] || [ -d "$folder" ] || { echo 0; exit; }
			until [ -e "$folder" ]; do
				folder=$(dirname -- "$folder")
			done
			df --output=avail -B1 -- "$folder" | tail -n 1' df "$place" "$memory_dir" ||
			die "$(name_of "$host") cannot be asked for the room in $place"
		[ "$answer" -ge $((wanted + more)) ] ||
			problem "$place on $(name_of "$host"), where the memory of $vm is kept meanwhile, has $answer bytes free, $((wanted + more)) are needed" "make room, or --memory-dir ANOTHER, which is there on both hosts"
	done
}

# in_one_place FOLDER FOLDER: of the new host, in one file system.
in_one_place() {
	asks_yes new bash -c '
		device_of() {
			until [ -e "$folder" ]; do
				folder=$(dirname -- "$folder")
			done
			stat -L -c %d -- "$folder" || exit 2
		}
		folder=$1 && one=$(device_of) && folder=$2 && other=$(device_of) || exit 2
		[ "$one" = "$other" ]' in-one-place "$1" "$2"
}

show_memory() {
	[ "$keep_memory" = yes ] || return 0
	memory_bytes
	say "  memory: at most $(human "$answer"), kept: $vm does not reboot"
	say "    saved to $(memory_file old), becomes $(memory_file new), until it runs there"
}

# downtime_with_memory SECONDS: those for the disks, if any.
downtime_with_memory() {
	local seconds=$1

	memory_bytes
	if [ -n "$line_rate" ]; then
		seconds=$((seconds + answer / line_rate + 1))
		echo "it stands still for at most about $(duration "$seconds"), while the last changes and its memory are sent"
	elif [ "$seconds" -gt 0 ]; then
		echo "it stands still for about $(duration "$seconds"), and while its memory is sent"
	else
		echo "it stands still while the last changes and its memory are sent"
	fi
}

# --- the cutover --------------------------------------------------------------------

# remember_state STATE: before anything is done to the machine: a run that resumes finds it off.
remember_state() {
	if is_off "$1"; then
		[ "$keep_memory,$persistent" = yes,yes ] && has_managed_save old || return 0
		journal 'done' managed
		return
	fi
	[ "$1" != paused ] || journal 'done' paused
	journal 'done' ran
}

# settle_save [abort]: an earlier run may have ended while libvirt was saving.
settle_save() {
	local state

	[ "$keep_memory" = yes ] && [ -n "${begun[down]:-}" ] && [ -z "${finished[down]:-}" ] || return 0
	while :; do
		state=$(source_state) || exit
		[[ $state == @(running|paused) ]] && vm_ask -q old "$any_text" domjobinfo "$uuid" &&
			[[ $answer =~ Operation:\ +Save ]] || return 0
		[ "${1:-}" != abort ] || vm_act old domjobabort "$uuid" >/dev/null 2>&1 || true
		nap 0.25
	done
}

# save_memory: afterwards the machine is off, and its image whole and on the medium.
save_memory() {
	local state

	state=$(source_state) || exit
	backup_end
	down_since=${EPOCHREALTIME/./}
	if [ -n "${finished[managed]:-}" ]; then
		is_off "$state" && has_managed_save old || die "$vm has no managed save on $(name_of old) any more: somebody has started it"
		take_managed_save
		return
	fi
	case $state in
	running | paused)
		say "$vm: saving its memory"
		perform old "virsh -q -c $uri save $uuid $(memory_file old)" '
			umask 077
			rm -f -- "$3" && virsh -q -c "$1" save "$2" "$3" >/dev/null' "$uri" "$uuid" "$(memory_file old)" ||
			die "the memory of $vm cannot be saved in $(memory_file old) on $(name_of old)"
		;;
	*) is_off "$state" || die "$vm is $state on $(name_of old)" ;;
	esac
	state=$(source_state) || exit
	is_off "$state" || die "$vm is $state on $(name_of old), although it was saved"
	guarded old sync -- "$(memory_file old)" "$(dirname -- "$(memory_file old)")" ||
		die "$(name_of old): $(memory_file old) cannot be flushed"
	check_memory_current
}

# send_memory: the image, and the XML with which it is restored.
send_memory() {
	local path

	place_memory
	path=${source[memory]}
	ask old "$a_number" stat -L -c %s -- "$path" || die "$(name_of old): $path cannot be looked at"
	size[memory]=$answer
	look_at_target memory
	[ "$there" = absent ] || [ "${there##* }" = "${size[memory]}" ] || remove_target memory
	make_target memory
	in_use=false
	send memory "$path" '' || die "the memory of $vm cannot be sent"
	compare memory "$path" || die "the memory of $vm on $(name_of new) is not what it is on $(name_of old)"
	write_restored
	put new "$(state_of new)/restored.xml" <"$private/restored.xml"
}

# write_restored: what QEMU had, with the paths of the new host.
write_restored() {
	xml_document old "$private/saved.xml" vm_on old save-image-dumpxml --security-info "$(memory_file old)" ||
		die "libvirt on $(name_of old) does not describe $(memory_file old)"
	write_places
	rewrite "$private/saved.xml" "$private/restored.xml" keep <"$private/places"
}

# restore_there: paused; what was a managed save becomes one there, which proves that it fits.
restore_there() {
	local state mode=''

	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer"
	if [ -n "${finished[managed]:-}" ]; then
		saved_as
		mode=$answer
		[ "$state" != 'shut off' ] || ! has_managed_save new || return 0
	fi
	case $state in
	# It waits until a restore of an earlier run is over.
	paused) vm_act new suspend "$new_uuid" >/dev/null || die "$vm on $(name_of new) is busy" ;;
	'shut off') restore_image ;;
	*) die "$vm is $state on $(name_of new)" ;;
	esac
	state=$(domain_state new) && [ "$state" = paused ] || die "$vm is ${state:-unknown} on $(name_of new), and not paused"
	[ -n "$mode" ] || return 0
	vm_keep new managedsave "$new_uuid" "$mode" && has_managed_save new ||
		die "$vm cannot be saved by libvirt on $(name_of new)"
}

restore_image() {
	still_ours
	vm_act new restore "$(memory_file new)" --xml "$(state_of new)/restored.xml" --paused >/dev/null ||
		die "the memory of $vm cannot be restored on $(name_of new)"
}

# --- after the commit ----------------------------------------------------------------

# restored_runs STATE: let it run, or leave it paused if it was.
restored_runs() {
	if [ "$1" != paused ]; then
		lost_there
		return
	fi
	# From here on the image does not belong to the disks any more.
	forget_memory new || return 0
	[ -n "${finished[paused]:-}" ] || vm_act new resume "$new_uuid" >/dev/null || true
}

# lost_there: it was committed, and is off: the host has lost its power, say.  What was paused is not
# started where its memory is gone.
gone_there=false
lost_there() {
	still_ours
	look_at_memory new
	[ "$answer" = whole ] || answer=''
	[ -z "$answer" ] || how_it_ended new
	case $answer in
	'' | shutdown | saved)
		if [ -n "${finished[paused]:-}" ]; then
			warn "$vm is off on $(name_of new), where somebody has resumed it, or its memory was lost"
			gone_there=true
			return
		fi
		warn "$vm went off on $(name_of new) after it was resumed there; it is started, and boots"
		start_there >/dev/null || true
		;;
	destroyed)
		die "somebody has destroyed $vm on $(name_of new), and it is not known whether it had run. If not, virsh restore $(quote "$(memory_file new)") there goes on; if it had, remove that file and virsh start it; then: blkmigrate finish $(quote "$vm")"
		;;
	*) restore_image || true ;;
	esac
}

# is_as_it_was STATE: where it is on the new host is how it was here.
is_as_it_was() {
	[ "$1" = running ] && return
	[ -n "${finished[paused]:-}" ] || return
	[ "$1" = paused ] || $gone_there
}

# say_how_it_is: where it does not run.
say_how_it_is() {
	if [ -n "${finished[managed]:-}" ]; then
		say "$vm was saved by libvirt, and is a managed save on $(name_of new): virsh start goes on there"
	elif ! will_run; then
		say "$vm was off, and is off on $(name_of new)"
	fi
}

# set_clock: the guest's, which stood still; its agent sets it.
set_clock() {
	keeps_memory && [ -n "${finished[ran]:-}" ] && [ -z "${finished[paused]:-}" ] || return 0
	if guarded new timeout 15 virsh -q -c "$uri" domtime --sync "$new_uuid" 2>/dev/null; then
		say "$vm: its clock is set by its agent"
	else
		say "$vm: its clock is behind by as long as it stood still, because no guest agent answers: set it there (chronyc makestep, or ntpd)"
	fi
}

# --- taken back ---------------------------------------------------------------------

# bring_memory_back: the machine on the old host is as it was before it was saved.
bring_memory_back() {
	local state

	settle_save abort
	state=$(state_at_rest) || die "libvirt on $(name_of old) does not answer; $vm is not started"
	case $state in
	running) ;;
	paused) let_run_here ;;
	*)
		if [ -z "${finished[managed]:-}" ] || ! has_managed_save old; then
			restore_here "$state"
		fi
		;;
	esac
	forget_memory old ||
		warn "$(name_of old): $(memory_file old) cannot be removed; $vm has run since, so it must not be restored"
}

# restore_here STATE
restore_here() {
	look_at_memory old
	if [ "$answer" != whole ]; then
		boot_here "its memory was not saved" "$1"
		return
	fi
	memory_is_current
	case $current in
	yes) ;;
	no)
		boot_here "it has run since its memory was saved" "$1"
		return
		;;
	*) die "$(name_of old) does not tell whether $vm has run there since its memory was saved; it stays off. If it has not, virsh restore $(quote "$(memory_file old)") there goes on with its memory; if it has, remove that file; then: blkmigrate rollback $(quote "$vm")" ;;
	esac
	vm_act old restore "$(memory_file old)" --paused >/dev/null ||
		die "the memory of $vm cannot be restored on $(name_of old); it is kept in $(memory_file old), and the disks are as it knows them. When the reason above is mended: blkmigrate rollback $(quote "$vm")"
	let_run_here
}

# boot_here WHY STATE: only what ran.
boot_here() {
	warn "the memory of $vm cannot be brought back: $1"
	[ -n "${finished[ran]:-}" ] && [ -z "${finished[paused]:-}" ] || return 0
	source_start "$2" || die "$vm cannot be started on $(name_of old)"
}

# let_run_here: what is paused there, unless it was; and make a managed save of what was one.
let_run_here() {
	local try

	if [ -n "${finished[managed]:-}" ]; then
		saved_as
		vm_keep old managedsave "$uuid" "$answer" || die "$vm cannot be saved by libvirt on $(name_of old) again; it is paused there"
		return
	fi
	[ -z "${finished[paused]:-}" ] || return 0
	# It waits until a restore of an earlier run is over.
	vm_act old suspend "$uuid" >/dev/null || die "$vm on $(name_of old) is busy, and paused; blkmigrate rollback $(quote "$vm") tries again"
	forget_memory old || die "$(name_of old): $(memory_file old) cannot be removed, so $vm stays paused: virsh resume it there"
	for try in 1 2 3; do
		! vm_act old resume "$uuid" >/dev/null || return 0
		sleep "$try"
	done
	die "$vm cannot be resumed on $(name_of old); it is paused there, with its memory"
}
