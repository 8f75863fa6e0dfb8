#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Files of the host that a machine names and that are not copied: each is found, one that is missing on
# the new host is said, and one that may be written to has to be the same there.

load ../helpers
load migrate

setup() {
	test_begin
	require xsltproc xmllint
	mkdir -p host there
}

# found OS DEVICES [REST [CODE]]: what is in the way of a machine with that in its XML.  What is
# $dir/host/X on old is $dir/there/X on new.
found() {
	cat >source.xml <<-EOX
		<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>
		  <os><type>hvm</type>$1</os><devices>$2</devices>${3:-}
		</domain>
	EOX
	inside 'cp source.xml "$private/source.xml"
		name_of() { echo "$1"; }
		feed() {
			local host=$1
			shift
			[ "$host" = old ] || set -- "${@/#$PWD\/host/$PWD\/there}"
			"$@"
		}
		part_seen=([nvram]=yes)
		'"${4:-}"'
		check_files
		check_devices
		'"${5:-}"'
		printf "%s\n" "${problems[@]/#/problem: }" "${remarks[@]/#/remark: }" | sed "/^$/d"'
}

@test "what is read at the start has to be there; what differs is said" {
	for file in kernel initrd dtb slic rom fwcfg script; do
		echo "$file" >host/$file
	done
	os="<kernel>$dir/host/kernel</kernel><initrd>$dir/host/initrd</initrd><dtb>$dir/host/dtb</dtb><acpi><table type='slic'>$dir/host/slic</table></acpi>"
	devices="<interface type='bridge'><script path='$dir/host/script'/><rom file='$dir/host/rom'/></interface>"
	rest="<sysinfo type='fwcfg'><entry name='opt/x' file='$dir/host/fwcfg'/><entry name='opt/y'>/no/file</entry></sysinfo>"

	run -0 found "$os" "$devices" "$rest"
	for file in kernel initrd dtb slic rom fwcfg script; do
		[[ $output == *"problem: new has no $dir/host/$file, "*'copy it, or install the package that has it'* ]]
	done
	[ "$(grep -c ^problem <<<"$output")" = 7 ]
	cp host/* there
	[ -z "$(found "$os" "$devices" "$rest")" ]
	echo KERNEL >there/kernel
	echo longer >there/rom
	run -0 found "$os" "$devices" "$rest"
	[ "$output" = "remark: $dir/host/kernel, its kernel, is not the same on both hosts
remark: $dir/host/rom, the ROM of a device, is not the same on both hosts" ]
}

@test "firmware of another size does not fit the variables" {
	loader="<loader readonly='yes' type='pflash'>$dir/host/CODE.fd</loader><nvram template='$dir/host/VARS.fd'>$dir/host/web.fd</nvram>"
	echo 4M >host/CODE.fd
	echo 4m >there/CODE.fd

	run -0 found "$loader" ''
	[ "$output" = "remark: $dir/host/CODE.fd, its firmware, is not the same on both hosts
remark: new has no $dir/host/VARS.fd, the template of the firmware's variables, which is needed only to make them anew" ]
	echo 2048K >there/CODE.fd
	run -0 found "$loader" ''
	[[ $output == *"problem: $dir/host/CODE.fd, its firmware, has 6 bytes on new and 3 on old"* ]]
	rm there/CODE.fd
	run -0 found "$loader" '' '' 'part_seen=();'
	[[ $output == *"problem: new has no $dir/host/CODE.fd, its firmware"*"problem: new has no $dir/host/VARS.fd, the template"* ]]
	# One that may be written to is copied.
	[ -z "$(found "<loader type='pflash'>$dir/host/CODE.fd</loader>" '')" ]
}

@test "sockets and devices have to be there, and folders in which something is made" {
	mkdir host/logs
	touch host/socket host/random
	devices="<rng model='virtio'><backend model='random'>$dir/host/random</backend></rng>
		<interface type='vhostuser'><source type='unix' path='$dir/host/socket' mode='client'/></interface>
		<serial type='file'><source path='$dir/host/logs/serial'/><log file='$dir/host/logs/log'/></serial>
		<serial type='pipe'><source path='$dir/host/pipe'/></serial>
		<channel type='unix'><source mode='bind' path='/var/lib/libvirt/qemu/channel/target/x/agent'/></channel>
		<graphics type='vnc' socket='$dir/host/logs/vnc'/>"

	run -0 found '' "$devices"
	for file in random socket pipe; do
		[[ $output == *"problem: new has no $dir/host/$file, "* ]]
	done
	[ "$(grep -c "problem: new has no folder $dir/host/logs, where web has $dir/host/logs/" <<<"$output")" = 3 ]
	cp -r host/* there
	touch there/pipe.in
	[ -z "$(found '' "$devices")" ]
}

@test "a file that an unknown element or QEMU's command line names has to be the same, and to stay so" {
	echo state >host/state
	for rest in "<qemu:commandline><qemu:arg value='-drive'/><qemu:arg value='if=none,file=$dir/host/state,format=raw'/></qemu:commandline>" \
		"<qemu:commandline><qemu:arg value='-bios'/><qemu:arg value='$dir/host/state'/></qemu:commandline>" \
		"<qemu:commandline><qemu:arg value='{\"driver\":\"file\",\"filename\":\"$dir/host/state\"}'/></qemu:commandline>"; do
		rm -f there/state
		run -0 found '' '' "$rest"
		[[ $output == "problem: new has no file $dir/host/state, named on QEMU's command line, and it is not known here whether web writes to it"* ]]
		echo stale >there/state
		run -0 found '' '' "$rest"
		[[ $output == "problem: $dir/host/state, named on QEMU's command line, is not the same on both hosts"* ]]
		cp host/state there
		[ -z "$(found '' '' "$rest" '' 'parts_known=yes; copy_firmware')" ]
		run -2 found '' '' "$rest" '' 'parts_known=yes; sleep 0.01; echo STATE >host/state; copy_firmware'
		[[ $output == *"$dir/host/state, a file that it may write to, of web, was the same on both hosts, and is not any more"* ]]
		echo state >host/state
	done
	rm there/state
	run -0 found '' "<quantum><entangled with='$dir/host/state'/><note>$dir/host/none</note></quantum>"
	[[ $output == "problem: new has no file $dir/host/state, named by quantum/entangled, and it is not known"* ]]
	[ "$(grep -c ^problem <<<"$output")" = 1 ]
}

@test "a device on QEMU's command line is a disk that would not be copied" {
	attach 1M

	run -0 found '' '' "<qemu:commandline><qemu:arg value='file=$device'/></qemu:commandline>"

	[[ $output == "problem: QEMU's command line names the device $device, which is not copied"* ]]
}

@test "a folder or a device of the host is refused in whatever form it is written" {
	run -0 found '' "<filesystem><source dir='/x'/></filesystem><hostdev mode='subsystem'/>"
	[[ $output == *'problem: web has a device of the host passed through'*'problem: web has a folder of the host'* ]]
	run -0 found '' "<interface type='hostdev'/><shmem name='x'/><interface type='direct'><source dev='nothere0' mode='bridge'/></interface>"
	[[ $output == *'problem: new has no network device nothere0'*'remark: an interface of web is a device of the host'*'remark: web shares memory with others on old'* ]]
}

@test "drives: what is kept has to be there, and a floppy that may be written to is not kept" {
	touch host/disc.iso host/floppy.img
	disc="<disk type='file' device='cdrom'><source file='$dir/host/disc.iso'/><target dev='sda'/><readonly/></disk>"
	floppy="<disk type='file' device='floppy'><source file='$dir/host/floppy.img'/><target dev='fda'/></disk>"

	run -0 found '' "$disc$floppy"
	[ "$output" = 'remark: drives with media will be empty; --keep-media keeps what new has, --copy-media copies it' ]
	run -0 found '' "$disc" '' 'drives=keep;'
	[[ $output == "problem: new has no $dir/host/disc.iso, which is in a drive"* ]]
	cp host/* there
	[ -z "$(found '' "$disc<disk device='cdrom'><target dev='sdb'/></disk>" '' 'drives=keep;')" ]
	run -0 found '' "$floppy" '' 'drives=keep;'
	[[ $output == "problem: web may write to what is in the drive fda, $dir/host/floppy.img, which is not copied"* ]]
	[ -z "$(found '' "${floppy/<target/<readonly\/><target}" '' 'drives=keep;')" ]
	run -0 found '' "$disc$floppy" '' 'drives=copy;'
	[ "$output" = "remark: what is in a floppy drive, $dir/host/floppy.img, is not copied; the drive will be empty" ]
}
