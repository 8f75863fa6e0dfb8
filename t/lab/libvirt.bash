# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two hosts, "old" and "new", each with a libvirtd and an sshd of its own, and a cable between
# them: `load ../helpers`, `load network`, `load libvirt`.
#
# A file starts them once and each of its tests finds them empty.  They share this machine's programs;
# each has its own processes, network, name, /etc, /var, /srv, /dev, /run and /tmp, and the
# programs under test in its PATH.  Their files lie in $lab/old and $lab/new, disks in images/,
# which is /var/lib/libvirt/images there.  Virtual machines are emulated, and /dev/kvm hidden.

lab_needs=(unshare nsenter setpriv ip ssh sshd ssh-keygen libvirtd virsh qemu-img
	qemu-system-x86_64 gcc ld python3)

# Further programs that tests need.
also_needed=()

setup_file() {
	start_hosts
}

teardown_file() {
	stop_hosts
}

setup() {
	require_hosts
	require "${also_needed[@]}"
	test_begin
	wipe_hosts
}

# start_hosts: start them for all tests of a file.
start_hosts() {
	local host

	[ "$(id -u)" = 0 ] && command -v "${lab_needs[@]}" >/dev/null || return 0
	BATS_TEST_TMPDIR='' test_begin
	export lab=$dir
	for host in old new; do
		mkdir -p "$lab/$host/ssh" "$lab/$host/shims" "$lab/$host/images"
	done
	make_boot_sector "$lab/bootvm"
	start_cable
	make_keys
	for host in old new; do
		build_host "$host"
	done
	for host in old new; do
		start_host "$host"
	done
}

stop_hosts() {
	dir=${lab:-} test_end
}

# require_hosts: call it in setup; it names what is missing.
require_hosts() {
	require_root "hosts"
	require "${lab_needs[@]}"
}

# One key for the user of both hosts, and a key for each host, which the other one knows.
make_keys() {
	local host

	ssh-keygen -q -t ed25519 -N '' -f "$lab/user"
	for host in old new; do
		chmod 700 "$lab/$host/ssh"
		cp "$lab/user" "$lab/user.pub" "$lab/$host/ssh"
		ssh-keygen -q -t ed25519 -N '' -C '' -f "$lab/$host/ssh/host"
		printf '%s %s\n' "$host" "$(cat "$lab/$host/ssh/host.pub")" >>"$lab/known"
	done
	for host in old new; do
		port=22
		(
			dir=$lab/$host
			PATH=$(host_path "$host")
			write_sshd_config | sed '/^ListenAddress/d' >"$dir/ssh/sshd_config"
			write_ssh_config | sed '
				s/^Host .*/Host old new/
				/^HostName /d
				s,^IdentityFile .*,IdentityFile ~/.ssh/id_ed25519,
				s,^UserKnownHostsFile .*,UserKnownHostsFile ~/.ssh/known_hosts,' >"$dir/ssh/config"
		)
		cp "$lab/known" "$lab/$host/ssh/known"
	done
}

host_path() {
	echo "$lab/$1/shims:$root/scripts:$PATH"
}

# build_host HOST: make its network and its disks, and boot it.
build_host() {
	at "$1" ip link add br0 type bridge
	at "$1" ip link set br0 up
	touch "$lab/$1/power"
	PROJECT=$root PATH=$(host_path "$1") background setpriv --pdeathsig KILL \
		nsenter --net="/proc/$(cat "$lab/$1.pid")/ns/net" \
		"$root/t/private" "$root/t/lab/libvirt-host" machine "$lab/$1" "$1"
}

# start_host HOST: boot it, and wait until its libvirtd answers.
start_host() {
	touch "$lab/$1/power"
	wait_for 60 on "$1" 'virsh list' || {
		cat "$lab/$1/"*.log
		return 1
	}
}

# lose_power HOST: kill all of its processes; start_host boots it again.
lose_power() {
	local init

	init=$(cat "$lab/$1/init")
	rm "$lab/$1/power"
	kill -KILL "$init"
	wait_for 10 gone "$init"
}

# on HOST COMMAND: run it there in a shell of root, in its home folder.
on() {
	PATH=$(host_path "$1") nsenter --target "$(cat "$lab/$1/init")" \
		--mount --root --net --pid --uts --ipc \
		env HOME=/var/home bash -o pipefail -c "cd; $2"
}

# wipe_hosts: remove all domains, disks, shims and state from both.
wipe_hosts() {
	local host

	for host in old new; do
		find "$lab/$host/shims" "$lab/$host/images" -mindepth 1 -delete
		on "$host" "$(declare -f wipe_host); wipe_host"
	done
}

wipe_host() {
	local uuid

	pkill -KILL -x 'blk.*|ssh|nc' || true
	for uuid in $(virsh list --all --uuid); do
		virsh destroy "$uuid"
		virsh undefine --nvram --managed-save --checkpoints-metadata --snapshots-metadata "$uuid"
	done >/dev/null 2>&1
	rm -rf /var/lib/blkmigrate /dev/lab
	find /tmp -mindepth 1 -maxdepth 1 -type f -delete
	[ ! -e /etc/lvm/of-the-lab ] || lvremove -q -q -y -S 'vg_name=~"vg|far"' || true
}

# shim HOST TOOL CODE: replace the tool by a program: bash code, which continues with the real
# tool unless it exits.
shim() {
	local tool

	tool=$(command -v "$2")
	# shellcheck disable=SC2016
	printf '#!/bin/bash\ntool=%q\n%s\nexec "$tool" "$@"\n' "$tool" "$3" >"$lab/$1/shims/$2"
	chmod +x "$lab/$1/shims/$2"
}

# start_volumes DISK DISK: make a volume group on each host: vg on old, and far, with larger
# extents, on new.  Both hosts share one kernel, so the names must differ.
start_volumes() {
	modprobe -a dm-mod dm-snapshot
	on old "$(declare -f start_group); start_group vg 1M $1"
	on new "$(declare -f start_group); start_group far 4M $2"
}

# Each host sees its own disk only; there is no udev.
start_group() {
	mkdir -p /etc/lvm
	cat >/etc/lvm/lvm.conf <<-EOC
		config { checks = 0 }
		devices {
			obtain_device_list_from_udev = 0
			use_devicesfile = 0
			external_device_info_source = "none"
			scan = [ "/dev" ]
			filter = [ "a|^$3\$|", "r|.*|" ]
		}
		activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
		global { use_lvmpolld = 0 notify_dbus = 0 }
		backup { backup = 0 archive = 0 }
	EOC
	vgcreate -q -s "$2" "$1" "$3"
	# wipe_host never removes another host's volumes.
	touch /etc/lvm/of-the-lab
}

# --- virtual machines ---------------------------------------------------------------

# The machine of bootvm.S counts on its disk; these are offsets there, in bytes.
make_boot_sector() {
	gcc -m32 -c -o "$1.o" "$root/t/lab/bootvm.S"
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$1" "$1.o"
}

# make_disk FILE [SIZE [SEED]]: make a disk that the machine boots from; it has data like a real
# disk between and behind the sectors that the machine writes.
make_disk() {
	make_image "$1" "${2:-16M}" "${3:-1}"
	dd if="$lab/bootvm" of="$1" conv=notrunc status=none
	dd if=/dev/zero of="$1" bs=512 seek=64 count=2 conv=notrunc status=none
}

# make_vm HOST NAME [KIND [SIZE]]: define a machine that is off.  Its disk, $disk on that host
# and of $size bytes, is a raw file, a qcow2 file, a block device, or, after start_volumes, an lvm
# volume in the group vg.
make_vm() {
	local host=$1 name=$2 kind=${3:-raw} images=$lab/$1/images

	case $kind in
	raw)
		disk=/var/lib/libvirt/images/$name.img
		make_disk "$images/$name.img" "${4:-16M}"
		;;
	qcow2)
		disk=/var/lib/libvirt/images/$name.qcow2
		make_disk "$images/raw" "${4:-16M}"
		qemu-img convert -f raw -O qcow2 "$images/raw" "$images/$name.qcow2"
		rm "$images/raw"
		;;
	lvm)
		disk=/dev/vg/$name
		make_disk disk.img "${4:-16M}"
		on "$host" "lvcreate -q -y -Wn -Zn -L ${4:-16M} -n $name vg &&
			dd of=$disk bs=1M oflag=direct iflag=fullblock status=none" <disk.img
		;;
	block)
		disk=/dev/lab/$name
		make_disk "$lab/$host/$name.device" "${4:-16M}"
		attach "$lab/$host/$name.device"
		on "$host" "mkdir -p /dev/lab && ln -s $device $(printf %q "$disk")"
		;;
	esac
	size=$(bytes "${4:-16M}")
	define "$host" "$name" "${kind/lvm/block}:$disk"
}

# define HOST NAME KIND:DISK ...: a domain with these disks, vda, vdb and so on; $xml, in the
# test's folder, is its definition.
define() {
	xml=$dir/$2.xml
	domain_xml "${@:2}" >"$xml"
	on "$1" 'cat >/tmp/define.xml && virsh -q define /tmp/define.xml' <"$xml"
}

domain_xml() {
	python3 - "$@" <<'EOP'
import sys, uuid
from xml.sax.saxutils import escape, quoteattr

name, disks = sys.argv[1], [disk.split(":", 1) for disk in sys.argv[2:]]

def disk_xml(number, kind, path):
    block = kind == "block"
    return f"""
    <disk type='{"block" if block else "file"}' device='disk'>
      <driver name='qemu' type='{"qcow2" if kind == "qcow2" else "raw"}' cache='none'/>
      <source {"dev" if block else "file"}={quoteattr(path)}/>
      <target dev='vd{"abcdefgh"[number]}' bus='virtio'/>
      <boot order='{number + 1}'/>
    </disk>"""

identity = uuid.uuid5(uuid.NAMESPACE_OID, name)
print(f"""<domain type='qemu'>
  <name>{escape(name)}</name>
  <uuid>{identity}</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>{
    "".join(disk_xml(i, *disk) for i, disk in enumerate(disks))}
    <interface type='bridge'>
      <mac address='52:54:00:{identity.hex[0:2]}:{identity.hex[2:4]}:{identity.hex[4:6]}'/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='/var/log/libvirt/{identity}.serial'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>""")
EOP
}

# state HOST NAME: print running, shut off, or nothing if there is no such domain.
state() {
	on "$1" "virsh domstate -- $(printf %q "$2") 2>/dev/null" | head -n 1
}

is_state() {
	[ "$(state "$1" "$2")" = "$3" ]
}

# count HOST DISK: set $count to the last count on a disk, and $started to the one that the
# machine started from; false, with a message, if a sector is torn or a slot is older than the
# count says.
count() {
	count=$(on "$1" "$(declare -f disk_head); disk_head $(printf %q "$2")" | last_count) &&
		read -r count started <<<"$count"
}

# Print the first 5 MiB of a disk in any format, even while it is in use.  Xen's writes to a
# device are not in its page cache.
disk_head() {
	local format=raw

	case $1 in
	*.qcow2) format=qcow2 ;;
	/dev/*)
		dd if="$1" bs=1M count=5 iflag=direct status=none
		return
		;;
	esac
	rm -f /tmp/head
	qemu-img dd -U -f "$format" -O raw bs=1M count=5 "if=$1" of=/tmp/head
	cat /tmp/head
}

last_count() {
	python3 -c '
import struct, sys
disk = sys.stdin.buffer.read()

def read(sector):
    numbers = struct.unpack("<128I", disk[sector * 512:sector * 512 + 512])
    if len(set(numbers)) != 1:
        sys.exit(f"sector {sector} is torn: {sorted(set(numbers))[:4]}")
    return numbers[0]

count = read(64)
for number in range(max(1, count - 1023), count + 1):
    slot = read(128 + number % 1024 * 8)
    if slot < number or (slot - number) % 1024:
        sys.exit(f"count {count}, but the slot of {number} says {slot}")
print(count, read(65))'
}

# counts_to HOST DISK NUMBER: wait until it has reached that.
counts_to() {
	local count started

	count "$1" "$2" && [ "$count" -ge "$3" ]
}

# is_counting HOST NAME NUMBER: it has counted that many since it was started.
is_counting() {
	[ "$(writes "$1" "$2")" -ge $((2 * $3)) ]
}

writes() {
	on "$1" "virsh domblkstat -- $(printf %q "$2") vda" | awk '$2 == "wr_req" { print $3 }'
}

# make_deaf HOST DISK: make the machine on that raw disk ignore the power button.
make_deaf() {
	on "$1" "printf '\\1' | dd of=$(printf %q "$2") bs=1 seek=445 conv=notrunc status=none"
}

# shut_down HOST NAME: shut it down as its administrator would.
shut_down() {
	on "$1" "virsh -q shutdown -- $(printf %q "$2")"
	wait_for 20 is_state "$1" "$2" 'shut off'
}
