# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --later: a disk that the machine can do without when it starts on the new host.  It is copied
# while the machine runs, like all others; its last changes are sent when the machine runs again,
# and then it is plugged in.  Meanwhile the fence keeps the disk on the old host from changing.

later_wanted=() later=()

# find_later: choose them among the disks that are copied.
find_later() {
	local disk

	later=()
	for disk in "${later_wanted[@]}"; do
		! contains "$disk" "${later[@]}" || continue
		if [ -n "${within[$disk]:-}" ]; then
			problem "$disk becomes a partition of ${within[$disk]}, and cannot come later by itself" "leave out --later $disk"
		elif contains "$disk" "${disks[@]}"; then
			later+=("$disk")
		elif contains "$disk" "${skipped[@]}" "${shared[@]}" "${swaps[@]}"; then
			problem "$disk is not copied, so it cannot come later" "leave out --later $disk"
		fi
	done
	[ ${#later[@]} -eq 0 ] || [ ${#later[@]} -lt $((${#disks[@]} + ${#shared[@]})) ] ||
		problem "$vm would start without any disk" "leave out --later for the one from which it boots"
}

# make_later_xml: for each, take its part of the definition with all disks, for libvirt to plug in.
make_later_xml() {
	local disk

	for disk in "${later[@]}"; do
		xmllint --nonet --xpath "/domain/devices/disk[target/@dev = '$disk']" "$private/whole.xml" >"$private/later-$disk.xml"
	done
}

save_later() {
	local disk

	for disk in "${later[@]}"; do
		put new "$(state_of new)/later-$disk.xml" <"$private/later-$disk.xml"
	done
}

# still_to_come: print their names, in one line.
still_to_come() {
	local disk names=()

	for disk in "${later[@]}"; do
		[ -n "${finished[later-$disk]:-}" ] || names+=("$disk")
	done
	printf '%s\n' "${names[*]}"
}

# bring_later: send and plug them in, after the commit.
bring_later() {
	local disk

	for disk in "${later[@]}"; do
		[ -n "${finished[later-$disk]:-}" ] || say "$disk: sending its last changes; $vm on $(name_of new) does not have it yet"
		# Once complete, it is never written to again: when plugged in, it belongs to the
		# guest.
		step "sent-$disk" last_changes "$disk"
		step "later-$disk" plug_in "$disk"
	done
}

plug_in() {
	local xml state

	xml=$(state_of new)/later-$1.xml
	has_disk "$1" --inactive ||
		vm_keep new attach-device "$new_uuid" "$xml" --config ||
		die "$1 cannot be added to $vm on $(name_of new); blkmigrate finish $(quote "$vm") tries again"
	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer"
	if [ "$state" = 'shut off' ] || has_disk "$1"; then
		say "$1: $vm on $(name_of new) has it"
	elif vm_act new attach-device "$new_uuid" "$xml" --live >/dev/null 2>"$private/why"; then
		say "$1: plugged into $vm on $(name_of new)"
	else
		warn "$1 cannot be plugged in while $vm runs: it gets it with its next start ($(head -n 1 "$private/why"))"
	fi
}

# has_disk DISK [--inactive]: whether the machine has the disk that was made for it, now, or from
# its next start on.
has_disk() {
	local paths

	xml_document new "$private/there.xml" vm_on new dumpxml ${2:+"$2"} "$new_uuid" || die "libvirt on $(name_of new) does not answer"
	paths=$(disk_paths "$private/there.xml") || die "the XML of $vm on $(name_of new) cannot be read"
	grep -qxF "$1 ${target[$1]}" <<<"$paths"
}

# show_later: show it in a dry run.
show_later() {
	local disk

	for disk in "${later[@]}"; do
		show_last "$disk"
		show new "virsh -q -c $uri attach-device $new_uuid $(quote "$(state_of new)/later-$disk.xml") --live --config"
	done
}
