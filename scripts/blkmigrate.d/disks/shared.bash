# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Disks that both hosts have: files in a folder that both mount, volumes of a group whose disks
# both reach.  They are never copied onto themselves.  A name, an inode or a UUID does not prove it,
# since a clone has the same; what one host writes beside it, or about it, the other must see.

# is_shared DISK: it would stay where it is, and what is put beside it on one host is seen on the
# other.  A link may lead elsewhere on each.
is_shared() {
	local disk=$1 path probe seen=false

	[ "${target[$disk]}" = "${source[$disk]}" ] && [[ ${kind[$disk]} == file || ${kind[$disk]} == qcow2 ]] || return 1
	path=$(on old realpath -e -- "${source[$disk]}") && [ "$(on new realpath -e -- "${target[$disk]}" 2>/dev/null)" = "$path" ] || return 1
	probe=$(dirname -- "$path")/.blkmigrate-probe-$id
	on old touch -- "$probe" 2>/dev/null || return 1
	! on new test -e "$probe" || seen=true
	on old rm -f -- "$probe"
	$seen
}

# is_same_volume DISK: by its UUID, which a copy of the whole disk under it has as well.
is_same_volume() {
	[ -n "${volume[$1]:-}" ] && [ "${target[$1]}" = "${source[$1]}" ] &&
		[ "$(on new lvs --noheadings -o lv_uuid "${volume[$1]}" 2>/dev/null | tr -d ' ')" = "${identity[$1]}" ]
}

# is_shared_volume DISK: and its kind may be in use on two hosts, which is not so where LVM itself
# keeps tables in the group's disks as it is written to.
is_shared_volume() {
	local disk=$1 tag=blkmigrate-probe.$id seen=false

	is_same_volume "$disk" && has_no_tables "$disk" || return 1
	on old lvchange -q -q --addtag "$tag" "${volume[$disk]}" >/dev/null || return 1
	[[ " $(on new lvs --noheadings -o lv_tags "${volume[$disk]}" 2>/dev/null | tr , ' ') " != *" $tag "* ]] || seen=true
	on old lvchange -q -q --deltag "$tag" "${volume[$disk]}" >/dev/null ||
		die "$(name_of old): the tag $tag cannot be taken off ${volume[$disk]}"
	$seen
}

# has_no_tables DISK: no snapshot, not thin, no cache.
has_no_tables() {
	[[ $(on old lvs --noheadings -o lv_attr "${volume[$1]}" | tr -d ' ') == -* ]]
}

# hand_over: nothing on the old host has a shared volume in use from then on.
hand_over() {
	local disk

	for disk in "${shared[@]}"; do
		[ -n "${volume[$disk]:-}" ] || continue
		act old lvchange -q -q -an "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be deactivated on $(name_of old); who uses it?"
		act new lvchange -q -q -ay "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be activated on $(name_of new)"
	done
}

# take_back: what hand_over may have done.
take_back() {
	local disk

	for disk in "${shared[@]}"; do
		[ -n "${volume[$disk]:-}" ] || continue
		act new lvchange -q -q -an "${volume[$disk]}" >/dev/null || warn "${volume[$disk]} stays active on $(name_of new)"
		act old lvchange -q -q -ay "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be activated on $(name_of old)"
	done
}
