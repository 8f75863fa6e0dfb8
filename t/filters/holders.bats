#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Who holds a disk, whichever name it was opened by: what blkwrite refuses, what blkread and
# blkdiff say.  The stacks are of loop devices and partitions; t/lab has device-mapper, nbd and a
# running QEMU.

load ../helpers

setup() {
	test_begin
	make_image image 3M
	blkread image >stream
}

# second_node DEVICE: another node of it, $node, as a QEMU of libvirt has in its own /dev.
second_node() {
	node=$(mktemp -u "$dir/node.XXXXXX")
	mknod "$node" b $((0x$(stat -c %t "$1"))) $((0x$(stat -c %T "$1")))
}

# hold MODE FILE [PROGRAM]: a process, $pid, that has the file open with the shell's redirection
# <, <> or >>, and is called PROGRAM.
hold() {
	local program=${3:-holder}

	mkdir -p programs
	[ -e "programs/$program" ] || cp "$(type -P sleep)" "programs/$program"
	case $1 in
	'<') background "programs/$program" 600 4<"$2" ;;
	'<>') background "programs/$program" 600 4<>"$2" ;;
	'>>') background "programs/$program" 600 4>>"$2" ;;
	esac
	wait_for 10 is_program "$pid" "$program"
}

is_program() {
	[ "$(readlink "/proc/$1/exe")" = "$dir/programs/$2" ]
}

# refused MESSAGE COMMAND ...: with status 2 and that line.
refused() {
	local message=$1

	shift
	run -2 --separate-stderr "$@"
	[ "$stderr" = "blkwrite: $message" ] || {
		echo "$stderr"
		return 1
	}
}

# held NAME [AS]: how it is refused as what $pid holds.
held() {
	echo "$1: in use: holder (process $pid) holds it open for writing${2:+, as $2}; --force writes it anyway"
}

stale_disk() {
	head -c "$(bytes "$1")" /dev/zero | tr '\0' '\252' >disk
	cp disk before
}

@test "a device that is held by another of its nodes is refused, by a reader it is not" {
	stale_disk 3M
	attach "$dir/disk"
	second_node "$device"
	hold '<>' "$node"

	refused "$(held "$device")" blkwrite "$device" <stream
	cmp disk before
	stop "$pid"
	hold '<' "$node"
	blkwrite "$device" <stream
	cmp disk image
}

@test "a QEMU that reads it is refused as well, by which node it may" {
	stale_disk 3M
	attach "$dir/disk"
	second_node "$device"
	hold '<' "$node" qemu-system-x86_64

	refused "$device: in use: qemu-system-x86_64 (process $pid) holds it open; --force writes it anyway" \
		blkwrite "$device" <stream
	cmp disk before
	stop "$pid"
	hold '<>' "$node" qemu-kvm
	refused "$device: in use: qemu-kvm (process $pid) holds it open for writing; --force writes it anyway" \
		blkwrite "$device" <stream
	cmp disk before
}

@test "a file that is held by another of its names is refused" {
	stale_disk 3M
	ln disk other
	ln -s other link

	for name in disk other link; do
		hold '>>' "$name"
		refused "$(held disk)" blkwrite disk <stream
		refused "$(held link)" blkwrite link <stream
		stop "$pid"
	done
	cmp disk before
	blkwrite link <stream
	cmp disk image
}

@test "--force writes it, and says what is given up" {
	stale_disk 3M
	hold '<>' disk

	run -0 --separate-stderr blkwrite --force disk <stream

	[ "$stderr" = "blkwrite: disk: --force: holder (process $pid) holds it open for writing: its writes and ours destroy each other" ]
	cmp disk image
}

@test "a loop device whose file is held is refused, and one that shows the same bytes as one that is held" {
	local whole

	stale_disk 4M
	attach "$dir/disk"
	whole=$device
	hold '<>' disk
	refused "$(held "$whole" "the file behind it")" blkwrite "$whole" <stream
	stop "$pid"
	device=$(losetup --find --show --offset 1M "$dir/disk")
	at_end detach "$device" "$dir/disk"

	hold '<>' "$device"
	refused "$(held "$whole" "$device")" blkwrite "$whole" <stream
	refused "$(held "$whole" "$device")" blkwrite -o 1M -l 3M "$whole" <stream
	cmp disk before
	run -0 --separate-stderr blkwrite -r -l 1M "$whole" < <(head -c 1M image)
	cmp -n 1048576 disk image
	cmp -i 1048576 disk before
}

@test "LVM, which writes its metadata to a disk, does not hold the volumes on it" {
	stale_disk 3M
	attach "$dir/disk"
	hold '<>' disk lvm

	run -0 --separate-stderr blkwrite "$device" <stream
	[ "$stderr" = "" ]
	cmp disk image
	stop "$pid"
	hold '<>' "$device" lvm
	refused "$device: in use: lvm (process $pid) holds it open for writing; --force writes it anyway" \
		blkwrite "$device" <stream
}

@test "a partition that is held: its disk is refused, its neighbour is not" {
	local disk

	require sfdisk partx
	truncate -s 16M disk
	printf '2048,8192\n10240,8192\n' | sfdisk -q disk
	cp disk before
	attach "$dir/disk"
	disk=$device
	add_partitions "$disk"
	wait_for 5 test -b "${disk}p2" || skip "needs partition nodes"
	second_node "${disk}p1"
	hold '<>' "$node"

	refused "$(held "$disk" "${disk}p1")" blkwrite "$disk" <stream
	refused "$(held "${disk}p1")" blkwrite "${disk}p1" <stream
	cmp disk before
	blkwrite "${disk}p2" <stream 2>/dev/null
	cmp -n 3145728 "${disk}p2" image
	run -0 --separate-stderr blkwrite -o 5M -l 4M "$disk" <stream
	stop "$pid"
	second_node "$disk"
	hold '<>' "$node"
	refused "$(held "${disk}p2" "$disk")" blkwrite "${disk}p2" <stream
}

@test "a loop device that is attached to a partition of the disk is named" {
	local disk

	require sfdisk partx
	truncate -s 16M disk
	printf '2048,8192\n10240,8192\n' | sfdisk -q disk
	attach "$dir/disk"
	disk=$device
	add_partitions "$disk"
	wait_for 5 test -b "${disk}p2" || skip "needs partition nodes"
	attach "${disk}p1"

	refused "$disk: in use: attached to $device (losetup -d detaches it); --force writes it anyway" \
		blkwrite "$disk" <stream
}

@test "a file system that is mounted from another loop device over the file is named, in any namespace" {
	local target

	require mkfs.ext4
	truncate -s 4M disk
	mkfs.ext4 -q disk
	attach "$dir/disk"
	target=$device
	attach "$dir/disk"
	mkdir mnt
	mount -o ro "$device" mnt
	at_end eval "! mountpoint -q '$dir/mnt' || umount '$dir/mnt'"

	refused "$target: in use: mounted at $dir/mnt, as $device; --force writes it anyway" \
		blkwrite "$target" <stream
	umount mnt
	# shellcheck disable=SC2016 # for the other shell
	background unshare --mount bash -c 'mount "$1" mnt && : >mounted && exec sleep 600' mounter "$device"
	wait_for 10 test -e mounted
	refused "$target: in use: mounted at $dir/mnt, as $device; --force writes it anyway" \
		blkwrite "$target" <stream
}

@test "who has come to hold it while it was written keeps it from being completed: image" {
	stale_disk 3M
	attach "$dir/disk"
	second_node "$device"
	mkfifo fifo
	exec 7<>fifo
	background blkwrite "$device" <fifo 7>&- 2>said
	writer=$pid
	head -c 2M stream >&7
	wait_for 20 is_zero disk 0 1048576
	hold '<>' "$node"
	tail -c +2097153 stream >&7
	exec 7>&-
	status=0
	wait "$writer" || status=$?

	[ "$status" = 2 ]
	[[ $(<said) == "blkwrite: $device: came into use while it was written: holder (process $pid) holds it open for writing ($device is incomplete: its first MiB is zero, byte 3145727 is the last known to be on the medium)" ]]
	is_zero disk 0 1048576
}

@test "who has come to hold it while it was written keeps it from being completed: delta, file, loop" {
	cp image disk
	patch_bytes disk 0 aabbcc
	patch_bytes disk 2000000 aabbcc
	cp disk before
	blkdiff disk image >delta
	mkfifo fifo
	exec 7<>fifo
	background blkwrite disk <fifo 7>&- 2>said
	writer=$pid
	head -c 100 delta >&7
	wait_for 20 eval "ls -l /proc/$writer/fd | grep -q '$dir/disk'"
	attach "$dir/disk"
	tail -c +101 delta >&7
	exec 7>&-
	status=0
	wait "$writer" || status=$?

	[ "$status" = 2 ]
	[[ $(<said) == "blkwrite: disk: came into use while it was written: attached to $device (losetup -d detaches it)"* ]]
	cmp -n 3 disk before
	run -1 cmp -s disk image
}

# The process goes when blkwrite is seen to wait for it.
@test "a program that only passes by is no holder" {
	require strace
	stale_disk 3M
	# shellcheck disable=SC2016 # for the other shell
	background bash -c 'exec 4<>disk; : >opened; until grep -qs nanosleep calls; do sleep 0.01; done'
	wait_for 10 test -e opened

	run -0 --separate-stderr strace -qq -f -o calls -e trace=clock_nanosleep,nanosleep \
		-e inject=clock_nanosleep,nanosleep:delay_exit=3000000:when=1 blkwrite disk <stream

	[ "$stderr" = "" ]
	cmp disk image
}

@test "what may not be looked at is said, of a device" {
	require setpriv unshare
	stale_disk 3M
	attach "$dir/disk"
	chmod 755 .
	chown 65534 disk "$device"
	at_end chown 0 "$device"

	run -0 --separate-stderr setpriv --reuid=65534 --clear-groups "$BIN/blkwrite" "$device" <stream
	[[ $stderr == "blkwrite: $device: whether it is in use is not known: the open files of "*" processes could not be looked at, only root may" ]]
	run -0 --separate-stderr unshare --pid --fork --mount-proc blkwrite "$device" <stream
	[ "$stderr" = "blkwrite: $device: whether it is in use is not known: processes outside of this container cannot be looked at" ]
	cmp disk image
}

@test "what may not be looked at is said of a file only where it is another's" {
	require setpriv
	require_root "other users"
	stale_disk 3M
	chmod 777 .
	chown 65534 disk

	run -0 --separate-stderr setpriv --reuid=65534 --clear-groups "$BIN/blkwrite" disk <stream
	[ "$stderr" = "" ]
	chown 0 disk
	chmod 666 disk
	run -0 --separate-stderr setpriv --reuid=65534 --clear-groups "$BIN/blkwrite" disk <stream
	[[ $stderr == "blkwrite: disk: whether it is in use is not known: the open files of "*", only root may" ]]
}

# warned NAME WHAT [RESULT]: what a program says of a source that may change.
warned() {
	echo "$1: $2: the ${3:-copy} may be torn (read a snapshot; --live if it is meant)"
}

@test "blkread and blkdiff say that their source is held for writing, by another name too, and go on" {
	stale_disk 3M
	attach "$dir/disk"
	second_node "$device"
	hold '<>' "$node"

	run -0 --separate-stderr blkread "$device"
	[ "$stderr" = "blkread: $(warned "$device" "holder (process $pid) holds it open for writing")" ]
	run -0 --separate-stderr blkdiff image "$device"
	[ "$(no_cache_note <<<"$stderr")" = "blkdiff: $(warned "$device" "holder (process $pid) holds it open for writing" delta)" ]
	run -0 --separate-stderr blkread disk
	[ "$stderr" = "blkread: $(warned disk "holder (process $pid) holds it open for writing, as $device")" ]
	run -0 --separate-stderr blkread --live "$device"
	[ "$stderr" = "" ]
	run -0 --separate-stderr blkdiff --live image "$device"
	[ "$(no_cache_note <<<"$stderr")" = "" ]
	run -0 --separate-stderr blkdiff --list image "$device"
	[ "$(no_cache_note <<<"$stderr")" = "" ]
	stop "$pid"
	hold '<' "$node" qemu-kvm
	run -0 --separate-stderr blkread "$device"
	[ "$stderr" = "" ]
}

@test "blkread says that its source is mounted read-write, of a partition only where it is read" {
	local disk

	require sfdisk partx mkfs.ext4
	truncate -s 16M disk
	printf '2048,8192\n10240,8192\n' | sfdisk -q disk
	attach "$dir/disk"
	disk=$device
	add_partitions "$disk"
	wait_for 5 test -b "${disk}p2" || skip "needs partition nodes"
	mkfs.ext4 -q "${disk}p1"
	mkdir mnt
	mount "${disk}p1" mnt
	at_end umount "$dir/mnt"

	run -0 --separate-stderr blkread "${disk}p1"
	[ "$stderr" = "blkread: $(warned "${disk}p1" "mounted read-write at $dir/mnt")" ]
	run -0 --separate-stderr blkread "$disk"
	[ "$stderr" = "blkread: $(warned "$disk" "mounted read-write at $dir/mnt, as ${disk}p1")" ]
	run -0 --separate-stderr blkread disk
	[ "$stderr" = "blkread: $(warned disk "mounted read-write at $dir/mnt, as ${disk}p1")" ]
	run -0 --separate-stderr blkread "${disk}p2"
	[ "$stderr" = "" ]
	run -0 --separate-stderr blkread -o 5M "$disk"
	[ "$stderr" = "" ]
	mount -o remount,ro mnt
	run -0 --separate-stderr blkread "$disk"
	[ "$stderr" = "" ]
}

@test "blkread says what may not be looked at, of a device" {
	require setpriv
	stale_disk 3M
	attach "$dir/disk"
	chmod 755 .
	chown 65534 "$device"
	at_end chown 0 "$device"

	run -0 --separate-stderr setpriv --reuid=65534 --clear-groups "$BIN/blkread" "$device"
	[[ $stderr == "blkread: $device: whether it is written to is not known: the open files of "*", only root may" ]]
	run -0 --separate-stderr setpriv --reuid=65534 --clear-groups "$BIN/blkread" --live "$device"
	[ "$stderr" = "" ]
	run -0 --separate-stderr setpriv --reuid=65534 --clear-groups "$BIN/blkread" disk
	[ "$stderr" = "" ]
}

@test "what could not be looked at again at the end is said" {
	stale_disk 3M
	mkfifo fifo
	exec 7<>fifo
	background blkwrite disk <fifo 7>&- 2>said
	head -c 2M stream >&7
	wait_for 20 is_zero disk 0 1048576
	# Where the kernel can confine it, a child looks for it; where not, nothing hinders it.
	want=''
	if pgrep -P "$pid" >child; then
		kill -KILL "$(cat child)"
		want="blkwrite: disk: whether it came into use meanwhile is not known: the process that looks at the open files of others has ended"
	fi
	tail -c +2097153 stream >&7
	exec 7>&-
	wait "$pid"

	[ "$(cat said)" = "$want" ]
	cmp disk image
}
