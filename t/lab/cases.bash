# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Helpers of the cases in the lab's guest.  A case is a function with a name that says what it
# shows; `try "the name" function` runs it in a shell of its own with errexit, in a fresh folder,
# and prints a line of TAP with the time that it took, and after a failure also its output.
# Whatever a case registers by at_end is undone afterwards, then its volumes are removed.
#
# Helpers that make a volume set $origin, $snapshot, $target or $volume to its path; $number
# counts cases, $failures those that failed.

# start_lvm DISK: make a volume group, vg, with extents of 1 MiB; there is no udev and no daemon.
start_lvm() {
	LVM_SYSTEM_DIR=$(mktemp -d /run/lvm.XXXXXX)
	export LVM_SYSTEM_DIR
	cat >"$LVM_SYSTEM_DIR/lvm.conf" <<-EOC
		config { checks = 0 }
		devices {
			obtain_device_list_from_udev = 0
			use_devicesfile = 0
			external_device_info_source = "none"
			scan = [ "/dev" ]
		}
		activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
		global { use_lvmpolld = 0 notify_dbus = 0 }
		backup { backup = 0 archive = 0 }
	EOC
	export LVM_SUPPRESS_FD_WARNINGS=1
	modprobe -a dm-mod dm-snapshot loop
	vgs vg &>/dev/null || vgcreate -q -s 1M vg "$1"
}

try() {
	local name=$1 status start=${EPOCHREALTIME/./} word='ok'

	shift
	number=$((number + 1))
	dir=$(mktemp -d /run/case.XXXXXX)
	: >"$dir/.end"
	# After || or in a condition errexit would have no effect, not even in the subshell.
	run_case "$@" >"$dir/.log" 2>&1
	status=$?
	tidy >>"$dir/.log" 2>&1
	if [ $status != 0 ]; then
		word='not ok'
		failures=$((failures + 1))
	fi
	echo "$word $number $name"
	echo "# $(((${EPOCHREALTIME/./} - start) / 1000)) ms, status $status"
	if [ $status = 0 ]; then
		sed -n 's/^figure: /# figure: /p' "$dir/.log"
	else
		sed 's/^/# /' "$dir/.log"
	fi
	rm -rf --one-file-system "$dir"
}

# Run it in its own process group, none of which outlives the case.
run_case() {
	local status=0 group watchdog

	set -m
	(
		set -eEuo pipefail +m
		trap 'echo "line $LINENO: $BASH_COMMAND"' ERR
		cd "$dir"
		"$@"
	) &
	group=$!
	{
		sleep 1800
		echo "the case hangs"
		kill -KILL -- "-$group"
	} &
	watchdog=$!
	set +m
	wait "$group" || status=$?
	kill -- "-$watchdog" 2>/dev/null
	kill -- "-$group" 2>/dev/null
	wait "$watchdog"
	return "$status"
}

# at_end COMMAND [ARGUMENT ...]: run when the case is over, the last one first.
at_end() {
	printf '%q ' "$@" >>"$dir/.end"
	echo >>"$dir/.end"
}

tidy() {
	local line

	cd / || return
	while IFS= read -r line; do
		eval "$line"
	done < <(tac "$dir/.end")
	if [ -n "$(lvs --noheadings vg)" ]; then
		lvremove -q -q -y vg
	fi
}

# figure TEXT: a measurement, for readers of the log.
figure() {
	echo "figure: $*"
}

# wait_for SECONDS COMMAND [ARGUMENT ...]: repeat it until it succeeds; false when time is up, which
# is ten times that: the guest is emulated, beside other work.
wait_for() {
	local end=$((SECONDS + 10 * $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# stop PID: end a process that the case has started, and wait for it.
stop() {
	kill "$1"
	wait "$1" || true
}

# --- volumes ----------------------------------------------------------------------

# make_volume NAME SIZE: in $volume.
make_volume() {
	lvcreate -q -y -Wn -Zn -L "$2" -n "$1" vg
	volume=/dev/vg/$1
}

# make_origin [SIZE]: with the bytes of before.img, in $origin.
make_origin() {
	make_volume origin "${1:-16M}"
	origin=$volume
	dd if="$before" of="$origin" bs=1M oflag=direct status=none
}

# make_snapshot [CHUNK [STORE [PERMISSION]]]: of the origin, read-only, with 8 MiB of store in
# chunks of 4 KiB, unless told; in $snapshot.
make_snapshot() {
	lvcreate -q -y -s -c "${1:-4k}" -L "${2:-8M}" -p "${3:-r}" -n old vg/origin
	snapshot=/dev/vg/old
}

# make_target [SIZE]: with other bytes, as a volume has that was made of used extents; in
# $target.
make_target() {
	make_volume target "${1:-16M}"
	target=$volume
	dd if="$after" of="$target" bs=1M count=4 seek=2 oflag=direct status=none
}

copy() {
	blkread "$1" | blkwrite "$2"
}

# make_pair [CHUNK [STORE [PERMISSION]]]: an origin with a snapshot, and a target with the snapshot's bytes.
make_pair() {
	make_origin
	make_snapshot "$@"
	make_target
	copy "$snapshot" "$target"
}

# change OFFSET LENGTH: the origin gets there the bytes of after.img; both in KiB, by fours.
change() {
	dd if="$after" of="$origin" bs=4K skip=$(($1 / 4)) seek=$(($1 / 4)) count=$(($2 / 4)) \
		iflag=direct oflag=direct conv=notrunc status=none
}

# revert OFFSET LENGTH: the origin gets the bytes of before.img back.
revert() {
	after=$before change "$@"
}

# patch [OPTION ...]: blkdiff straight into the target.
patch() {
	blkdiff "$@" | blkwrite --verify "$target"
}

# The remaining way if a snapshot is of no use.
patch_by_map() {
	blksum --map "$target" | blkdiff --map - "$origin" | blkwrite --verify "$target"
}

# same FILE FILE [LENGTH]
same() {
	local file sums

	for file in "$1" "$2"; do
		[ ! -b "$file" ] || blockdev --flushbufs "$file"
	done
	sums=$(blksum ${3:+-l "$3"} "$1" "$2")
	[ "$(cut -d ' ' -f 1 <<<"$sums" | sort -u | wc -l)" = 1 ] || {
		echo "differ: $sums"
		cmp "$1" "$2" || true
		return 1
	}
}

different() {
	if same "$@" >/dev/null 2>&1; then
		echo "the same, though they should differ: $*"
		return 1
	fi
}

# refused PATTERN COMMAND [ARGUMENT ...]: status 2, and one line that matches.
refused() {
	local pattern=$1 status=0

	shift
	"$@" >"$dir/out" 2>"$dir/err" || status=$?
	cat "$dir/err"
	[ $status = 2 ] || {
		echo "status $status"
		return 1
	}
	[ "$(wc -l <"$dir/err")" = 1 ]
	# shellcheck disable=SC2254
	case $(<"$dir/err") in
	$pattern) ;;
	*)
		echo "no match: $pattern"
		return 1
		;;
	esac
}

# listed ARGUMENT ...: "bytes ranges" as blkdiff --list has them in total.
listed() {
	blkdiff --list "$@" | sed -n 's/^# \([0-9]*\) ranges*, \([0-9]*\) bytes$/\2 \1/p'
}

# exceptions DEVICE: how many the kernel counts.
exceptions() {
	dmsetup status "$1" | awk '{
		split($4, sectors, "/")
		print (sectors[1] - $5) / chunk
	}' chunk="$(dmsetup table "$1" | awk '{ print $7 }')"
}
