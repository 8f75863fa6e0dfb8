# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Disks that both hosts have: files in a folder that both mount, and volumes of a group whose disks
# both can reach.  They are never copied onto themselves.  A name, an inode or a UUID proves
# nothing, since a clone has the same; so one host writes a file next to the disk, or a tag, and the
# other must see it.

# is_shared DISK: whether its path stays the same, and both hosts see the same file there.
is_shared() {
	[ "${target[$1]}" = "${source[$1]}" ] && [[ ${kind[$1]} == file || ${kind[$1]} == qcow2 ]] || return 1
	is_same_place "${source[$1]}" "${target[$1]}"
}

# is_same_place PATH PATH-THERE: whether a file put beside it on the old host is seen on the new one.
# A symbolic link may lead elsewhere on each host.
is_same_place() {
	local path probe seen=false

	ask -q old "$a_path" realpath -e -- "$1" || return 1
	path=$answer
	ask -q new "$a_path" realpath -e -- "$2" && [ "$answer" = "$path" ] || return 1
	probe=$(dirname -- "$path")/.blkmigrate-probe-$id
	ask -q old '' touch -- "$probe" || return 1
	! asks_yes new test -e "$probe" || seen=true
	ask old '' rm -f -- "$probe" || die "$(name_of old): $probe cannot be removed"
	$seen
}

# is_same_volume DISK: compare UUIDs; a copy of the whole disk under it has the same, though.
is_same_volume() {
	[ -n "${volume[$1]:-}" ] && [ "${target[$1]}" = "${source[$1]}" ] &&
		ask -q new "$a_name" lvs --noheadings -o lv_uuid "${volume[$1]}" && [ "$answer" = "${identity[$1]}" ]
}

# is_shared_volume DISK: whether it is the same volume and of a kind that two hosts may use, which
# excludes those for which LVM updates tables on the group's disks at each write.
is_shared_volume() {
	local disk=$1 tag=blkmigrate-probe.$id seen=false

	is_same_volume "$disk" && has_no_tables "$disk" || return 1
	ask old "$any_text" lvchange -q -q --addtag "$tag" "${volume[$disk]}" || return 1
	ask -q new "$a_line" lvs --noheadings -o lv_tags "${volume[$disk]}" || answer=''
	[[ ,$answer, != *",$tag,"* ]] || seen=true
	ask old "$any_text" lvchange -q -q --deltag "$tag" "${volume[$disk]}" ||
		die "$(name_of old): the tag $tag cannot be taken off ${volume[$disk]}"
	$seen
}

# has_no_tables DISK: whether it is no snapshot, not thin, and has no cache.
has_no_tables() {
	ask old '[A-Za-z-]+' lvs --noheadings -o lv_attr "${volume[$1]}" || return
	[[ $answer == -* ]]
}

# hand_over: move shared volumes to the new host; nothing on the old one uses them from then on.
hand_over() {
	local disk

	for disk in "${shared[@]}"; do
		[ -n "${volume[$disk]:-}" ] || continue
		act old lvchange -q -q -an "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be deactivated on $(name_of old); is it in use?"
		act new lvchange -q -q -ay "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be activated on $(name_of new)"
	done
}

# take_back: undo what hand_over may have done.  Never activate a volume on the old host while it is
# unknown whether the new one did what it was told.
take_back() {
	local disk status

	for disk in "${shared[@]}"; do
		[ -n "${volume[$disk]:-}" ] || continue
		status=0
		act new lvchange -q -q -an "${volume[$disk]}" >/dev/null || status=$?
		case $status in
		0) ;;
		255) die "$(name_of new) does not answer, and may have ${volume[$disk]} active; nothing is started anywhere" ;;
		*) warn "${volume[$disk]} stays active on $(name_of new)" ;;
		esac
		act old lvchange -q -q -ay "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be activated on $(name_of old)"
	done
}
