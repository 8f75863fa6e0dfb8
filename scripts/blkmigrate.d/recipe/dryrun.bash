# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The part of a dry run about the cutover.

# show_cutover: print what a dry run says about it.
show_cutover() {
	local disk part virsh="virsh -q -c $uri"

	[ "$autostart" = no ] || source_autostart off
	if [ "$keep_memory" = yes ]; then
		show old "$virsh save $uuid $(quote "$(memory_file old)")"
	else
		source_shutdown
	fi
	[ "$persistent" = no ] || source_define fenced
	in_use=false
	hand_over
	for disk in "${disks[@]}"; do
		contains "$disk" "${later[@]}" || show_last "$disk"
	done
	for part in "${parts[@]}"; do
		[ "${part_how[$part]},${part_seen[$part]}" != copy,yes ] || show_part "$part"
	done
	if [ "$keep_memory" = yes ]; then
		place_memory
		made[memory]=yes
		send memory "${source[memory]}" ''
	fi
	show new "$virsh define $(quote "$(state_of new)/domain.xml")"
	if [ "$keep_memory" = yes ]; then
		show new "$virsh restore $(quote "$(memory_file new)") --xml $(quote "$(state_of new)/restored.xml") --paused"
	elif will_run_there; then
		start_there --paused
	fi
	show_tunnel
	show new "date >$(quote "$(state_of new)/commit")"
	! will_run_there || show new "$virsh resume $new_uuid"
	[ "$autostart" = no ] || show new "$virsh autostart $new_uuid"
	show_later
}

will_run_there() {
	is_up "$was_running" || [ "$start" = yes ]
}

# show_live: and of live.
show_live() {
	local virsh="virsh -q -c $uri" disk

	[ "$autostart" = no ] || source_autostart off
	open_way
	migration_words
	quote_words "${words[@]}"
	show old "$quoted"
	[ "$persistent" = no ] || source_define fenced
	show_tunnel
	show new "date >$(quote "$(state_of new)/commit")"
	$stay_paused || show new "$virsh resume $new_uuid"
	[ "$autostart" = no ] || show new "$virsh autostart $new_uuid"
}

# show_last DISK
show_last() {
	local disk=$1 from_bitmap=''

	! is_up "$was_running" || [ "${kind[$disk]}" != qcow2 ] || from_bitmap=$(checkpoint_name 1)
	view_open "$disk" "$from_bitmap"
	sink_open "$disk"
	send_last "$disk" "${view[$disk]:-${source[$disk]}}" "${volume[$disk]:+${volume[$disk]#*/}-blkmigrate-1}" "$from_bitmap"
	sink_close "$disk"
	view_close "$disk"
}
