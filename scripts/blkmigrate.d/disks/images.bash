# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# qcow2 disks while the virtual machine runs.  Each pass is a libvirt backup job in pull mode, which
# exports all of them as of one moment, and a checkpoint, after which QEMU records writes in a
# bitmap.  The next pass, and the last one after the shutdown, read only what the bitmap marks.  If
# libvirt or QEMU lacks any of this, more is left to copy after the shutdown.

# Whether this program must end a backup job before it exits.
backing_up=false
image_pass='' image_base=''

# image_disks: print the disks that are read this way.
image_disks() {
	local disk

	for disk in "${disks[@]}"; do
		[ "${kind[$disk]}" != qcow2 ] || printf '%s\n' "$disk"
	done
}

checkpoint_name() {
	printf 'blkmigrate-%s-%s\n' "$id" "$1"
}

# QEMU must be able to create a socket there, as any user.
backup_socket() {
	printf '/var/lib/libvirt/qemu/blkmigrate-%s.sock\n' "$id"
}

# find_checkpoints: set $checkpoints to the numbers of our checkpoints that libvirt has.  A libvirt
# without support for checkpoints has none.
checkpoints=()
find_checkpoints() {
	local name

	checkpoints=()
	! is_xen || return 0
	if ! vm_ask_lines -q old "$a_line" checkpoint-list --name "$uuid"; then
		need_libvirt old
		return
	fi
	for name in "${answers[@]}"; do
		[[ ! $name =~ ^"blkmigrate-$id-"([1-9][0-9]{0,8})$ ]] || checkpoints+=("${BASH_REMATCH[1]}")
	done
}

# last_checkpoint: set $newest to the number of the newest pass that the target has completely and
# whose checkpoint libvirt still has; empty if there is none.
newest=''
last_checkpoint() {
	local number

	find_checkpoints
	newest=''
	for number in "${checkpoints[@]}"; do
		[ -n "${finished[checkpoint-$number]:-}" ] && [ "$number" -gt "${newest:-0}" ] || continue
		newest=$number
	done
}

# copy_images: make a pass over all of them; $images_copied says whether that was possible.  If it
# was not, nothing is lost.  Call it plainly, so that errexit stays on inside.
images_copied=true
copy_images() {
	local number

	images_copied=true
	[ -n "$(image_disks)" ] || return 0
	if [ -z "$image_pass" ]; then
		backup_end
		images_begin || true
	fi
	if [ "$image_pass" = none ]; then
		images_copied=false
		return
	fi
	number=$image_pass
	image_pass=''
	each_disk copy_one_image $(image_disks)
	backup_end
	journal 'done' "checkpoint-$number"
	drop_checkpoints "$number"
}

copy_one_image() {
	copy_image "$1" "$image_base" || die "$1: the copy failed; the same command resumes it"
}

# images_begin: start the job and the checkpoint of a pass, and set $image_pass to its number, or to
# "none" from then on if that is impossible.  $image_base is the checkpoint since which the pass
# lists changes.
images_begin() {
	[ -n "$(image_disks)" ] || return 0
	image_pass=none
	! is_xen || return
	last_checkpoint
	image_base=$newest
	next_checkpoint
	image_pass=$next
	! backup_begin "$image_pass" "$image_base" || return 0
	if [ -n "$image_base" ]; then
		warn "the checkpoint $(checkpoint_name "$image_base") cannot be used; comparing both disks completely instead"
		image_base=''
		! backup_begin "$image_pass" '' || return 0
	fi
	image_pass=none
	return 1
}

# next_checkpoint: set $next to a number that no checkpoint has had.
next=1
next_checkpoint() {
	local number

	find_checkpoints
	next=1
	for number in "${checkpoints[@]}"; do
		[ "$number" -lt "$next" ] || next=$((number + 1))
	done
}

# backup_begin NUMBER BASE: back up all disks as of one moment; with BASE, only what was written
# since.  Do not pipe into put: there it could only end its own subshell, and libvirt would read the
# documents of an earlier pass.
backup_begin() {
	local disk place

	{
		echo "<domainbackup mode='pull'>"
		[ -z "$2" ] || echo "<incremental>$(checkpoint_name "$2")</incremental>"
		echo "<server transport='unix' socket='$(backup_socket)'/>"
		echo '<disks>'
		for disk in "${disks[@]}"; do
			if [ "${kind[$disk]}" = qcow2 ]; then
				place=$(dirname -- "${source[$disk]}")/.blkmigrate-$id-$disk.scratch
				printf '<disk name="%s" backup="yes" type="file"><scratch file="%s"/></disk>\n' \
					"$disk" "$(xml_escape "$place")"
			else
				printf '<disk name="%s" backup="no"/>\n' "$disk"
			fi
		done
		echo '</disks></domainbackup>'
	} >"$private/backup.xml"
	put old "$(state_of old)/backup.xml" <"$private/backup.xml"
	{
		echo "<domaincheckpoint><name>$(checkpoint_name "$1")</name><disks>"
		for disk in "${disks[@]}"; do
			[ "${kind[$disk]}" = qcow2 ] && place=bitmap || place=no
			printf '<disk name="%s" checkpoint="%s"/>\n' "$disk" "$place"
		done
		echo '</disks></domaincheckpoint>'
	} >"$private/checkpoint.xml"
	put old "$(state_of old)/checkpoint.xml" <"$private/checkpoint.xml"
	backing_up=true
	vm_act old backup-begin "$uuid" "$(state_of old)/backup.xml" "$(state_of old)/checkpoint.xml" \
		>/dev/null 2>"$private/why" || {
		warn "libvirt on $(name_of old) cannot begin a backup of $vm: $(head -n 1 "$private/why")"
		return 1
	}
}

# backup_end: end the job, if there is one and it belongs to this migration.
backup_end() {
	local job

	[ -n "$(image_disks)" ] || return 0
	backing_up=false
	for job in $(image_disks); do
		export_clear old "$(state_of old)/$job.view"
	done
	! is_xen || return 0
	if ! vm_ask -q old "$any_text" backup-dumpxml "$uuid"; then
		need_libvirt old
		return
	fi
	[[ $answer == *"$(backup_socket)"* ]] || return 0
	vm_act old domjobabort "$uuid" >/dev/null || die "the backup job of $vm cannot be ended"
}

# copy_image DISK BASE: send what the bitmap marks; without a bitmap, everything, or what a map
# finds.
copy_image() {
	local disk=$1 base=$2 status=0

	view[$disk]=$(state_of old)/$disk.view
	export_running "$disk" "${view[$disk]}" || return
	sink_open "$disk"
	if [ -n "${made[$disk]:-}" ]; then
		bulk "$disk" "${view[$disk]}" || status=$?
	elif [ -z "$base" ] || ! by_bitmap "$disk" "$(nbd_uri "$(backup_socket)" "$disk")" "backup-$disk"; then
		by_map "$disk" "${view[$disk]}" || status=$?
	fi
	sink_close "$disk"
	view_close "$disk"
	[ "$status" != 0 ] || unset "made[$disk]"
	return "$status"
}

nbd_uri() {
	printf 'nbd+unix:///%s?socket=%s\n' "$2" "$1"
}

# by_bitmap DISK URI BITMAP
by_bitmap() {
	local list

	list=$(quote nbdinfo "--map=qemu:dirty-bitmap:$3" "$2")
	transfer "$1" "$list | $(stamped "$1" blkdiff --changes - "${view[$1]}")"
}

# drop_checkpoints [KEEP]: delete our checkpoints, except number KEEP. While the machine is off,
# libvirt can only forget them; their bitmaps stay in the image.
drop_checkpoints() {
	local number name status

	[ -n "$(image_disks)" ] || return 0
	find_checkpoints
	for number in "${checkpoints[@]}"; do
		[ "$number" != "${1:-none}" ] || continue
		name=$(checkpoint_name "$number") status=0
		vm_act old checkpoint-delete "$uuid" "$name" >/dev/null 2>&1 || status=$?
		if [[ $status != @(0|255) ]]; then
			status=0
			vm_act old checkpoint-delete "$uuid" "$name" --metadata >/dev/null || status=$?
		fi
		case $status in
		0) ;;
		255) die "$(name_of old) does not answer; the checkpoint $name of $vm may still be there" ;;
		*) warn "the checkpoint $name of $vm cannot be removed" ;;
		esac
	done
}
