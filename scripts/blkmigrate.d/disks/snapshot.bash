# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Snapshots of volumes on the old host: read-only, tagged blkmigrate:ID, and named after the
# volume with a number.  One that is on the target as a whole has the tag blkmigrate.copied
# as well, so what LVM keeps is all there is to know, and a crash leaves nothing half known.

# snapshots DISK: a line for each of ours, NUMBER NAME TAGS, in the order they were taken.
snapshots() {
	local group=${volume[$1]%/*} name=${volume[$1]#*/}

	on old lvs --noheadings --separator ' ' -o lv_name,lv_tags \
		-S "lv_tags=\"blkmigrate:$id\" && origin=\"$name\"" "$group" |
		awk '{ number = $1; sub(/.*-/, "", number); print number, $1, $2 }' | sort -n
}

# copied_snapshot DISK: the newest of which the target has all.
copied_snapshot() {
	snapshots "$1" | awk '$3 ~ /blkmigrate\.copied/ { name = $2 } END { print name }'
}

# For a pass: the snapshot from which it lists, and the one it reads where that was taken before.
declare -A base_of=() taken=()

# clear_snapshots DISK: the newest of which the target has all is base_of[DISK], and no other
# is left.
clear_snapshots() {
	base_of[$1]=$(copied_snapshot "$1") || die "$(name_of old) cannot be asked for its snapshots"
	drop_snapshots "$1" "${base_of[$1]}"
}

# take_snapshot DISK: $snapshot is the new one.
take_snapshot() {
	local disk=$1 group=${volume[$1]%/*} name=${volume[$1]#*/} number

	number=$(snapshots "$disk" | tail -n 1)
	number=${number%% *}
	snapshot=$name-blkmigrate-$((${number:-0} + 1))
	if [ "${kind[$disk]}" = thin ]; then
		act old lvcreate -q -q -y -s -p r -ay -K -n "$snapshot" \
			--addtag "blkmigrate:$id" "$group/$name" >/dev/null
	else
		act old lvcreate -q -q -y -s -p r -L "$(snapshot_size "$disk")b" -n "$snapshot" \
			--addtag "blkmigrate:$id" "$group/$name" >/dev/null
	fi || die "$(name_of old): no snapshot of $group/$name can be taken; --snapshot-size takes a smaller one, vgextend makes room"
}

# snapshot_size DISK: in bytes; how much may be written while a pass lasts.
snapshot_size() {
	local wanted free

	if [ -n "$snapshot_size_option" ]; then
		numfmt --from=iec "$snapshot_size_option"
		return
	fi
	free=$(on old vgs --noheadings --nosuffix --units b -o vg_free "${volume[$1]%/*}") || return
	wanted=$((size[$1] / 5))
	# Two at a time are there of each disk, and none may starve another.
	free=$((free / (2 * ${#disks[@]})))
	[ "$wanted" -lt "$free" ] || wanted=$free
	[ "$wanted" -gt $((8 << 20)) ] || wanted=$((8 << 20))
	echo $((wanted / 4096 * 4096))
}

# watch_snapshots DISK: until it is killed; those that fill are extended by as much as they
# were made with.  Where there is no room they overflow, and a map has to serve.
watch_snapshots() {
	local disk=$1 group=${volume[$1]%/*} more name full

	more=$(snapshot_size "$disk") || return 0
	while sleep 2 && driver_lives; do
		while read -r name full; do
			[ "${full%%.*}" -ge 66 ] || continue
			guarded old lvextend -q -q -L "+${more}b" "$group/$name" >/dev/null 2>&1 || continue
			say "$disk: the snapshot $name was $full % full, and has been extended"
		done < <(on old lvs --noheadings -o lv_name,data_percent \
			-S "lv_tags=\"blkmigrate:$id\" && origin=\"${volume[$disk]#*/}\" && segtype!=thin && lv_snapshot_invalid=0" "$group")
	done
}

# watch DISK: until watched has run.
watch() {
	! $dry_run && [ "${kind[$1]}" = lvm ] || return 0
	watch_snapshots "$1" &
	watching[$1]=$!
	watchers+=($!)
}

# watched DISK COMMAND ...: run it while they are watched.
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

# drop_snapshots DISK [KEEP]: remove ours, but not the one of that name.
drop_snapshots() {
	local disk=$1 keep=${2:-} name

	[ -n "${volume[$disk]:-}" ] || return 0
	for name in $(snapshots "$disk" | awk '{ print $2 }'); do
		[ "$name" != "$keep" ] || continue
		act old lvremove -q -q -y "${volume[$disk]%/*}/$name" >/dev/null ||
			die "$(name_of old): the snapshot ${volume[$disk]%/*}/$name cannot be removed"
	done
}
