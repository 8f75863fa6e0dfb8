#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What blkmigrate reads from the XML of a domain, and how it rewrites it.

load ../helpers

setup() {
	test_begin
	require xsltproc xmllint
	here=$root/scripts/blkmigrate.d
	private=$dir
	. "$here/machine/xml.bash"
	cp "$root/t/files/libvirt/full.xml" source.xml
}

# changed FILE: the lines that differ from the source's.
changed() {
	rewrite source.xml same.xml keep </dev/null
	diff same.xml "$1" | grep '^[<>] *[^ ]'
}

@test "disks: eight lines for each, in order, whatever is in the names" {
	run -0 xsltproc --nonet "$here/machine/disks.xsl" source.xml

	[ "$output" = "vda
disk
block
raw
/dev/vg/web



vdb
disk
file
qcow2
/srv/it's \"data\" \$(x) ä.qcow2



vdc
disk
volume


images
swap.img

sda
cdrom
file
raw
/srv/debian.iso



sdb
cdrom
file





vdd
disk
network
raw



shareable auth " ]
}

@test "disks: a line feed in a name does not make two of it" {
	run -0 xsltproc --nonet "$here/machine/disks.xsl" "$root/t/files/libvirt/line-feed.xml"

	[ "${lines[3]}" = $'/srv/a\xef\xbf\xbdvdb' ]
}

@test "rewrite: without anything to change nothing changes" {
	rewrite source.xml same.xml keep </dev/null

	[ "$(xmllint --c14n source.xml)" = "$(xmllint --c14n same.xml)" ]
}

@test "rewrite: only type, format and path of a disk that moves" {
	place vda file qcow2 "/srv/a \"b\" 'c' & <d> \$(e).qcow2" | rewrite source.xml target.xml keep

	[ "$(xml_value '/domain/devices/disk[1]/source/@file' target.xml)" = "/srv/a \"b\" 'c' & <d> \$(e).qcow2" ]
	[ "$(changed target.xml)" = '<     <disk type="block" device="disk">
<       <driver name="qemu" type="raw" cache="none" io="native" discard="unmap"/>
<       <source dev="/dev/vg/web"/>
<       <backingStore/>
'">     <disk type=\"file\" device=\"disk\">
>       <driver name=\"qemu\" type=\"qcow2\" cache=\"none\" io=\"native\" discard=\"unmap\"/>
>       <source file=\"/srv/a &quot;b&quot; 'c' &amp; &lt;d&gt; \$(e).qcow2\"/>" ]
}

@test "rewrite: a file becomes a volume, and keeps the rest of its source element" {
	place vdb block raw /dev/vg/data | rewrite source.xml target.xml keep

	[ "$(xml_value '/domain/devices/disk[2]/@type' target.xml)" = block ]
	[ "$(xml_value '/domain/devices/disk[2]/source/@dev' target.xml)" = /dev/vg/data ]
	[ "$(xml_value '/domain/devices/disk[2]/source/@startupPolicy' target.xml)" = optional ]
	[ "$(xml_value '/domain/devices/disk[2]/source/seclabel/@relabel' target.xml)" = no ]
	[ -z "$(xml_value '/domain/devices/disk[2]/source/@file' target.xml)" ]
}

@test "rewrite: a volume of a pool becomes a file, with a driver" {
	place vdc file raw /srv/swap.img | rewrite source.xml target.xml keep

	[ "$(xml_value '/domain/devices/disk[3]/@type' target.xml)" = file ]
	[ "$(xml_value '/domain/devices/disk[3]/driver/@type' target.xml)" = raw ]
	[ "$(xml_value '/domain/devices/disk[3]/source/@file' target.xml)" = /srv/swap.img ]
	[ -z "$(xml_value '/domain/devices/disk[3]/source/@pool' target.xml)" ]
}

@test "rewrite: a skipped disk is left out, and all others stay" {
	echo '<drop dev="vdb"/>' | rewrite source.xml target.xml keep

	[ "$(xml_values '/domain/devices/disk/target/@dev' target.xml | xargs)" = 'vda vdc sda sdb vdd' ]
	[ -z "$(changed target.xml | grep '^>')" ]
}

@test "rewrite: another name and UUID, in the firmware's tables as well, and nothing else" {
	sed -i "s,<devices>,<sysinfo type='smbios'><system><entry name='uuid'>6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2c</entry><entry name='family'>x</entry></system></sysinfo>&," source.xml

	echo '<identity name="a &lt;b&gt;" uuid="1-2-3"/>' | rewrite source.xml target.xml keep

	[ "$(xml_value /domain/name target.xml)" = 'a <b>' ]
	[ "$(xml_value /domain/uuid target.xml)" = 1-2-3 ]
	[ "$(xml_value /domain/sysinfo/system target.xml)" = 1-2-3x ]
	[ "$(changed target.xml | grep -c '^>')" = 3 ]
}

@test "rewrite: drives are emptied, and stay" {
	rewrite source.xml target.xml empty </dev/null

	[ "$(changed target.xml)" = '<       <source file="/srv/debian.iso"/>' ]
	[ "$(xml_value 'count(/domain/devices/disk)' target.xml)" = 6 ]
}

@test "rewrite: bridges and networks get the names that they have on the other host" {
	printf '<net from="br0" to="br7"/>\n<net from="default" to="lan"/>\n' |
		rewrite source.xml target.xml keep

	[ "$(changed target.xml)" = '<       <source bridge="br0"/>
>       <source bridge="br7"/>
<       <source network="default"/>
>       <source network="lan"/>' ]
}

@test "a fence: no disk is where it was, and none may be left out at the start" {
	disks=(vda vdb) swaps=(vdc)
	declare -A address=([new]='root@[fe80::1]')
	id=0123456789ab

	make_fenced_xml

	[ "$(disk_paths fenced.xml | sed '$d')" = "vda /nonexistent/blkmigrate-0123456789ab/moved-to-root@_fe80__1_/vda
vdb /nonexistent/blkmigrate-0123456789ab/moved-to-root@_fe80__1_/vdb
vdc /nonexistent/blkmigrate-0123456789ab/moved-to-root@_fe80__1_/vdc" ]
	[ -z "$(xml_value '/domain/devices/disk[2]/source/@startupPolicy' fenced.xml)" ]
}

@test "the XML that is shown has no password in it" {
	run -0 xsltproc --nonet "$here/machine/mask.xsl" source.xml

	[[ $output != *sesame* ]]
	[ "$(grep -o '"\*\*\*"' <<<"$output" | wc -l)" = 4 ]
	[[ $output == *'passwdValidTo='* ]]
}

@test "values come out as they are, one to a line" {
	[ "$(xml_value /domain/name source.xml)" = "it's \"all\" <of> it & ä" ]
	[ "$(xml_values '/domain/devices/interface/mac/@address' source.xml)" = $'52:54:00:11:22:33\n52:54:00:11:22:44' ]
	[ -z "$(xml_values /domain/devices/nothing source.xml)" ]
}

@test "a kernel for the first start: its line may have commas, and nothing else of the machine changes" {
	. "$here/machine/firstboot.bash"
	cp source.xml target.xml
	first_boot='kernel=/boot/a "b",initrd=/boot/c'"'"'s,cmdline=console=ttyS0,115200 root=UUID=1 & <x>,initrd=no'

	make_first_boot_xml

	[ "$(xml_value /domain/os/kernel first-boot.xml)" = '/boot/a "b"' ]
	[ "$(xml_value /domain/os/initrd first-boot.xml)" = "/boot/c's" ]
	[ "$(xml_value /domain/os/cmdline first-boot.xml)" = 'console=ttyS0,115200 root=UUID=1 & <x>,initrd=no' ]
	[ "$(changed first-boot.xml | grep -c '^<')" -le 1 ]
	first_boot=kernel=/boot/a
	make_first_boot_xml
	[ "$(xml_value 'count(/domain/os/initrd | /domain/os/cmdline)' first-boot.xml)" = 0 ]
}
