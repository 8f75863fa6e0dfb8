# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live --post-copy: after the switch the machine runs on the new host, and writes to the disks
# there, while a part of its memory is still on the old one.  From then on it cannot go back: what breaks
# is mended by fetching the rest.

# mark_post_copy: whoever comes later must know that the disks on the old host may be out of date.
mark_post_copy() {
	! $post_copy || journal 'done' postcopy
}

# left_for_good: in the phase of post-copy the old host has only a part of the memory.
left_for_good() {
	vm_ask old "$any_text" domstate "$uuid" --reason || die "libvirt on $(name_of old) does not answer"
	[[ $answer == *post-copy* ]]
}

# ran_there: libvirt let it run on the new host, where nothing of it is now; on the old host it is off because it
# has moved, or a part of its memory is left.
ran_there() {
	[ -n "${finished[postcopy]:-}" ] || return 1
	vm_ask old "$any_text" domstate "$uuid" --reason || die "libvirt on $(name_of old) does not answer"
	[[ $answer == *@(migrated|post-copy)* ]]
}

# refuse_stale: its memory is lost, but not what it has written.
refuse_stale() {
	die_as "$needs_person" "$vm ran on $(name_of new) after the switch of its post-copy, and has ended there: its last writes are on the disks there, and those on $(name_of old) are older; nothing is started anywhere. On $(name_of old) virsh destroy it if it is paused there; on $(name_of new): virsh start $(quote "$new_name"); if it is not defined there, virsh define first, with $(state_of old)/target.xml of $(name_of old)"
}

# fetch_rest: the connection broke in the middle; each host has a part of the memory.
fetch_rest() {
	local status=0

	asks_yes old bash -c 'virsh help migrate | grep -q -e --postcopy-resume' can-resume ||
		die_as "$needs_person" "a part of the memory of $vm is on each host, and libvirt on $(name_of old) cannot fetch the rest: it can since 8.5.0. Neither part may be ended; upgrade libvirt there, which leaves $vm alone, and give the same command again"
	say "the connection broke in the middle of the post-copy of $vm; the rest of its memory is fetched"
	use_room old
	write_live_xml
	open_way
	words=(virsh -q -c "$uri" migrate --live --persistent --postcopy --postcopy-resume
		--xml "$(state_of old)/live.xml" --persistent-xml "$(state_of old)/target.xml")
	if $native; then
		way_words
	else
		words+=(--migrateuri "unix://$(live_folder)/memory")
	fi
	destination_words
	show old "$(quote "${words[@]}")"
	guarded old bash -c "$move_and_fence" move "$uri" "$uuid" "$persistent" "$(state_of old)/fenced.xml" \
		"${words[@]}" 2>"$private/virsh.err" || status=$?
	say_migration_errors
	[ "$status" = 0 ] || [ "$status" = 3 ] ||
		die_as "$needs_person" "the rest of the memory of $vm cannot be fetched from $(name_of old); neither part of it may be ended, and the same command tries again"
}
