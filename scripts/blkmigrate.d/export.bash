# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A qcow2 file as the guest sees it: a file over FUSE, of a qemu-storage-daemon, for as long
# as a copy lasts.  It holds the image's lock, so no virtual machine starts meanwhile, and
# none that runs is read.

# view_open DISK: view[DISK] is what is read on the old host.
view_open() {
	[ "${kind[$1]}" = qcow2 ] || return 0
	view[$1]=$(state_of old)/$1.view
	export_open old "${source[$1]}" "${view[$1]}" off ||
		die "$(name_of old): ${source[$1]} cannot be opened; is it in use?"
}

view_close() {
	[ "${kind[$1]}" = qcow2 ] || return 0
	export_close old "$(state_of old)/$1.view"
	unset "view[$1]"
}

# sink_open DISK: sink[DISK] is what is written on the new host.
sink_open() {
	[ "${target_kind[$1]}" = qcow2 ] || return 0
	sink[$1]=$(state_of new)/$1.sink
	export_open new "${target[$1]}" "${sink[$1]}" on ||
		die "$(name_of new): ${target[$1]} cannot be opened; is it in use?"
}

# sink_close DISK: what was written is in the image then, and the image on the medium.
sink_close() {
	[ "${target_kind[$1]}" = qcow2 ] || return 0
	export_close new "$(state_of new)/$1.sink"
	unset "sink[$1]"
	act new sync -- "${target[$1]}" || die "$(name_of new): ${target[$1]} cannot be flushed"
}

# export_open HOST IMAGE FILE WRITABLE: what a run that was killed has left goes first.
export_open() {
	local image=${2//,/,,} readonly=on

	[ "$4" = off ] || readonly=off
	export_close "$1" "$3"
	act "$1" bash -c 'set -e
umask 077
mkdir -p "$(dirname "$1")"
: >"$1"
exec qemu-storage-daemon --daemonize --pidfile "$1.pid" --blockdev "$2" --blockdev "$3" \
	--export "type=fuse,id=disk,node-name=disk,mountpoint=${1//,/,,},writable=$4" 9>&-' \
		export-open "$3" "driver=file,node-name=file,read-only=$readonly,filename=$image" \
		"driver=qcow2,node-name=disk,file=file,read-only=$readonly,discard=unmap" "$4" || return
	$dry_run || on "$1" mountpoint -q "$3"
}

# export_close HOST FILE: and the daemon has ended.
export_close() {
	act "$1" bash -c '
exec 9>&-
pid=$(cat "$1.pid" 2>/dev/null) || exit 0
if tr "\\0" "\\n" <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF "$1.pid"; then
	kill "$pid"
	for ((i = 0; i < 600; i++)); do
		[ -e "/proc/$pid/cmdline" ] && grep -q . "/proc/$pid/cmdline" || break
		sleep 0.05
	done
	grep -qs . "/proc/$pid/cmdline" && exit 1
fi
! mountpoint -q "$1" 2>/dev/null || umount "$1"
rm -f "$1" "$1.pid"' export-close "$2" || die "$(name_of "$1"): the qemu-storage-daemon of $2 does not end"
}
