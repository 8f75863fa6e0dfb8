# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The cost of a plan, in bytes, in time and in downtime, as it is shown before the operator
# agrees to it.

# to_send[DISK] is the most bytes that may cross; rates are in bytes a second, and empty if they are
# not known.
declare -A to_send=() no_bitmap=()
line_rate='' line_source='' read_rate=''

# estimate: measure only if somebody reads the result, since it takes two seconds.
estimate() {
	local disk

	for disk in "${disks[@]}" "${media[@]}"; do
		find_bytes "$disk"
	done
	line_rate='' read_rate=''
	if [ -n "$rate" ] && find_rate && [ "$parsed" -gt 0 ]; then
		line_rate=$parsed line_source='as --bwlimit says'
	elif [ "$command" = plan ] || ! $yes; then
		measure_line
		line_rate=$measured line_source='as measured'
		! several_lanes || line_source='as measured over one connection'
	fi
	if [ "$live" != yes ] && { [ "$command" = plan ] || ! $yes; }; then
		measure_reading
		read_rate=$measured
	fi
}

# find_bytes DISK: to_send[DISK] is what is allocated; holes are not sent.
find_bytes() {
	local disk=$1 bytes=${size[$1]} percent

	case ${kind[$disk]} in
	file | qcow2)
		! ask old '[0-9]{1,15} [0-9]{1,4}' stat -L -c '%b %B' -- "${source[$disk]}" ||
			bytes=$((10#${answer% *} * 10#${answer#* }))
		;;
	thin)
		percent='[0-9]{1,3}(\.[0-9]{1,9})?'
		! ask old "$percent" lvs --noheadings -o data_percent "${volume[$disk]}" ||
			bytes=$(awk -v size="${size[$disk]}" -v percent="$answer" 'BEGIN { printf "%.0f", size * percent / 100 }')
		;;
	esac
	[ "$bytes" -lt "${size[$disk]}" ] || bytes=${size[$disk]}
	to_send[$disk]=$bytes
}

# count_bytes: run as a script: count the bytes that come within some seconds after the first one;
# print their number, and the nanoseconds that they took.  Count in the pipe, and do not rely on
# what a program prints at its end, which changes with its version.
count_bytes='
head -c 1 >/dev/null
began=$(date +%s%N)
bytes=$(timeout "$1" cat | wc -c)
ended=$(date +%s%N)
echo "$bytes $((ended - began))"'

# measure_line: set $measured to how fast incompressible bytes get to the new host; empty if that is
# not known.
measured=''
measure_line() {
	local status=0

	# When the reader has had enough, the sender fails; only the reader's status counts.
	# shellcheck disable=SC2216
	{ on old timeout 3 cat /dev/urandom 2>/dev/null || true; } |
		brief feed new bash -c "$count_bytes" count-bytes 1.5 >"$private/measured" || status=$?
	rate_of new "$status"
}

# measure_reading: set $measured to the read rate of the first disk that must be read completely
# while the machine is down.
measure_reading() {
	local disk status=0

	measured=''
	for disk in "${disks[@]}"; do
		case ${kind[$disk]} in
		lvm | thin | qcow2) continue ;;
		esac
		brief on old bash -c 'dd "if=$2" bs=1M iflag=direct status=none 2>/dev/null | bash -c "$1" count-bytes 0.5' \
			read "$count_bytes" "${source[$disk]}" >"$private/measured" || status=$?
		rate_of old "$status"
		return
	done
}

# rate_of HOST STATUS: fill $measured from what count_bytes has printed.
rate_of() {
	local line=''

	measured=''
	[ "$2" != 255 ] || die "$(name_of "$1") cannot be asked (count-bytes)"
	IFS= read -r line <"$private/measured" || true
	[[ $line =~ ^([1-9][0-9]{0,17})\ ([1-9][0-9]{0,17})$ ]] || return 0
	measured=$(awk -v bytes="${BASH_REMATCH[1]}" -v time="${BASH_REMATCH[2]}" 'BEGIN { printf "%.0f", bytes / time * 1e9 }')
	[ "$measured" -gt 0 ] || measured=''
}

# --- for people -------------------------------------------------------------------

show_plan() {
	local disk

	estimate
	say "$vm ($uuid), $was_running, from $(name_of old) to $(name_of new)$(other_name):"
	for disk in "${disks[@]}"; do
		say "  $disk: $(human "${size[$disk]}") ${kind[$disk]} ${source[$disk]}"
		say "    becomes $(! is_thin_target "$disk" || echo 'thin ')${target_kind[$disk]} ${target[$disk]}$(where_within "$disk")$(more_of "$disk")"
		if [ "$live" = yes ]; then
			say "    while it runs: copied by libvirt, including what is written meanwhile"
			continue
		fi
		! is_up "$was_running" || say "    while it runs: $(way_of "$disk")"
		if contains "$disk" "${later[@]}"; then
			say "    when it runs on $(name_of new) without this disk: $(rest_of "$disk"); then it is plugged in"
		elif is_up "$was_running"; then
			say "    when it is off: $(rest_of "$disk")"
		fi
	done
	for disk in "${shared[@]}"; do
		say "  $disk: $(human "${size[$disk]}") ${kind[$disk]} ${source[$disk]}, shared by both hosts: it stays where it is"
	done
	for disk in "${swaps[@]}"; do
		say "  $disk: $(human "${size[$disk]}") ${kind[$disk]} ${source[$disk]}, not copied"
		say "    becomes ${target_kind[$disk]} ${target[$disk]}$(where_within "$disk"), empty swap with the same UUID and label"
	done
	show_assembled
	for disk in "${media[@]}"; do
		say "  $disk: $(human "${size[$disk]}") file ${source[$disk]}, in this drive"
		say "    becomes file ${target[$disk]}"
	done
	for disk in "${media_there[@]}"; do
		say "  $disk: ${target[$disk]}, which $(name_of new) has already"
	done
	for disk in "${skipped[@]}"; do
		say "  $disk: SKIPPED: it stays on $(name_of old), and $vm on $(name_of new) has no such disk"
	done
	show_parts
	show_memory
	! several_lanes || say "  over $lanes connections at a time for each disk"
	[ "${compress:-adapt}" = adapt ] || say "  compressed on the way: $compress"
	say "  in all: $(sum_of_all); $(downtime_expected)"
	show_xml_diff
}

# more_of DISK: ", of 40GiB: ...", or nothing if the target is as large as the disk.
more_of() {
	! is_larger "$1" || printf ', of %s: %s behind the end of the disk are zeros' "$(human "$(room_of "$1")")" \
		"$(human $(($(room_of "$1") - size[$1])))"
}

human() {
	numfmt --to=iec-i --suffix=B "$1"
}

# time_for BYTES RATE: ", about 3 min", or nothing if the rate is not known.
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
	qcow2) echo "copied by backup jobs of libvirt, with a bitmap of the changes" ;;
	qcow2,old) echo "nothing: an image of version 2 keeps no bitmap (qemu-img amend -o compat=1.1, when it is off)" ;;
	*) echo "copied in place; changes made meanwhile are found by comparing both sides when it is off" ;;
	esac
}

# rest_of DISK: print what remains to be done while the machine is down.
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
	is_up "$was_running" || { echo "it is off already${start:+, and is started there}" && return; }
	[ "$live" != yes ] || { echo "and its memory; $vm does not reboot" && return; }
	find_downtime
	if [ -z "$downtime_seconds" ]; then
		echo "down for as long as that takes"
	elif [ "$keep_memory" = yes ]; then
		downtime_with_memory "$downtime_seconds"
	elif [ "$downtime_seconds" -gt 0 ]; then
		echo "down for about $(duration "$downtime_seconds"), and while it shuts down and starts"
	else
		echo "down for seconds, while the last changes are sent"
	fi
}

# find_downtime: set $downtime_seconds to what the last pass takes, besides shutdown and start; empty
# where no rate is known.
downtime_seconds=''
find_downtime() {
	local disk speed seconds=0

	downtime_seconds=0
	is_up "$was_running" && [ "$live" != yes ] || return 0
	for disk in "${disks[@]}"; do
		! contains "$disk" "${later[@]}" || continue
		case ${kind[$disk]}${no_bitmap[$disk]:+,old} in
		lvm | thin | qcow2) continue ;;
		qcow2,old) speed=$line_rate ;;
		*) speed=$read_rate ;;
		esac
		if [ -z "$speed" ] || [ -z "${to_send[$disk]:-}" ]; then
			downtime_seconds=''
			return 0
		fi
		seconds=$((seconds + to_send[$disk] / speed + 1))
	done
	downtime_seconds=$seconds
}
