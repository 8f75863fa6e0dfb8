# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A qcow2 file as the guest sees it: qemu-storage-daemon exports it as a file over FUSE while a copy
# lasts.  The daemon holds the image's lock, so no virtual machine can start on it meanwhile, and
# the image of a running one cannot be read.

# view_open DISK: set view[DISK] to what is read on the old host while the machine is off; with
# BITMAP, view[DISK].sock tells the ranges written since.
view_open() {
	local bitmap=${2:-} words=()

	[ "${kind[$1]}" = qcow2 ] || return 0
	view[$1]=$(state_of old)/$1.view
	[ -z "$bitmap" ] || words=(--nbd-server "addr.type=unix,addr.path=${view[$1]}.sock"
		--export "type=nbd,id=nbd,node-name=disk,name=disk,bitmaps.0=$bitmap")
	export_open old "${view[$1]}" '' off \
		--blockdev "driver=file,node-name=file,read-only=on,filename=${source[$1]//,/,,}" \
		--blockdev driver=qcow2,node-name=disk,file=file,read-only=on "${words[@]}"
}

# export_running DISK FILE: export the disk as the backup job shows it.
export_running() {
	export_open old "$2" '' off --blockdev \
		"driver=nbd,node-name=disk,read-only=on,server.type=unix,server.path=$(backup_socket),export=$1"
}

view_close() {
	[ "${kind[$1]}" = qcow2 ] || return 0
	export_close old "$(state_of old)/$1.view"
	unset "view[$1]"
}

# sink_open DISK: set sink[DISK] to what is written on the new host.
sink_open() {
	[ "${target_kind[$1]}" = qcow2 ] || return 0
	sink[$1]=$(state_of new)/$1.sink
	export_open new "${sink[$1]}" "${target[$1]}" on \
		--blockdev "driver=file,node-name=file,filename=${target[$1]//,/,,}" \
		--blockdev driver=qcow2,node-name=disk,file=file,discard=unmap ||
		die "$(name_of new): ${target[$1]} cannot be opened; is it in use?"
}

# sink_words DISK: set $sink_words to what a filter on the new host is called with: the target, or
# its export and the file that is behind that, and where a partition begins there; and
# $sink_limit to what keeps blkwrite to that partition, or to the disk's size in a larger file.
sink_words=() sink_limit=()
sink_words() {
	sink_words=("${target[$1]}")
	[ -z "${sink[$1]:-}" ] || sink_words=(--backing "${target[$1]}" "${sink[$1]}")
	sink_limit=()
	! ends_before "$1" || sink_limit=(-l "${size[$1]}")
	[ -n "${within[$1]:-}" ] || return 0
	sink_words=(-o "${offset[$1]}" "${sink_words[@]}")
	sink_limit=(-l "${size[$1]}")
}

# sink_close DISK: afterwards all that was written is in the image, and the image is flushed.
sink_close() {
	[ "${target_kind[$1]}" = qcow2 ] || return 0
	export_close new "$(state_of new)/$1.sink"
	unset "sink[$1]"
	act new sync -- "${target[$1]}" || die "$(name_of new): ${target[$1]} cannot be flushed"
}

# close_exports: close what an aborted copy left open.
close_exports() {
	local disk

	for disk in "${disks[@]}"; do
		[ "${kind[$disk]}" != qcow2 ] || export_clear old "$(state_of old)/$disk.view"
		[ "${target_kind[$disk]}" != qcow2 ] || export_clear new "$(state_of new)/$disk.sink"
	done
}

# export_open HOST FILE IMAGE WRITABLE OPTION ...: export the node called disk as that file, after
# removing what a killed run left, and dropping IMAGE, unless that is empty, from the page cache.
export_open() {
	local host=$1 file=$2 image=$3 writable=$4 words text

	shift 4
	export_clear "$host" "$file"
	words=(qemu-storage-daemon --daemonize --pidfile "$file.pid")
	words+=("$@" --export "type=fuse,id=fuse,node-name=disk,mountpoint=${file//,/,,},writable=$writable")
	text="touch $(quote "$file") && $(quote "${words[@]}")"
	[ -z "$image" ] || text="dd $(quote "if=$image") iflag=nocache count=0 status=none && $text"
	perform "$host" "$text" "$fresh_function"'
umask 077
mkdir -p "$(dirname "$1")"
: >"$1"
[ -z "$2" ] || fresh "$2"
shift 2
exec "$@" 9>&-' "$file" "$image" "${words[@]}" || return
	$dry_run || asks_yes "$host" bash -c 'mountpoint -q -- "$1" || exit 1' mountpoint "$file"
}

# export_close HOST FILE: close it, and wait until the daemon has exited.
export_close() {
	show "$1" "kill \"\$(cat $(quote "$2.pid"))\""
	export_clear "$@"
}

# export_clear HOST FILE: remove the remains of an export.
export_clear() {
	$dry_run || guarded "$1" bash -c '
exec 9>&-
file=$1
ours() {
	tr "\0" "\n" <"/proc/$pid/cmdline" | grep -qxF "$file.pid"
} 2>/dev/null
if pid=$(cat "$file.pid" 2>/dev/null) && ours; then
	kill "$pid"
	for ((i = 0; i < 600; i++)); do
		ours || break
		sleep 0.05
	done
	! ours || exit 1
fi
! mountpoint -q "$file" 2>/dev/null || umount "$file"
rm -f "$file" "$file.pid" "$file.sock" || [ ! -w "${file%/*}" ]' export-clear "$2" || die "$(name_of "$1"): the qemu-storage-daemon of $2 does not end"
}
