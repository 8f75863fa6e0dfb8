# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a purge asks before it removes something for good: that nothing was written to the old disks
# since they were copied, that nothing uses them, and that the machine on the new host has been
# started from the new ones.

# check_source_purge: of the old disks; or the end, with all that is in the way.
check_source_purge() {
	local disk

	problems=()
	check_started
	compare_written
	list_sources old
	for disk in "${disks[@]}" "${swaps[@]}"; do
		[ "${kind[$disk]}" = block ] || check_unused old "$disk" "${source[$disk]}" "${volume[$disk]:-}"
	done
	refuse_removal
}

# check_target_purge: of what was made on the new host.
check_target_purge() {
	local disk

	problems=()
	list_sources new
	for disk in "${placed[@]}"; do
		check_unused new "$disk" "${target[$disk]}" ''
	done
	refuse_removal
}

refuse_removal() {
	local each

	[ ${#problems[@]} -gt 0 ] || return 0
	say "the disks cannot be removed:"
	for each in "${problems[@]}"; do
		say "  - $each"
	done
	die_as "$refused" "nothing was removed"
}

# check_started: a log of QEMU that is newer than the commit tells of a start by somebody else.
check_started() {
	local state disk

	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer"
	if [ "$state" = none ]; then
		problem "$vm is not defined on $(name_of new) any more, so these may be the last of its disks" \
			"define it there again ($(state_of new)/domain.xml); or remove by hand what is not needed, and $(state_of old)"
		return
	fi
	[ "$state" != 'shut off' ] || [ -n "${finished[started]:-}" ] ||
		asks_yes new test "/var/log/libvirt/qemu/$new_name.log" -nt "$(state_of new)/commit" ||
		problem "$vm was never started on $(name_of new), so nothing tells that its disks there are good" "start it there once"
	for disk in "${disks[@]}"; do
		asks_yes new test -e "${target[$disk]}" || uses_other "$state" "${within[$disk]:-$disk}" ||
			problem "$disk: ${target[$disk]} is gone from $(name_of new)" "find out where the disk is"
	done
}

# uses_other STATE DISK: it runs, and on another disk.
uses_other() {
	[ "$1" != 'shut off' ] || return
	xml_document new "$private/there.xml" vm_on new dumpxml "$new_uuid" || die "libvirt on $(name_of new) does not answer"
	! disk_paths "$private/there.xml" | grep -qxF -- "$2 ${target[$2]}"
}

# --- written since ------------------------------------------------------------------

# What changes when it is written to: size and time of a file; of a device what the kernel has
# counted since it came up, which says nothing after that.
written='
for path; do
	if [ -b "$path" ]; then
		said=$(stat -L -c "%t %T" -- "$path") && read -r major minor <<<"$said" || exit
		printf -v folder "/sys/dev/block/%d:%d" "0x$major" "0x$minor"
		said=$(cat "$folder/diskseq" 2>/dev/null) || said=none
		counts=$(cat "$folder/stat") || exit
		read -r _ _ _ _ writes _ sectors _ <<<"$counts"
		echo "block $(cat /proc/sys/kernel/random/boot_id).$said $writes.$sectors"
	elif [ -e "$path" ]; then
		echo "file $(stat -L -c "%i %s.%.9Y" -- "$path")"
	else
		echo "gone - -"
	fi
done'
a_written='(block|file|gone) [A-Za-z0-9.-]+ [0-9.-]+'

# ask_written: fill $answers, for each of the disks.
ask_written() {
	local disk paths=()

	answers=()
	for disk in "${disks[@]}"; do
		paths+=("${source[$disk]}")
	done
	[ ${#paths[@]} -gt 0 ] || return 0
	ask_lines old "$a_written" bash -c "$written" written "${paths[@]}" && [ ${#answers[@]} = ${#paths[@]} ] ||
		die "$(name_of old) cannot be asked when its disks were written"
}

# keep_written: nothing has to write to them from now on.
keep_written() {
	ask_written
	guarded old bash -c 'umask 077
		printf "%s\n" "${@:2}" >"$1.part" && mv -T -- "$1.part" "$1" || {
			rm -f -- "$1.part"
			exit 1
		}' keep-written "$(state_of old)/written" "${answers[@]}" ||
		warn "$(name_of old): $(state_of old)/written cannot be written; purge cannot tell whether the old disks were changed"
}

# compare_written: a problem for each that was.
compare_written() {
	local disk number=0 then now

	document old "$private/written" on old bash -c '[ ! -e "$1" ] || cat -- "$1"' cat "$(state_of old)/written" ||
		die "$(name_of old): $(state_of old)/written cannot be read"
	ask_written
	exec 5<"$private/written"
	for disk in "${disks[@]}"; do
		now=${answers[number]}
		number=$((number + 1))
		IFS= read -r then <&5 && [[ $then =~ ^($a_written)$ ]] || continue
		[[ $now != gone* && $now != "$then" ]] || continue
		# Another boot, another file, or a device that came up again: purge looks at what it is.
		[ "${now% *}" = "${then% *}" ] || continue
		problem "$disk: ${source[$disk]} was written since it was copied, and the copy does not have that" \
			"look at what was written; if the copy does not need it, remove $(state_of old)/written, and purge again"
	done
	exec 5<&-
}

# keep_written_again: after this program has changed them itself; where others have, purge says so.
keep_written_again() {
	problems=()
	compare_written
	drop_checkpoints
	[ ${#problems[@]} -gt 0 ] || keep_written
}

# --- in use ---------------------------------------------------------------------------

# list_sources HOST: $private/sources has what the other machines there have as disks, as they run
# and as they are defined.
list_sources() {
	local list status=0

	vm_ask_lines "$1" "$a_uuid" list --all --uuid || die "libvirt on $(name_of "$1") does not answer"
	list=("${answers[@]}")
	# One may have gone since they were listed.
	xml_document "$1" "$private/all.xml" on "$1" bash -c 'echo "<domains>"
		for each in "${@:2}"; do
			virsh -q -c "$1" dumpxml "$each" 2>/dev/null || true
			virsh -q -c "$1" dumpxml --inactive "$each" 2>/dev/null || true
		done
		echo "</domains>"' dumpxml "$uri" "${list[@]}" || status=$?
	[ "$status" = 0 ] || die "libvirt on $(name_of "$1") does not answer"
	xsltproc --nonet "$here/machine/sources.xsl" "$private/all.xml" >"$private/sources" ||
		die "the XML of the machines on $(name_of "$1") cannot be read"
}

# What uses a disk, a line each: processes that have it open, snapshots of it, images in the folders
# that have it as their backing file.
users='
path=$1 volume=$2 tag=$3
shift 3
if [ -n "$volume" ]; then
	list=$(lvs --noheadings --separator " " -o lv_name,segtype,lv_tags -S "origin=\"${volume#*/}\"" "${volume%/*}") || exit
	while read -r name type tags; do
		[ -n "$name" ] && [ "$type" != thin ] && [[ ,$tags, != *",$tag,"* ]] || continue
		echo "the snapshot ${volume%/*}/$name"
	done <<<"$list"
fi
[ -e "$path" ] || exit 0
for process in /proc/[0-9]*; do
	for file in "$process"/fd/*; do
		if [ "$file" -ef "$path" ]; then
			echo "process ${process#/proc/} ($(cat "$process/comm"))"
			break
		fi
	done
done 2>/dev/null
command -v qemu-img >/dev/null || exit 0
for folder; do
	for file in "$folder"/*; do
		[ -f "$file" ] && [ -r "$file" ] && [ "$(head -c 4 -- "$file" | od -An -tx1 | tr -d " ")" = 514649fb ] || continue
		below=$(qemu-img info -U --output=json -f qcow2 -- "$file" 2>/dev/null | sed -n "s/^    \"full-backing-filename\": \"\(.*\)\",*$/\1/p")
		[ -z "$below" ] || [ ! "$below" -ef "$path" ] || echo "the image $file, of which it is the backing file"
	done
done
exit 0'

# check_unused HOST DISK PATH VOLUME
check_unused() {
	local host=$1 disk=$2 path=$3 each other name folders=() which=$uuid

	[ "$host" = old ] || which=$new_uuid
	folders=("$(dirname -- "$path")")
	[[ $path != /dev/* ]] || folders=()
	while IFS=$'\t' read -r other name each; do
		[[ $each == /dev/* || $each != /* ]] || contains "$(dirname -- "$each")" "${folders[@]}" || folders+=("$(dirname -- "$each")")
		[ "$other" != "$which" ] && [ "$each" = "$path" ] || continue
		problem "$disk: $path is also a disk of the virtual machine $(printable "$name") on $(name_of "$host")" "virsh undefine that, or detach the disk"
	done < <(sort -u "$private/sources")
	ask_lines "$host" "$a_line" bash -c "$users" users "$path" "$4" "blkmigrate:$id" "${folders[@]}" ||
		die "$(name_of "$host") cannot be asked what uses $path"
	for each in "${answers[@]}"; do
		problem "$disk: $path is used by $(printable "${each:0:200}") on $(name_of "$host")" "look at that first"
	done
}
