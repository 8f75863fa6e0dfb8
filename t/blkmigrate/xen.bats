#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Xen machine as the source: its rewritten XML, the output of xl, and the changes to files. xl
# and libvirt's Xen driver run in t/lab/xen.bats only; their output here was recorded there.

load ../helpers
load migrate

setup() {
	test_begin
	require xsltproc xmllint
	mkdir auto xen state
	cp "$root/t/files/xen/pv.cfg" xen/db.cfg
	xen='xen_config=$PWD/xen/db.cfg xen_auto=$PWD/auto vm=db'
}

# convert NAME [PARAMETER VALUE ...]: that file, or $native, in source.xml.
convert() {
	local file=$root/t/files/xen/$1.xml parameters=()

	shift
	while [ $# -gt 0 ]; do
		parameters+=(--stringparam "$1" "$2")
		shift 2
	done
	xsltproc --nonet "${parameters[@]}" "$root/scripts/blkmigrate.d/machine/xen.xsl" "${native:-$file}" >source.xml
}

# value XPATH: all that it finds, in a line.
value() {
	xmllint --nonet --xpath "$1" source.xml | xargs
}

# xl_says LIST [ID]: make db a domain with this ID, or none, and LIST the output of xl list.
xl_says() {
	mkdir -p bin
	cat >bin/xl <<-EOX
		#!/bin/bash
		echo "\$*" >>"$dir/calls"
		case "\$*" in
		"domid db") [ -n "${2:-}" ] && echo "${2:-}" || { echo "db is an invalid domain identifier (rc=-6)" >&2; exit 1; } ;;
		list*) cat "$dir/list" ;;
		esac
	EOX
	echo "$1" >list
	chmod +x bin/xl
	PATH=$dir/bin:$PATH
}

@test "a paravirtual machine gets virtio, a serial console and the loader of its disk" {
	convert pv

	[ "$(value 'string(/domain/@type)')" = kvm ]
	[ "$(value 'string(/domain/os/type)') $(value 'string(/domain/os/type/@machine)')" = 'hvm pc' ]
	[ "$(value 'count(/domain/os/kernel | /domain/os/initrd | /domain/os/cmdline | /domain/bootloader)')" = 0 ]
	[ "$(value 'string(/domain/os/boot/@dev)')" = hd ]
	[ "$(value 'count(/domain/features/acpi)')" = 1 ]
	[ "$(value '/domain/devices/disk/target/@dev')" = 'dev=vda2 dev=vda1 dev=vdb dev=vdc' ]
	[ "$(value 'count(/domain/devices/disk/target[@bus != "virtio"])')" = 0 ]
	[ "$(value '/domain/devices/disk/source/@*')" = 'dev=/dev/vg/db-disk dev=/dev/vg/db-swap file=/var/x.img file=/x.qcow2' ]
	[ "$(value '/domain/devices/disk/@type')" = 'type=block type=block type=file type=file' ]
	[ "$(value 'string(/domain/devices/interface[2]/model/@type)')" = virtio ]
	[ "$(value '/domain/devices/interface/mac/@address')" = address=00:16:3e:ab:cd:02 ]
	[ "$(value 'string(/domain/devices/console/target/@type)')" = serial ]
	[ "$(value 'count(//*[contains(@type, "xen") or contains(@bus, "xen") or contains(@model, "xen")])')" = 0 ]
	[ "$(value 'string(/domain/uuid)')" = 7ad2dd35-5644-4fa9-9503-72f223ef0e2c ]
}

@test "an emulated machine keeps its disks, cards and screen, whose password is lost" {
	convert hvm type qemu

	[ "$(value 'string(/domain/@type)')" = qemu ]
	[ "$(value '/domain/devices/disk/target/@*')" = 'dev=hda bus=ide dev=hdc bus=ide' ]
	[ "$(value '/domain/devices/interface/model/@type')" = 'type=virtio type=e1000' ]
	[ "$(value 'string(/domain/clock/@offset)')" = localtime ]
	[ "$(value 'string(/domain/devices/graphics/listen/@address)')" = 0.0.0.0 ]
	[ "$(value 'count(/domain/os/loader)')" = 0 ]
	sed "s/'hda' bus='ide'/'xvda' bus='xen'/" "$root/t/files/xen/hvm.xml" >native.xml
	native=native.xml convert hvm screen 'local'
	[ "$(value '/domain/devices/disk/target/@*')" = 'dev=vda bus=virtio dev=hdc bus=ide' ]
	[ "$(value '/domain/devices/graphics//@listen | /domain/devices/graphics/listen/@address')" = 'listen=127.0.0.1 address=127.0.0.1' ]
}

@test "a file without a UUID is the same machine each time, one with it is that" {
	mkdir bin
	cat >bin/virsh <<-EOX
		#!/bin/sh
		[ "\$*" = "-q -c xen:///system domxml-from-native xen-xl $dir/xen/db.cfg" ] || exit 1
		sed "s,<uuid>.*,<uuid>\$(cat /proc/sys/kernel/random/uuid)</uuid>," "$root/t/files/xen/pv.xml"
	EOX
	chmod +x bin/virsh
	PATH=$dir/bin:$PATH
	ln -s db.cfg xen/link
	code='find_vm "$PWD/xen/link"; echo "$vm $uuid $xen_config"'

	first=$(inside "$code")
	[[ $first =~ ^db\ [0-9a-f]{8}-[0-9a-f]{4}-3[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}\ "$dir"/xen/db.cfg$ ]]
	[ "$(inside "$code")" = "$first" ]
	echo 'uuid = "7ad2dd35-5644-4fa9-9503-72f223ef0e2c"' >>xen/db.cfg
	[ "$(inside "$code")" != "$(inside "$code")" ]
	convert pv uuid 1-2-3
	[ "$(value 'string(/domain/uuid)')" = 1-2-3 ]
}

@test "the output of xl, even none at all, gives the state of a domain" {
	code=$xen'; xen_state'
	head='Name ID Mem VCPUs State Time(s)'

	for each in 'r-----|running' '-b----|running' '------|running' '--p---|paused' '---s--|halted' \
		'----c-|crashed' '-----d|in shutdown' '---s-d|in shutdown'; do
		xl_says "$head"$'\n'"db  4  512 1  ${each%|*}  33.2" 4
		echo "$each: $(inside "$code")"
		[ "$(inside "$code")" = "${each#*|}" ]
	done
	xl_says "$head" 4
	[ "$(inside "$code")" = 'in shutdown' ]
	xl_says "$head"$'\n''(null)  5  0  1  --p--d  6.6'
	[ "$(inside "$code")" = 'in shutdown' ]
	xl_says "$head"
	[ "$(inside "$code")" = 'shut off' ]
	rm xen/db.cfg
	[ "$(inside "$code")" = none ]
	printf '#!/bin/sh\nexit 1\n' >bin/xl
	run ! inside "$code"
}

@test "the file is replaced by one that does not start, and comes back as it was" {
	chmod 640 xen/db.cfg
	code=$xen'; cp xen/db.cfg "$private/source.cfg"
		address=([old]="" [new]="new host"); make_fenced_config >"$private/fenced.cfg"
		address=([old]="" [new]=""); save_xen'

	inside "$code; ! xen_has_fence && source_define fenced && xen_has_fence"
	[ "$(stat -c %a xen/db.cfg)" = 640 ]
	grep -qF '"format=raw, vdev=xvda, access=rw, target=/nonexistent/blkmigrate-0123456789ab/moved-to-new_host/xvda"' xen/db.cfg
	grep -qF '# This machine was moved to new host by blkmigrate (0123456789ab).' xen/db.cfg
	inside "$xen; source_define source; ! xen_has_fence"
	cmp xen/db.cfg "$root/t/files/xen/pv.cfg"
	[ "$(ls xen)" = db.cfg ]
}

@test "its links in the folder of those that start by themselves go, and come back" {
	ln -s ../xen/db.cfg auto/10-db
	ln -s "$dir/xen/db.cfg" 'auto/db "again"'
	echo other >auto/other.cfg
	ln -s other.cfg auto/20-other

	[ "$(inside "$xen; xen_links")" = "$dir/auto/10-db"$'\n'"$dir/auto/db \"again\"" ]
	inside "$xen; source_autostart off; source_autostart off"
	[ "$(echo auto/*)" = 'auto/20-other auto/other.cfg' ]
	inside "$xen; source_autostart on; source_autostart on"
	[ "$(readlink auto/10-db)" = ../xen/db.cfg ]
	[ "$(readlink 'auto/db "again"')" = "$dir/xen/db.cfg" ]
	[ -z "$(ls state/from/*/auto)" ]
}

@test "a host that does not answer is not taken for one without links" {
	cp "$root/t/files/xen/pv.xml" native.xml

	run -2 inside "$xen"'; cp native.xml "$private"; cp xen/db.cfg "$private/source.cfg"
		on() { [ "$1" = new ] || return 255; }
		read_xen; echo "autostart is $autostart"'

	[[ $output == *"cannot be asked for $dir/auto" ]]
}

@test "parts of a Xen machine that cannot move are reported, each with a remedy" {
	xl_says '[ { "config": { "disks": [ { "pdev_path": "/var/x.img" } ] } } ]' 4
	sed 's|<on_poweroff>destroy|<on_poweroff>rename-restart|; s|xvdc|sdb|' "$root/t/files/xen/pv.xml" >native.xml

	run -0 inside "$xen"'; cp native.xml "$private"; cp xen/db.cfg "$private/source.cfg"; quiesce=true disks=(vdb vdc) source=([vdb]=/var/x.img [vdc]=/x.qcow2)
		xsltproc "$here/machine/xen.xsl" native.xml >"$private/source.xml"
		check_xen; printf "%s\n" "${problems[@]}" "${remarks[@]}"'

	[[ $output == *'db starts again when it shuts down (on_poweroff is rename-restart)'* ]]
	[[ $output == *'db is a Xen machine, and has no guest agent'* ]]
	[[ $output == *'two disks would be called vdb'* ]]
	[[ $output == *'an interface of db has the type ethernet'* ]]
	[[ $output == *'db does not run on /x.qcow2'* ]]
	[[ $output != *'not on /var/x.img'* ]]
	[[ $output == *'has no MAC address in'* ]]
	[[ $output == *'gives db its kernel'* ]]
}

@test "parts that libvirt does not read from the file are refused if they have state or are the host's" {
	for key in vtpm p9 usbdev; do
		printf ' %s=[ "x" ]\n#p9 = 1\n' "$key" >source.cfg
		run -0 inside 'xen_config=/etc/xen/web.cfg; cp source.cfg "$private"; check_xen_parts; printf "%s\n" "${problems[@]}"'
		[[ $output == *"($key in /etc/xen/web.cfg)"* ]]
		[ "$(grep -c web.cfg <<<"$output")" = 1 ]
	done
	printf 'memory = 32\nacpi_firmware = "/x"\n' >source.cfg
	run -0 inside 'xen_config=/etc/xen/web.cfg; cp source.cfg "$private"; check_xen_parts; printf "%s\n" "${problems[@]}" "${remarks[@]}" | grep .'
	[ "$output" = 'acpi_firmware in /etc/xen/web.cfg is not read by libvirt: web on this host does without it' ]
}

@test "a machine is found again by the path of its configuration" {
	mkdir -p state/from/0123456789ab
	printf 'id=0123456789ab\nvm=db\nuuid=1-2-3\nxen_config=%s\n' "$dir/xen/db.cfg" >state/from/0123456789ab/plan

	[ "$(inside 'find_migration "$PWD/xen/db.cfg" && load_plan && echo "$id $vm $xen_config"')" = "0123456789ab db $dir/xen/db.cfg" ]
}

@test "find_xen: a UUID that libvirt reads and that is none is no part of a path" {
	echo 'uuid = "of libvirt"' >>xen/db.cfg
	for uuid in '../../../srv' '' '7ad2dd35-5644-4fa9-9503-72f223ef0e2c/..'; do
		sed "s|<uuid>.*</uuid>|<uuid>$uuid</uuid>|" "$root/t/files/xen/pv.xml" >native.xml
		run -2 inside 'on() { case "$*" in *virsh*) cat native.xml ;; *) shift; "$@" ;; esac; }
			find_xen "$PWD/xen/db.cfg"; echo "found $uuid"'
		[[ $output == *"reads \"$uuid\" as its UUID" ]]
	done
}
