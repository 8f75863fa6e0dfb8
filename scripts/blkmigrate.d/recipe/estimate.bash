# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a plan would cost, in bytes, in time and in downtime, as it is shown to whom it asks.

# to_send[DISK] is at most how many bytes cross; rates are in bytes a second, and empty where
# they are not known.
declare -A to_send=() no_bitmap=()
line_rate='' line_source='' read_rate=''

# estimate: what is measured takes two seconds, and is only for somebody who reads it.
estimate() {
	local disk

	for disk in "${disks[@]}" "${media[@]}"; do
		to_send[$disk]=$(bytes_in "$disk")
	done
	if [ -n "$rate" ]; then
		line_rate=$(numfmt --from=iec -- "$rate" 2>/dev/null) || line_rate=''
		line_source='as --bwlimit says'
	elif [ "$command" = plan ] || ! $yes; then
		line_rate=$(measure_line) line_source='as measured'
	fi
	[ "$command" != plan ] && $yes || read_rate=$(measure_reading)
}

# bytes_in DISK: what has a place on the medium; a map of the rest is not needed.
bytes_in() {
	local disk=$1 bytes='' percent

	case ${kind[$disk]} in
	file | qcow2) bytes=$(on old stat -L -c '%b %B' -- "${source[$disk]}" | awk '{ printf "%.0f", $1 * $2 }') || true ;;
	thin)
		percent=$(on old lvs --noheadings -o data_percent "${volume[$disk]}") || true
		bytes=$(awk -v size="${size[$disk]}" -v percent="${percent:-100}" 'BEGIN { printf "%.0f", size * percent / 100 }')
		;;
	esac
	[ -n "$bytes" ] && [ "$bytes" -lt "${size[$disk]}" ] || bytes=${size[$disk]}
	echo "$bytes"
}

# measure_line: bytes that do not deflate, for a second and a half.
measure_line() {
	# shellcheck disable=SC2216
	{ on old timeout 2 cat /dev/urandom || true; } |
		feed new timeout -s INT 1.5 dd of=/dev/null bs=64K 2>&1 | rate_of_dd || true
}

# measure_reading: of the first disk that has to be read as a whole while all is down.
measure_reading() {
	local disk

	for disk in "${disks[@]}"; do
		case ${kind[$disk]} in
		lvm | thin | qcow2) continue ;;
		esac
		on old timeout -s INT 0.5 dd "if=${source[$disk]}" of=/dev/null bs=1M iflag=direct 2>&1 | rate_of_dd || true
		return
	done
}

# rate_of_dd: what dd says when it is interrupted, as a number; nothing where it has failed.
rate_of_dd() {
	sed -n 's/^\([0-9]*\) bytes.* copied, \([0-9.e+-]*\) s,.*/\1 \2/p' |
		awk '$1 > 0 && $2 > 0 { printf "%.0f", $1 / $2 }'
}

# --- for people -------------------------------------------------------------------

show_plan() {
	local disk

	estimate
	say "$vm ($uuid), $was_running, from $(name_of old) to $(name_of new)$(other_name):"
	for disk in "${disks[@]}"; do
		say "  $disk: $(human "${size[$disk]}") ${kind[$disk]} ${source[$disk]}"
		say "    becomes ${target_kind[$disk]} ${target[$disk]}"
		[ "$was_running" != running ] || say "    while it runs: $(way_of "$disk")"
		if contains "$disk" "${later[@]}"; then
			say "    when it runs on $(name_of new) without this disk: $(rest_of "$disk"); then it is plugged in"
		elif [ "$was_running" = running ]; then
			say "    when it is off: $(rest_of "$disk")"
		fi
	done
	for disk in "${shared[@]}"; do
		say "  $disk: $(human "${size[$disk]}") ${kind[$disk]} ${source[$disk]}, which both hosts see: it stays where it is"
	done
	for disk in "${swaps[@]}"; do
		say "  $disk: $(human "${size[$disk]}") ${kind[$disk]} ${source[$disk]}, of which nothing is copied"
		say "    becomes ${target_kind[$disk]} ${target[$disk]}, empty swap with the same UUID and label"
	done
	for disk in "${media[@]}"; do
		say "  $disk: $(human "${size[$disk]}") file ${source[$disk]}, which is in this drive"
		say "    becomes file ${target[$disk]}"
	done
	for disk in "${media_there[@]}"; do
		say "  $disk: ${target[$disk]}, which $(name_of new) has already"
	done
	for disk in "${skipped[@]}"; do
		say "  $disk: SKIPPED: it stays on $(name_of old), and $vm on $(name_of new) has no such disk"
	done
	say "  in all: $(sum_of_all); $(downtime_expected)"
	show_xml_diff
}

human() {
	numfmt --to=iec-i --suffix=B "$1"
}

# time_for BYTES RATE: ", about 3 min"; nothing where the rate is not known.
time_for() {
	[ -z "$2" ] || printf ', about %s' "$(duration $(($1 / $2 + 1)))"
}

duration() {
	if [ "$1" -lt 100 ]; then
		echo "$1 s"
	elif [ "$1" -lt 6000 ]; then
		echo "$((($1 + 30) / 60)) min"
	else
		echo "$(($1 / 3600)) h $(($1 % 3600 / 60)) min"
	fi
}

way_of() {
	case ${kind[$1]}${no_bitmap[$1]:+,old} in
	lvm) echo "copied from snapshots, of which LVM lists what has changed" ;;
	thin) echo "copied from thin snapshots, of which thin_delta lists what has changed" ;;
	qcow2) echo "copied by backup jobs of libvirt, with a bitmap of what has changed" ;;
	qcow2,old) echo "nothing: an image of version 2 keeps no bitmap (qemu-img amend -o compat=1.1, when it is off)" ;;
	*) echo "copied as it stands; what has changed is found by a map when it is off" ;;
	esac
}

# rest_of DISK: what is left to do while the machine is down.
rest_of() {
	case ${kind[$1]}${no_bitmap[$1]:+,old} in
	lvm | thin | qcow2) echo "the last changes are sent, in seconds" ;;
	qcow2,old) echo "all of it is sent, at most $(human "${to_send[$1]}")$(time_for "${to_send[$1]}" "$line_rate")" ;;
	*) echo "$(human "${to_send[$1]}") are read on both sides$(time_for "${to_send[$1]}" "$read_rate")" ;;
	esac
}

sum_of_all() {
	local disk total=0

	for disk in "${disks[@]}" "${media[@]}"; do
		total=$((total + to_send[$disk]))
	done
	printf 'at most %s to send' "$(human "$total")"
	[ -z "$line_rate" ] || printf '%s at %s/s %s' "$(time_for "$total" "$line_rate")" "$(human "$line_rate")" "$line_source"
	echo
}

downtime_expected() {
	local disk seconds=0 known=true

	[ "$was_running" = running ] || { echo "it is off already" && return; }
	for disk in "${disks[@]}"; do
		! contains "$disk" "${later[@]}" || continue
		case ${kind[$disk]}${no_bitmap[$disk]:+,old} in
		lvm | thin | qcow2) ;;
		qcow2,old) wait_of "${to_send[$disk]}" "$line_rate" ;;
		*) wait_of "${to_send[$disk]}" "$read_rate" ;;
		esac
	done
	if ! $known; then
		echo "down for as long as that takes"
	elif [ "$seconds" -gt 0 ]; then
		echo "down for about $(duration "$seconds"), and while it shuts down and starts"
	else
		echo "down for seconds, while the last changes are sent"
	fi
}

# wait_of BYTES RATE: adds to $seconds; $known is false where that is not known.
wait_of() {
	if [ -n "$2" ]; then
		seconds=$((seconds + $1 / $2 + 1))
	else
		known=false
	fi
}
