# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Snapshots of volumes on the old host: read-only, tagged blkmigrate:ID, and named after the volume
# with a number.  A snapshot that the target has completely also has the tag blkmigrate.copied.  So
# LVM keeps all of the state, and a crash leaves none of it half recorded.

# find_snapshots DISK: fill $snapshots, with "NUMBER NAME TAGS" for each of ours, in the order in
# which they were taken.
snapshots=()
find_snapshots() {
	local group=${volume[$1]%/*} name=${volume[$1]#*/} line number lines=()

	snapshots=()
	ask_lines old "$a_name [^ ]+" lvs --noheadings --separator ' ' -o lv_name,lv_tags \
		-S "lv_tags=\"blkmigrate:$id\" && origin=\"$name\"" "$group" ||
		die "$(name_of old) cannot be asked for the snapshots of $group/$name"
	for line in "${answers[@]}"; do
		number=${line%% *}
		number=${number##*-}
		# A snapshot that somebody renamed is still ours.
		[[ $number =~ ^($a_number)$ ]] || number=0
		lines+=("$number $line")
	done
	[ ${#lines[@]} = 0 ] || mapfile -t snapshots < <(printf '%s\n' "${lines[@]}" | sort -n)
}

# copied_snapshot DISK: set $copied to the newest that the target has completely, or to nothing.
copied=''
copied_snapshot() {
	local line name

	find_snapshots "$1"
	copied=''
	for line in "${snapshots[@]}"; do
		name=${line#* }
		[[ ${name#* } != *blkmigrate.copied* ]] || copied=${name%% *}
	done
}

# For a pass: the snapshot since which it lists changes, and the one that it reads if that was taken
# before.
declare -A base_of=() taken=()

# clear_snapshots DISK: set base_of[DISK] to the newest that the target has completely, and remove
# the others.
clear_snapshots() {
	copied_snapshot "$1"
	base_of[$1]=$copied
	drop_snapshots "$1" "$copied"
}

# take_snapshot DISK: set $snapshot to the new one.
take_snapshot() {
	local disk=$1 group=${volume[$1]%/*} name=${volume[$1]#*/} number=0

	find_snapshots "$disk"
	[ ${#snapshots[@]} = 0 ] || number=${snapshots[-1]%% *}
	snapshot=$name-blkmigrate-$((number + 1))
	[ "${kind[$disk]}" = thin ] || snapshot_size "$disk"
	if [ "${kind[$disk]}" = thin ]; then
		act old lvcreate -q -q -y -s -p r -ay -K -n "$snapshot" \
			--addtag "blkmigrate:$id" "$group/$name" >/dev/null
	else
		act old lvcreate -q -q -y -s -p r -L "${snapshot_bytes}b" -n "$snapshot" \
			--addtag "blkmigrate:$id" "$group/$name" >/dev/null
	fi || die "$(name_of old): no snapshot of $group/$name can be taken; --snapshot-size takes a smaller one, vgextend makes room"
}

# snapshot_size DISK: set $snapshot_bytes to how much may be written while a pass lasts.
snapshot_bytes=0
snapshot_size() {
	local wanted share

	if [ -n "$snapshot_size_option" ]; then
		snapshot_bytes=$(numfmt --from=iec -- "$snapshot_size_option") || usage_error "--snapshot-size wants bytes, as 1G"
		return
	fi
	ask old "$a_number" vgs --noheadings --nosuffix --units b -o vg_free "${volume[$1]%/*}" ||
		die "$(name_of old) cannot be asked for the room in ${volume[$1]%/*}"
	wanted=$((size[$1] / 5))
	# Each disk may have two at a time, and none may take the space that another needs.
	share=$((answer / (2 * ${#disks[@]})))
	[ "$wanted" -lt "$share" ] || wanted=$share
	[ "$wanted" -gt $((8 << 20)) ] || wanted=$((8 << 20))
	snapshot_bytes=$((wanted / 4096 * 4096))
}

# watch_snapshots DISK: until killed, extend those that fill up, each time by their original size.
# Without room they overflow, and a map must do.  It runs in the background, so if the host does not
# answer it asks again.
watch_snapshots() {
	local disk=$1 group=${volume[$1]%/*} list name full

	snapshot_size "$disk"
	while sleep 2 && driver_lives; do
		list=$(brief on old lvs --noheadings -o lv_name,data_percent \
			-S "lv_tags=\"blkmigrate:$id\" && origin=\"${volume[$disk]#*/}\" && segtype!=thin && lv_snapshot_invalid=0" "$group") || continue
		while read -r name full; do
			[[ $name =~ ^($a_name)$ && $full =~ ^([0-9]{1,3})(\.[0-9]+)?$ ]] && [ "$((10#${BASH_REMATCH[1]}))" -ge 66 ] || continue
			guarded old lvextend -q -q -L "+${snapshot_bytes}b" "$group/$name" >/dev/null 2>&1 || continue
			say "$disk: the snapshot $name was $full % full, and has been extended"
		done <<<"$list"
	done
}

# watch DISK: watch its snapshots until watched has run; those of thin volumes need no watching.
watch() {
	! $dry_run && [ "${kind[$1]}" = lvm ] || return 0
	watch_snapshots "$1" &
	watching[$1]=$!
	watchers+=($!)
}

# watched DISK COMMAND ...: run it while the disk's snapshots are watched.
watched() {
	local disk=$1 status=0

	shift
	[ -n "${watching[$disk]:-}" ] || watch "$disk"
	"$@" || status=$?
	if [ -n "${watching[$disk]:-}" ]; then
		kill "${watching[$disk]}" 2>/dev/null || true
		wait "${watching[$disk]}" 2>/dev/null || true
		unset "watching[$disk]"
	fi
	return "$status"
}

declare -A watching=()
watchers=()

# drop_snapshots DISK [KEEP]: remove ours, except the one of that name.
drop_snapshots() {
	local disk=$1 keep=${2:-} name

	[ -n "${volume[$disk]:-}" ] || return 0
	find_snapshots "$disk"
	for name in "${snapshots[@]}"; do
		name=${name#* }
		name=${name%% *}
		[ "$name" != "$keep" ] || continue
		act old lvremove -q -q -y "${volume[$disk]%/*}/$name" >/dev/null ||
			die "$(name_of old): the snapshot ${volume[$disk]%/*}/$name cannot be removed"
	done
}
