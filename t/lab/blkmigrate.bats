#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A virtual machine moves from one host to another: its count resumes where it stopped, and
# whatever breaks on the way, it never runs on both.

load ../helpers
load network
load libvirt
load migrate

@test "a machine with two disks, copied together over tcp under one rate limit" {
	make_vm old web raw
	make_noise "$lab/old/images/data.img" 8M
	define old web "raw:$disk" raw:/var/lib/libvirt/images/data.img
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	run -0 --separate-stderr migrate run web --to new --yes -v --transport tcp --bwlimit 20M --jobs 2

	moved web "$disk"
	# The count follows in a sector of the second disk, on new as well.
	cmp -n 32768 "$lab/old/images/data.img" "$lab/new/images/data.img"
	cmp -i 33280 "$lab/old/images/data.img" "$lab/new/images/data.img"
	[[ $stderr == *'new# nc -n -v -l 10.77.0.2 '* ]]
	[[ $stderr == *' blkmeter -N vdb -f -L @'* ]]
	run ! grep 'ssh .*blkwrite' <<<"$stderr"
	run ! on new 'ss -Hltn "sport >= 49152 and sport <= 49215" | grep .'
}

@test "a machine on a raw file, with names of all kinds" {
	name=$'-it\'s "a" $(touch oops) \xc3\xa4&<b>'
	make_running web raw
	on old "virsh -q destroy web; virsh -q undefine web"
	file="/var/lib/libvirt/images/$name .img"
	on old "mv $(printf %q "$disk") $(printf %q "$file")"
	define old "$name" "raw:$file"
	on old "virsh -q start -- $(printf %q "$name"); virsh -q autostart -- $(printf %q "$name")"
	wait_for 30 is_counting old "$name" 20

	run -0 --separate-stderr migrate run --to new --yes -- "$name"

	moved "$name" "$file"
	[[ $stderr == *"$name runs on new; it was down for "[0-9]*.[0-9]' seconds'* ]]
	[[ $(on new "virsh dominfo -- $(printf %q "$name")") =~ Autostart:\ +enable ]]
}

@test "a disk on a device with sectors of 4096 bytes goes to a file: the guest sees 512 on both" {
	make_disk "$lab/old/web.device"
	printf 'label: dos\nstart=16384, size=8192\n' | sfdisk -q "$lab/old/web.device"
	attach "$lab/old/web.device" 4096
	disk=/dev/lab/web
	on old "mkdir -p /dev/lab && ln -s $device $disk"
	define old web "block:$disk"
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	run -0 --separate-stderr migrate run web --to new --yes --dir "$images"

	moved web "$disk" "$images/web.img"
	[[ $(on new "partx -g -o START,SECTORS $images/web.img") =~ ^\ *16384\ +8192$ ]]
}

# With a power failure at each step, too: the next one finds what it relies on.
@test "step by step to the purge, which asks for the name, and removes the old disk and nothing else" {
	lossy_media
	make_running web raw
	on old 'virsh -q autostart web && sync -f /etc/libvirt/qemu'

	migrate prepare web --to new --yes
	[[ $(migrate status web) == 'web: prepared'* ]]
	migrate sync web
	[[ $(migrate status web) == 'web: copied, and runs on this host'* ]]
	migrate sync web
	is_state old web running
	migrate cutover web
	[[ $(migrate status web) == 'web: moved to new'* ]]
	survives_losses

	moved web "$disk"
	cp "$lab/old/images/web.img" "$lab/old/images/other.img"
	run -3 on old 'echo yes | blkmigrate purge web'
	[ -e "$lab/old/images/web.img" ]
	run -0 on old 'echo web | blkmigrate purge web'
	[ ! -e "$lab/old/images/web.img" ]
	[ -e "$lab/old/images/other.img" ]
	[ -z "$(state old web)" ]
	is_state new web 'shut off'
	[[ $(migrate status 2>&1) == *'no migration is under way'* ]]
}

@test "the plan shows what the machine will become, without its secrets, and touches nothing" {
	make_vm old web raw
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,</devices>,<graphics type=\"vnc\" passwd=\"sesame7\"/></devices>," /tmp/w.xml
		virsh -q define /tmp/w.xml'

	run -0 --separate-stderr migrate plan web --to new --dir /srv
	[[ $output == *'+      <source file="/srv/web.img"/>'* ]]
	[[ $output != *sesame7* && $stderr != *sesame7* ]]
	run -0 migrate run web --to new --yes --dry-run
	[[ $output == *'old# blkread '*' | ssh '*blkwrite* ]]
	[[ $output != *sesame7* ]]

	[ -z "$(on new 'ls /var/lib/blkmigrate/to 2>/dev/null')" ]
	[ -z "$(state new web)" ]
	migrate run web --to new --yes
	[[ $(on new 'virsh dumpxml --security-info web') == *sesame7* ]]
}

@test "the preflight reports every problem, each with its remedy" {
	make_vm old web raw
	define new web raw:/nowhere
	echo precious >"$lab/new/images/web.img"
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,br0,br7," /tmp/w.xml
		virsh -q define /tmp/w.xml'

	run -3 --separate-stderr migrate run web --to new --yes

	[[ $stderr == *'new has a virtual machine with the UUID'* ]]
	[[ $stderr == *'new has a virtual machine called web already'* ]]
	[[ $stderr == *'web.img is there already on new'* ]]
	[[ $stderr == *'new has no bridge br7'*'--map-net br7=ANOTHER'* ]]
	[ "$(cat "$lab/new/images/web.img")" = precious ]
	[ -z "$(on old 'ls /var/lib/blkmigrate/from 2>/dev/null')" ]
}

# without_numbers: remove what differs from run to run.
without_numbers() {
	sed -E 's/[0-9a-f]{8,}[0-9a-f-]*/N/g; s/[0-9]+(\.[0-9]+)?/N/g'
}

@test "README: the output for a machine on a qcow2 file" {
	awk '/^    old# blkmigrate run/ { inside = 1; print; next } inside && /^    / { print } inside && /^$/ { exit }' \
		"$root/README.md" | sed 's/^    //' >readme
	make_vm old web qcow2 256M
	on old 'virsh -q start web'
	wait_for 30 is_counting old web 20

	on old "$(sed -n '1s/^old# //p' readme)" 2>&1 | without_numbers >printed

	sed 1d readme | without_numbers | while IFS= read -r line; do
		echo "$line"
		grep -qxF -- "$line" printed
	done
	moved web "$disk"
	on new "qemu-img check -q $disk"
}
