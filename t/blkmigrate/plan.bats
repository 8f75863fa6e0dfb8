#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Plans, checks and targets of blkmigrate that need no libvirt: both hosts are this one.

load ../helpers
load migrate

# domain FILE DISK ...: a machine with these raw files, vda, vdb and so on.
domain() {
	local name=$1 letter=a

	shift
	{
		echo "<domain type='kvm'><name>web</name><uuid>1-2-3</uuid><devices>"
		for file; do
			echo "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
			echo "<source file='$file'/><target dev='vd$letter'/></disk>"
			letter=$(tr a-y b-z <<<"$letter")
		done
		echo "</devices></domain>"
	} >"$name"
}

# --- which disks ------------------------------------------------------------------

@test "--disk: those that are not named are skipped; --skip-disk: those that are" {
	require xsltproc xmllint
	touch a b c
	truncate -s 4K a b c
	domain source.xml "$dir/a" "$dir/b" "$dir/c"
	code='cp source.xml "$private"; dir_option=$PWD/there; find_disks; echo "${disks[*]}; ${skipped[*]}"; printf "%s\n" "${problems[@]}"'

	[ "$(inside "$code")" = 'vda vdb vdc; ' ]
	[ "$(inside "disks_wanted=(vda vdc); $code")" = 'vda vdc; vdb' ]
	[ "$(inside "disks_unwanted=(vda); $code")" = 'vdb vdc; vda' ]
	[ "$(inside "disks_wanted=(vda vdc) disks_unwanted=(vda); $code")" = 'vdc; vda vdb' ]
	run -0 inside "disks_wanted=(vda vdx); $code"
	[[ $output == *'web has no disk called vdx'*'virsh domblklist web'* ]]
}

@test "--later: a disk that the definition is without, and that is described by itself" {
	require xsltproc xmllint
	truncate -s 4K a b c
	domain source.xml "$dir/a" "$dir/b" "$dir/c"
	code='cp source.xml "$private"; dir_option=$PWD/there; find_disks; printf "%s\n" "${problems[@]}"'

	run -0 inside "later_wanted=(vdb); $code"'
		make_target_xml
		echo "${disks[*]}; ${later[*]}"
		disk_paths "$private/target.xml" | xargs
		xmllint --xpath "string(/disk/source/@file)" "$private/later-vdb.xml"
		estimate; read_rate=1
		downtime_expected'
	[ "$output" = "
vda vdb vdc; vdb
vda $dir/there/a vdc $dir/there/c
$dir/there/b
down for about 2 s, and while it shuts down and starts" ]
	run -0 inside "later_wanted=(vdx); $code"
	[[ $output == *'web has no disk called vdx'* ]]
	run -0 inside "later_wanted=(vdb) disks_unwanted=(vdb); $code"
	[[ $output == *'vdb is not copied'*'leave out --later vdb'* ]]
	run -0 inside "later_wanted=(vdb vda vdc); $code"
	[[ $output == *'web would start without any disk'* ]]
}

# is_it_shared: what is said of the volume vg/web, whose lvs prints, on old, $attributes, and on new
# $uuid and, if $seen, the tags that it has on old.
is_it_shared() {
	inside 'source[vda]=/dev/vg/web target[vda]=/dev/vg/web volume[vda]=vg/web kind[vda]=lvm identity[vda]=1-2
		on() {
			case "$*" in
			"old lvchange "*--addtag*) echo "$(<tags),${*: -2:1}" >tags ;;
			"old lvchange "*--deltag*) sed -i "s/,${*: -2:1}//" tags ;;
			"old lvs "*lv_attr*) echo "  '"$attributes"' " ;;
			"new lvs "*lv_uuid*) echo "  '"$uuid"'" ;;
			"new lvs "*lv_tags*) echo "  x'"${seen:+\$(<tags)}"'" ;;
			*) echo "what? $*" ;;
			esac
		}
		echo ,other >tags
		is_shared_volume vda && echo shared || echo not
		cat tags'
}

@test "a volume is shared if both hosts have it, and one sees the tag that the other writes" {
	attributes=-wi-ao---- uuid=1-2 seen=yes
	[ "$(is_it_shared)" = $'shared\n,other' ]
	seen=
	[ "$(is_it_shared)" = $'not\n,other' ]
	seen=yes uuid=1-3
	[ "$(is_it_shared)" = $'not\n,other' ]
	uuid=1-2 attributes=owi-ao----
	[ "$(is_it_shared)" = $'not\n,other' ]
	attributes=Vwi-ao----
	[ "$(is_it_shared)" = $'not\n,other' ]
}

@test "a disk that is skipped may be one that could not be copied, and is said in the plan" {
	require xsltproc xmllint
	truncate -s 4K a
	domain source.xml "$dir/a" "$dir/none"

	run -0 inside 'disks_unwanted=(vdb); cp source.xml "$private"; dir_option=$PWD/there yes=true command=run
		name_of() { echo "$1"; }
		find_disks; make_target_xml; show_plan; [ ${#problems[@]} = 0 ]'

	[[ $output == *'vdb: SKIPPED: it stays on old, and web on new has no such disk'* ]]
	[[ $output == *$'\n'"-<source file=\"$dir/none\"/>"* ]]
}

@test "which disks go along is kept with the plan" {
	require xsltproc xmllint
	truncate -s 4K a b c
	domain source.xml "$dir/a" "$dir/b" "$dir/c"
	mkdir state

	run -0 inside 'disks_unwanted=(vdb); cp source.xml "$private"
		dir_option=$PWD/there
		find_disks; make_target_xml; make_fenced_xml
		save_plan
		disks=() skipped=() placed=()
		load_plan
		echo "${disks[*]}; ${skipped[*]}; ${placed[*]}; ${source[vdc]}"'

	[ "$output" = "vda vdc; vdb; vda vdc; $dir/c" ]
}

@test "the unfinished start of an earlier run is forgotten, that of another host is not" {
	host=$( (cat /etc/machine-id; uname -n) | sha256sum)
	mkdir -p state/to/111111111111 state/to/222222222222
	echo "1-2-3 ${host%% *}" >state/to/111111111111/uuid
	echo "1-2-3 $(sha256sum </dev/null | cut -d " " -f 1)" >state/to/222222222222/uuid

	run -0 inside 'identify_host; forget_unfinished'

	[ "$(ls state/to)" = 222222222222 ]
}

# --- swap -------------------------------------------------------------------------

# recreate_swap: from the file old.swap to new.swap.
recreate_swap() {
	inside 'swaps_wanted=(vdb) swaps=(vdb) disk_map=("vdb=$PWD/'"${1:-new.swap}"'")
		source[vdb]=$PWD/old.swap
		inspect_swap vdb raw
		printf "%s\n" "${problems[@]}"
		[ ${#problems[@]} = 0 ]
		make_target vdb
		make_swaps
		make_swaps'
}

@test "recreated swap is empty, and has the size, the UUID and the label of the old one" {
	require mkswap blkid
	truncate -s 2M old.swap
	mkswap -U 6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2c -L "my swap's" old.swap
	echo 'what was swapped out' | dd of=old.swap bs=1 seek=1M conv=notrunc status=none

	run -0 recreate_swap

	cmp -n 1M old.swap new.swap
	[ "$(stat -c %s new.swap)" = 2097152 ]
	is_zero new.swap 1048576 1048576
	[ "$(blkid -p -o value -s UUID new.swap)" = 6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2c ]
	[ "$(blkid -p -o value -s LABEL new.swap)" = "my swap's" ]
}

@test "a disk that is only partly swap, or qcow2, is not recreated" {
	require blkid
	make_image old.swap 1M

	run -1 recreate_swap
	[[ $output == *"vdb is no swap as a whole: blkid finds none on $dir/old.swap"*'leave out --recreate-swap vdb, and it is copied'* ]]
	run -1 recreate_swap new.qcow2
	[[ $output == *'vdb is qcow2'* ]]

	[ ! -e new.swap ]
}

# --- estimates --------------------------------------------------------------------

@test "estimates: holes are not sent, and times follow --bwlimit or the measured rate" {
	truncate -s 8M old.img
	make_noise head 1M
	dd if=head of=old.img conv=notrunc status=none

	run -0 inside 'yes=true command=run
		disks=(vda vdb)
		source=([vda]=$PWD/old.img [vdb]=$PWD/old.img) kind=([vda]=file [vdb]=qcow2) size=([vda]=8388608 [vdb]=8388608)
		estimate
		sum_of_all
		downtime_expected
		rate=512K read_rate=524288
		estimate
		read_rate=524288
		rest_of vda
		rest_of vdb
		sum_of_all
		downtime_expected'

	[ "$output" = 'at most 2.0MiB to send
down for as long as that takes
1.0MiB are read on both sides, about 3 s
the last changes are sent, in seconds
at most 2.0MiB to send, about 5 s at 512KiB/s as --bwlimit says
down for about 3 s, and while it shuts down and starts' ]
}

@test "estimates: both rates are measured, in two seconds" {
	make_noise old.img 4M

	run -0 inside 'disks=(vda) source[vda]=$PWD/old.img kind[vda]=file size[vda]=4194304
		began=$SECONDS
		estimate
		echo "$line_rate $read_rate $((SECONDS - began))"'

	echo "$output"
	[[ $output =~ ^([0-9]+)\ ([0-9]*)\ ([0-9]+)$ ]]
	[ "${BASH_REMATCH[1]}" -gt 1000000 ]
	[ "${BASH_REMATCH[3]}" -le 5 ]
}

@test "estimates do not depend on what dd prints" {
	make_noise old.img 4M
	break_dd='mkdir -p fake; printf "#!/bin/sh\nexec /bin/dd \"\$@\" 2>/dev/null\n" >fake/dd; chmod +x fake/dd; PATH=$PWD/fake:$PATH'

	run -0 inside "$break_dd"'; disks=(vda) source[vda]=$PWD/old.img kind[vda]=file size[vda]=4194304
		estimate
		echo "$line_rate"
		sum_of_all'

	[ "${lines[0]}" -gt 1000000 ]
	[[ ${lines[1]} =~ ^'at most 4.0MiB to send, about 1 s at '.*'iB/s as measured'$ ]]
}

@test "estimates: --bwlimit counts in all its spellings, and no limit is measured" {
	estimating='disks=(vda) source[vda]=$PWD/old.img kind[vda]=block size[vda]=100000000 yes=true command=run
		measure_line() { measured=; }
		estimate
		sum_of_all'
	for pair in 20MB=20000000 20MiB=20971520 1.5M=1572864 @limit=5000000; do
		echo 5MB >limit
		[ "$(inside "rate=${pair%=*}; $estimating")" = \
			"at most 96MiB to send, about $((100000000 / ${pair#*=} + 1)) s at $(numfmt --to=iec-i --suffix=B "${pair#*=}")/s as --bwlimit says" ]
	done

	[ "$(inside "rate=0; $estimating")" = 'at most 96MiB to send' ]
}

@test "a host that stops answering while its rates are measured ends the program" {
	run -2 --separate-stderr inside 'on() { return 0; }; feed() { return 255; }; address[new]=far; measure_line; echo on'

	[ -z "$output" ]
	[ "$stderr" = 'blkmigrate: far cannot be asked (count-bytes)' ]
}

@test "times are said in seconds, minutes or hours" {
	[ "$(inside 'duration 99; duration 100; duration 5999; duration 9000' | xargs)" = '99 s 2 min 100 min 2 h 30 min' ]
}

# --- places -----------------------------------------------------------------------

# in_pool TYPE XML: use a pool of the new host.
in_pool() {
	echo "<pool type='$1'>$2</pool>" >pool
	inside 'pool=images
		vm_on() {
			case $2 in
			pool-info) printf "Name: images\nState:          running\nAutostart:      ${autostarts:-yes}\n" ;;
			pool-dumpxml) cat pool ;;
			esac
		}
		use_pool
		echo "$dir_option $group_option"
		printf "%s\n" "${problems[@]}" "${remarks[@]}"'
}

@test "a pool is its folder or its volume group; one of another kind is refused" {
	require xmllint

	[ "$(in_pool dir '<target><path>/srv/a b</path></target>' | head -n 1)" = '/srv/a b ' ]
	[ "$(in_pool logical '<source><name>ssd</name></source><target><path>/dev/ssd</path></target>' | head -n 1)" = ' ssd' ]
	run -0 in_pool rbd '<source><name>x</name></source>'
	[[ $output == *'is of type rbd, and only dir, fs, netfs and logical can be used'*'name another one, or --dir, --vg or --map-disk'* ]]
	export autostarts=no
	run -0 in_pool dir '<target><path>/srv</path></target>'
	[[ $output == *'is not started when that host boots: virsh pool-autostart'* ]]
}

@test "a missing pool, or a second target, is refused" {
	require xmllint

	run -0 inside 'pool=none; vm_on() { return 1; }; address[new]=far; use_pool; printf "%s\n" "${problems[@]}"'
	[[ $output == *'far has no storage pool none'*'virsh pool-list --all'* ]]
	run -64 inside 'pool=none dir_option=/srv; use_pool'
	[[ $output == *'--pool, --dir and --vg each name the place of the disks'* ]]
}

# --- media ------------------------------------------------------------------------

# with_medium CODE: the machine has a disc in a drive.
with_medium() {
	inside 'drives=copy dir_option=$PWD/there
		mkdir -p there
		find_medium sda file raw "$PWD/disc.iso" "" ""
		placed=("${media[@]}")
		'"$1"
}

@test "the medium in a drive is copied, and compared" {
	make_image disc.iso 1M

	run -0 with_medium 'check_targets; make_target sda; copy_media; [ ${#problems[@]} = 0 ]'

	cmp disc.iso there/disc.iso
	[[ $output == *'sda: both sides are blk128:'* ]]
}

@test "the very same file there is used as it is, and never removed" {
	make_image disc.iso 1M
	mkdir there
	cp disc.iso there

	run -0 --separate-stderr with_medium 'echo "${media[*]};${media_there[*]}"; make_target_xml() { :; }; purge_target; placed=(sda); purge_target'

	[ "$output" = ';sda' ]
	cmp disc.iso there/disc.iso
}

@test "something else there is left alone, and said" {
	make_image disc.iso 1M
	make_image other.iso 1M 2
	mkdir there
	cp other.iso there/disc.iso

	run -0 with_medium 'check_targets; printf "%s\n" "${problems[@]}"'

	[[ $output == *"sda: $dir/there/disc.iso is there already"* ]]
	cmp other.iso there/disc.iso
}

@test "a purge before the move removes copies, but not files that were there before" {
	make_image disc.iso 1M
	with_medium 'make_target sda; copy_media'
	[ -e there/disc.iso ]

	with_medium 'media=(sda); placed=(sda); purge_target'

	[ ! -e there/disc.iso ]
	[ -e disc.iso ]
}

@test "a drive with something that is no file is emptied, which is said" {
	run -0 inside 'find_medium sda block raw /dev/null "" ""; find_medium sdb file raw "" "" ""; printf "%s\n" "${remarks[@]}"'

	[ "$output" = 'the medium in the drive sda is not a raw file that can be copied: /dev/null; the drive will be empty' ]
}

# --- partitions -------------------------------------------------------------------

# make_partitions FILE: a GPT, and a filesystem that blkid knows.
make_partitions() {
	truncate -s 6M "$1"
	printf 'label: gpt\nsize=2M\nsize=1M,name="its data"\n' | sfdisk -q "$1"
}

layouts() {
	inside 'size[vda]=6291456 source[vda]=$PWD/'"$1"' target[vda]=$PWD/'"$2"' target_kind[vda]=lvm; same_layout vda "$PWD/'"$1"'"'
}

@test "partitions have to be recognised on the target as on the source" {
	require sfdisk blkid
	make_partitions old.img
	cp old.img new.img
	truncate -s 8M new.img

	run -0 layouts old.img new.img
	[ -z "$output" ]
	sfdisk -q --delete new.img 2
	run -2 layouts old.img new.img

	[[ $output == *"vda: blkid and partx do not recognise the same on $dir/new.img as on $dir/old.img:"*'< partition 2: start='*'its\x20data'*'--map-disk'* ]]
}

@test "signatures at the end of a disk are missed on a larger one" {
	require sfdisk blkid
	make_partitions old.img
	# Of the table only the copy at the end is left.
	dd if=/dev/zero of=old.img bs=512 seek=1 count=33 conv=notrunc status=none
	cp old.img new.img

	run -0 layouts old.img new.img
	truncate -s 8M new.img
	run -2 layouts old.img new.img

	[[ $output == *'< partition 2: start='*'its\x20data'* ]]
}

# findings CODE: the problems and remarks that it makes.
findings() {
	cp "${xml:-source.xml}" source.copy 2>/dev/null || echo '<domain type="kvm"/>' >source.copy
	inside 'address=([old]="" [new]="")
		cp source.copy "$private/source.xml"
		new_name=web
		name_of() { echo "$1"; }
		'"$1"'
		printf "%s\n" "${problems[@]/#/problem: }" "${remarks[@]/#/remark: }"' | grep .
}

@test "a GPT on a disk that grows is reported, with the command for the guest" {
	require sfdisk qemu-img
	truncate -s 6M small.img
	echo 'label: gpt' | sfdisk -q small.img
	qemu-img convert -f raw -O qcow2 small.img small.qcow2
	truncate -s 6M none.img
	code='disks=(vda); target_kind[vda]=lvm target_volume[vda]=ssd/web size[vda]=6291456
		vgs() { echo 4194304; }
		on() { shift; "$@"; }
		check_gpt'

	run -0 findings "source[vda]=\$PWD/small.img kind[vda]=file; $code"
	[[ $output == 'remark: vda has a GPT, and gets 2097152 bytes more'*'sgdisk -e /dev/vda (or sfdisk --relocate gpt-bak-std /dev/vda)'* ]]
	run -0 findings "source[vda]=\$PWD/small.qcow2 kind[vda]=qcow2; $code"
	run -1 findings "source[vda]=\$PWD/none.img kind[vda]=file; $code"
	run -1 findings "source[vda]=\$PWD/small.img kind[vda]=file; ${code/6291456/8388608}"
}

# --- whether the hosts fit --------------------------------------------------------

# fake NAME TEXT: a program that does that takes its place.
fake() {
	mkdir -p fake
	printf '#!/bin/bash\n%s\n' "$2" >"fake/$1"
	chmod +x "fake/$1"
	PATH=$dir/fake:$PATH
}

@test "a stream that the other host's programs do not take is found before anything is sent" {
	run -1 findings check_stream
	[ -z "$output" ]
	fake blkwrite 'cat >/dev/null; echo "blkwrite: standard input: version 2 is not known" >&2; exit 2'

	run -0 findings check_stream

	[[ $output == 'problem: new cannot read what old sends: blkwrite: standard input: version 2 is not known'*'install the same version of the blk programs on both' ]]
}

@test "an older libvirt or QEMU is said, with its package; a newer one is not" {
	versions='vm_on() {
			local libvirt=9.0.0 qemu=7.2.19
			[ "$1" = old ] || libvirt=$l qemu=$q
			printf "Running hypervisor: QEMU %s\nRunning against daemon: %s\n" $qemu $libvirt
		}'

	run -1 findings "l=10.1.0 q=7.10.0; $versions; check_versions"
	run -0 findings "l=8.10.0 q=6.2.0; $versions; check_versions"

	[ "${lines[0]}" = 'remark: libvirt on new is 8.10.0, on old 9.0.0: if the start fails there, upgrade its package (libvirt-daemon-system, or libvirt-daemon-driver-qemu)' ]
	[ "${lines[1]}" = 'remark: QEMU on new is 6.2.0, on old 7.2.19: if the start fails there, upgrade its package (qemu-system-x86, or qemu-kvm)' ]
}

@test "a cluster manager that runs is a problem; Pacemaker is asked whether it has the machine" {
	require xmllint
	fake pgrep '[ "$2" = "$(cat '"$dir"'/runs)" ]'
	echo vdsmd >runs
	run -0 findings check_managers
	[[ $output == 'problem: oVirt manages the machines of old'*'problem: oVirt manages the machines of new'* ]]
	echo pacemakerd >runs
	fake cibadmin 'exit 1'
	run -0 findings check_managers
	[[ $output == 'problem: a cluster runs on old (pacemakerd), and does not say whether it manages web'* ]]
	fake cibadmin 'echo "<nvpair value=\"/etc/web.xml\"/>"'
	run -0 findings check_managers
	[[ $output == 'problem: the cluster on old (pacemakerd) manages web'* ]]
	fake cibadmin 'echo "<nvpair value=\"/etc/mail.xml\"/>"'
	run -0 findings check_managers
	[[ $output == 'remark: a cluster runs on old (pacemakerd); it says nothing of web'* ]]
	echo none >runs
	run -1 findings check_managers
}

@test "a machine whose definition is a manager's" {
	require xmllint
	echo '<domain><metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"/></metadata></domain>' >source.xml

	run -0 findings check_managers

	[[ $output == 'problem: web is managed by OpenStack, as its definition says'* ]]
}

@test "too little memory is a problem for a machine that runs, and said of one that is off" {
	require xmllint
	facts='host_facts new; check_memory'
	echo '<domain><memory unit="KiB">1099511627776</memory><currentMemory unit="KiB">1024</currentMemory></domain>' >source.xml
	run -1 findings "$facts"
	echo '<domain><memory unit="KiB">1099511627776</memory></domain>' >source.xml

	run -0 findings "$facts"
	[[ $output == 'problem: web has 1.0PiB of memory, and new '*' available'* ]]
	run -0 findings "was_running='shut off'; $facts"
	[[ $output == 'remark: web has 1.0PiB of memory'* ]]
	echo '<domain><memory>1099511627776</memory><memoryBacking><hugepages/></memoryBacking></domain>' >source.xml
	run -0 findings "$facts"
	[[ $output == 'problem: web has 1.0PiB of huge pages, and new '* ]]
}

@test "another user of QEMU is said; one that gets no disks is a problem" {
	require xmllint
	users='vm_on() {
			local who=+64055:+109
			[ "$1" = old ] || who=$user
			echo "<capabilities><host><secmodel><model>dac</model><baselabel type=\"kvm\">$who</baselabel></secmodel></host></capabilities>"
		}
		on() {
			shift
			if [ "$1" = grep ]; then echo "dynamic_ownership = $own" >conf; "${@:1:3}" conf; else "$@"; fi
		}'

	run -1 findings "user=+64055:+109 own=1; $users; check_user"
	run -0 findings "user=+107:+107 own=1; $users; check_user"
	[[ $output == 'remark: QEMU runs as +64055:+109 on old and as +107:+107 on new'* ]]
	run -0 findings "user=+107:+107 own=0; $users; check_user"
	[[ $output == 'problem: QEMU on new runs as +107:+107, and libvirt there does not give it the disks'* ]]
	run -0 findings "user=+0:+0 own=0; $users; check_user"
	[[ $output == 'remark: '* ]]
}

@test "of a running machine's disk blkread and blkdiff need not warn, of its snapshot and at the end they do" {
	run -0 inside 'declare -A source=([vda]=/srv/web.raw)
		in_use=true
		stamped vda blkread /srv/web.raw
		stamped vda blkdiff --map - /srv/web.raw
		stamped vda blkread /dev/vg/web-1
		in_use=false
		stamped vda blkread /srv/web.raw'

	[ "${lines[*]}" = "blkread --live /srv/web.raw blkdiff --live --map - /srv/web.raw blkread /dev/vg/web-1 blkread /srv/web.raw" ] || {
		echo "$output"
		false
	}
}

# count_blksum VERDICT: each call of blksum leaves a line in $dir/sums; blkwrite says that of what it read
# back, wherever /tmp is.
count_blksum() {
	mkdir broken
	printf '#!/bin/bash\nexec %s/blkwrite "$@" 2> >(sed -E "s/, (verified|read back[^,]*),/, %s,/" >&2)\n' "$BIN" "$1" >broken/blkwrite
	printf '#!/bin/bash\necho "$*" >>%s/sums\nexec %s/blksum "$@"\n' "$dir" "$BIN" >broken/blksum
	chmod +x broken/*
	PATH=$dir/broken:$PATH
}

@test "a medium that was copied completely, and read back, is not read a second time to compare it" {
	make_image disc.iso 1M
	count_blksum verified

	run -0 with_medium 'check_targets; make_target sda; copy_media; ! have_digests sda other; transfer sda "blkread disc.iso"; ! have_digests sda "$PWD/disc.iso"'
	[ "$(grep -c "^sda: both sides are $("$BIN/blksum" disc.iso | cut -d ' ' -f 1)" <<<"$output")" = 1 ]
	run ! grep -q 'blkread:' <<<"$output"
	[ ! -e sums ]

	rm -r there
	run -0 with_medium 'verify_full=true; check_targets; make_target sda; copy_media'
	[ "$(wc -l <sums)" = 2 ]
}

@test "what blkwrite found in a cache only is no evidence: both sides are read" {
	make_image disc.iso 1M
	count_blksum 'read back from a cache only'

	run -0 with_medium 'check_targets; make_target sda; copy_media'

	[ "$(wc -l <sums)" = 2 ]
	[[ $output == *'sda: both sides are blk128:'* ]]
}
