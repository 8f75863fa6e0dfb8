#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a machine keeps besides its disks: found in every form of its definition, copied, taken back,
# and purged only if it was copied; and what is neither copied nor needless is refused.

load ../helpers
load migrate

setup() {
	test_begin
	require xsltproc xmllint
	mkdir -p host there lib state
}

# machine OS [DEVICES [ATTRIBUTES]]: the definition source.xml; ATTRIBUTES are of os.
machine() {
	cat >source.xml <<-EOX
		<domain type='kvm'><name>web</name><uuid>1-2-3</uuid>
		  <os ${3:-}><type arch='x86_64' machine='q35'>hvm</type>$1</os>
		  <devices>${2:-}</devices>
		</domain>
	EOX
}

# hosts CODE: what is $dir/host/X on old is $dir/there/X on new.
hosts() {
	inside 'cp source.xml "$private/source.xml"
		new_name=web new_uuid=$uuid
		name_of() { echo "$1"; }
		feed() {
			local host=$1
			shift
			[ "$host" = old ] || set -- "${@/#$PWD\/host/$PWD\/there}"
			"$@"
		}
		libvirt_folder() { answer=$PWD/host/lib; }
		begun=() finished=()
		'"$1"
}

# planned [CODE]: its parts, a line each, and what is in the way.
planned() {
	hosts "${1:-}"'
		find_parts
		for part in "${parts[@]}"; do
			echo "$part ${part_kind[$part]} ${part_source[$part]#"$PWD/host/"} ${part_how[$part]} ${part_seen[$part]:-none}"
		done
		printf "%s\n" "${problems[@]/#/problem: }" "${remarks[@]/#/remark: }" | sed "/^$/d"'
}

flash="<loader readonly='yes' type='pflash'>/x/CODE.fd</loader>"

@test "variables are found in either form of the definition, and with blanks around" {
	echo vars >'host/a b.fd'
	for form in "<nvram>$dir/host/a b.fd</nvram>" \
		"<nvram type='file'><source file='$dir/host/a b.fd'/></nvram>" \
		"<nvram template='/x/VARS.fd' templateFormat='raw' format='qcow2' type='file'>
		   <source file='$dir/host/a b.fd'/>
		 </nvram>" \
		"<nvram template='/x/VARS.fd'>
		   $dir/host/a b.fd
		 </nvram>"; do
		machine "$flash$form"
		run -0 planned
		[ "$output" = 'nvram file a b.fd copy yes' ]
	done
}

@test "variables on a device or a network, or encrypted, are refused, with what helps" {
	machine "$flash<nvram type='block'><source dev='/dev/vg/vars'/></nvram>"
	run -0 planned
	[[ $output == *"problem: the firmware's variables of web are on the device /dev/vg/vars, which is not copied"*'<nvram>FILE</nvram>'* ]]
	machine "$flash<nvram type='network'><source protocol='iscsi' name='iqn.2013-07.com.example:vars/0'><host name='h'/></source></nvram>"
	run -0 planned
	[[ $output == *"problem: the firmware's variables of web are accessed over a network (iqn.2013-07.com.example:vars/0)"* ]]
	machine "$flash<nvram type='dir'><source file='/x'/></nvram>"
	run -0 planned
	[[ $output == *'of type dir, which is not known here'* ]]
	machine "$flash<nvram type='file'><source file='$dir/host/v'><encryption format='luks'/></source></nvram>"
	run -0 planned
	[[ $output == *'are encrypted, a part of a file, or have a backing chain'* ]]
	machine "$flash<nvram>/dev/null</nvram>"
	run -0 planned
	[[ $output == *'problem: /dev/null on old, the firmware'*' is no file'* ]]
}

@test "a machine without variables has none, and one that was never started none yet" {
	for os in '' "<loader type='rom'>/x/bios.bin</loader>" "<loader readonly='yes' type='pflash' stateless='yes'>/x/CODE.fd</loader>"; do
		machine "$os"
		run -0 planned
		[ -z "$output" ]
	done
	machine "<loader type='rom' stateless='yes'>/x/SEV.fd</loader>" '' "firmware='efi'"
	run -0 planned
	[ -z "$output" ]
	machine "$flash<nvram>$dir/host/v.fd</nvram>"
	run -0 planned "was_running='shut off';"
	[ "$output" = 'nvram file v.fd copy none' ]
	run -0 planned
	[[ $output == *"problem: web runs, and $dir/host/v.fd on old, where the firmware's variables of it should be, is not there"* ]]
}

@test "what libvirt fills in when it starts a machine is asked for, or found where it puts it" {
	mkdir -p host/lib/qemu/nvram
	echo vars >host/lib/qemu/nvram/web_VARS.fd
	echo other >host/other.fd
	live='vm_on() { [ "$2" = dumpxml ] && cat live.xml; };'
	shown='make_target_xml; xmllint --xpath "string(/domain/os/@firmware)" "$private/target.xml"; xmllint --xpath "/domain/os/*[self::loader or self::nvram] | /domain/features/smm" "$private/target.xml"'
	for os in "$flash" "$flash<nvram template='/x/VARS.fd'/>"; do
		machine "$os"
		run -0 planned "was_running='shut off';"
		[ "${lines[0]}" = 'nvram file lib/qemu/nvram/web_VARS.fd copy yes' ]
	done
	machine '' '' "firmware='efi'"

	run -0 hosts "was_running='shut off'; find_parts; $shown"
	[[ $output == efi*"<nvram>$dir/host/lib/qemu/nvram/web_VARS.fd</nvram>"* ]]
	sed "s,<os.*</os>,<os><loader readonly='yes' type='pflash'>/x/CODE_4M.fd</loader><nvram template='/x/VARS_4M.fd'>$dir/host/other.fd</nvram></os><features><smm state='on'/></features>," source.xml >live.xml
	run -0 planned "$live"
	[ "$output" = 'nvram file other.fd copy yes' ]
	run -0 hosts "$live find_parts; $shown"
	[[ $output == $'\n'*'/x/CODE_4M.fd</loader>'*"template=\"/x/VARS_4M.fd\">$dir/host/other.fd</nvram>"*'<smm state="on"/>' ]]
}

@test "flash memory that may be written to is copied, or is the same there and stays the same" {
	machine "<loader type='pflash'>$dir/host/OVMF.fd</loader>"
	echo firmware >host/OVMF.fd
	run -0 planned
	[ "$output" = 'loader file OVMF.fd copy yes' ]
	echo 'another one' >there/OVMF.fd
	run -0 planned
	[[ $output == *"problem: new has $dir/host/OVMF.fd already"*'rename it'* ]]
	cp host/OVMF.fd there
	run -0 planned
	[[ $output =~ ^'loader file OVMF.fd same 9 '[0-9.]+$ ]]

	hosts 'find_parts; copy_firmware'
	run -2 hosts 'find_parts; sleep 0.01; echo FIRMWARE >host/OVMF.fd; copy_firmware'
	[[ $output == *"$dir/host/OVMF.fd, the firmware, which it may write to, of web, was the same on both hosts, and is not any more"* ]]
}

@test "a TPM's state: in libvirt's folder, in a folder or a file of its own" {
	mkdir -p host/lib/swtpm/1-2-3/tpm2 host/tpm
	echo tpm >host/tpm.state
	emulated() {
		machine '' "<tpm model='tpm-crb'><backend type='emulator' version='2.0' ${2:-}>$1</backend></tpm>"
	}
	emulated ''
	run -0 planned
	[ "$output" = 'tpm1 folder lib/swtpm/1-2-3 copy yes' ]
	run -0 planned 'new_uuid=4-5-6;'
	[[ $output == *'leave out --new-uuid'* ]]
	emulated "<source type='dir' path='$dir/host/tpm'/>"
	run -0 planned 'new_uuid=4-5-6;'
	[ "$output" = 'tpm1 folder tpm copy yes' ]
	emulated "<source type='file' path='$dir/host/tpm.state'/>"
	run -0 planned
	[ "$output" = 'tpm1 file tpm.state copy yes' ]
	emulated "<source type='file' path='/dev/null'/>"
	run -0 planned
	[[ $output == *'problem: /dev/null on old, the TPM'*' is no file'* ]]
	emulated "<source type='nfs' path='/x'/>"
	run -0 planned
	[[ $output == *'is of type nfs, which is not known here'* ]]
	emulated ''
	run -0 planned 'persistent=no;'
	[[ $output == *"libvirt removes the TPM's state of web, which is transient, when it is off"*'virsh define FILE'* ]]
	emulated '' "persistent_state='yes'"
	run -0 planned 'persistent=no;'
	[[ $output != *problem* ]]
	rm -r host/lib/swtpm
	run -0 planned
	[[ $output == *"web runs, and $dir/host/lib/swtpm/1-2-3 on old, where the TPM's state of it should be, is not there"* ]]
}

@test "a TPM of the host, of another program, or of a kind that is not known is refused" {
	for backend in "type='passthrough'><device path='/dev/tpm0'/" "type='external'><source type='unix' mode='connect' path='/run/x'/" "type='quantum'>" ; do
		machine '' "<tpm model='tpm-tis'><backend $backend></backend></tpm>"
		run -0 planned
		[[ $output == 'problem: web has a TPM'* || $output == 'problem: web has the TPM of old itself (/dev/tpm0)'* ]]
	done
}

@test "a variable store and a persistent store are copied, persistent memory is refused" {
	echo '{}' >host/vars.json
	echo erst >host/erst
	machine "<varstore template='/x/v.json' path='$dir/host/vars.json'/>" \
		"<pstore backend='acpi-erst'><path>$dir/host/erst</path><size unit='KiB'>8</size></pstore>" "firmware='efi'"
	run -0 planned
	[ "$output" = $'varstore file vars.json copy yes\npstore1 file erst copy yes' ]
	for model in nvdimm virtio-pmem; do
		machine '' "<memory model='dimm'><target><size>1</size></target></memory><memory model='$model'><source><path>$dir/host/erst</path></source></memory>"
		run -0 planned
		[[ $output == "problem: web has persistent memory in $dir/host/erst, which is not copied"* ]]
	done
}

@test "a qcow2 file of variables is copied if it is complete by itself" {
	require qemu-img
	qemu-img create -q -f qcow2 host/base 64K
	qemu-img create -q -f qcow2 -b "$dir/host/base" -F qcow2 host/chained
	qemu-img create -q -f qcow2 -o data_file="$dir/host/data" host/apart 64K
	machine "$flash<nvram format='qcow2'>$dir/host/base</nvram>"
	run -0 planned
	[ "$output" = 'nvram file base copy yes' ]
	for file in chained apart; do
		machine "$flash<nvram format='qcow2'>$dir/host/$file</nvram>"
		run -0 planned
		[[ $output == *"problem: $dir/host/$file has a backing chain, or its data in another file"* ]]
	done
}

@test "what both hosts see stays where it is, and is removed on neither" {
	mkdir -p both/tpm
	echo vars >both/vars.fd
	machine "$flash<nvram>$dir/both/vars.fd</nvram>" "<tpm model='tpm-crb'><backend type='emulator'><source type='dir' path='$dir/both/tpm'/></backend></tpm>"
	help='vm_act() { echo "$*"; }; act() { "${@:2}"; }; keeps_tpm() { true; };'
	run -0 planned "$help"
	[ "$output" = "nvram file $dir/both/vars.fd shared yes
tpm1 folder $dir/both/tpm shared yes" ]

	run -0 hosts "$help find_parts; begun[firmware]=now begun[started]=now
		firmware_is_free; copy_firmware; remove_firmware; purge_firmware; undefine new 1-2-3"
	[ "$(cat both/vars.fd)" = vars ]
	[ -d both/tpm ]
	[ "$(ls -A both)" = $'tpm\nvars.fd' ]
	[[ $output == *"$dir/both/vars.fd was not copied: left as it is"* ]]
	run -0 planned "${help/true/false}"
	[[ $output == *"libvirt on old would remove it with the definition there"* ]]
}

# planning CODE: after the plan, in which nothing was in the way.
planning() {
	hosts 'find_parts; [ ${#problems[@]} = 0 ]; '"$1"
}

# later CODE: with what was planned then.
later() {
	hosts 'settle_part() { part_seen[$1]='"${seen-yes}"'; }
		find_parts
		begun[firmware]=now
		act() { "${@:2}"; }
		'"$1"
}

# make_firmware: for that.
make_firmware() {
	mkdir -p host/lib/swtpm/1-2-3/tpm2 host/deep/er
	chmod 711 host/deep
	chmod 750 host/deep/er
	make_noise host/deep/er/vars.fd 64K
	chmod 640 host/deep/er/vars.fd
	make_noise host/lib/swtpm/1-2-3/tpm2/tpm2-00.permall 4K
	: >host/lib/swtpm/1-2-3/tpm2/.lock
	chmod 700 host/lib/swtpm/1-2-3/tpm2
	machine "$flash<nvram type='file'><source file='$dir/host/deep/er/vars.fd'/></nvram>" \
		"<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
}

modes() {
	(cd "$1" && find deep lib -printf '%m %u %p\n' | sort -k 3)
}

@test "all of it arrives with its modes, folders above it as well, and a rollback leaves nothing of it" {
	make_firmware

	planning 'firmware_is_free; copy_firmware'
	diff -r host there
	[ "$(modes host)" = "$(modes there)" ]
	later remove_firmware
	[ -z "$(find there state -type f)" ]
	[ -e host/deep/er/vars.fd ]
}

@test "what is a link is copied as what it leads to, and removed as a whole" {
	make_firmware
	mv host/deep/er/vars.fd host/real.fd
	ln -s ../../real.fd host/deep/er/vars.fd

	planning copy_firmware
	[ ! -L there/deep/er/vars.fd ]
	cmp host/real.fd there/deep/er/vars.fd
	later purge_firmware
	[ ! -e host/real.fd ]
	[ ! -L host/deep/er/vars.fd ]
}

@test "a copy that was killed is made again; what others put there is neither replaced nor removed" {
	make_firmware
	planning copy_firmware
	echo 'half of it' >there/deep/er/vars.fd
	mkdir there/deep/er/.blkmigrate-part-0123456789ab

	later copy_firmware
	cmp host/deep/er/vars.fd there/deep/er/vars.fd
	[ "$(ls -A there/deep/er)" = vars.fd ]
	echo theirs >there/other
	mv there/other there/deep/er/vars.fd
	run -2 later copy_firmware
	[[ $output == *'vars.fd is there already, and this migration did not make it'* ]]
	run -0 later remove_firmware
	[[ $output == *"vars.fd is not what this migration made: left as it is"* ]]
	[ "$(cat there/deep/er/vars.fd)" = theirs ]
	[ ! -e there/lib/swtpm/1-2-3 ]
}

@test "what the machine makes at its first start goes with a rollback, and is not taken for a copy" {
	machine "$flash<nvram>$dir/host/vars.fd</nvram>"
	seen=''

	hosts "was_running='shut off'; find_parts; firmware_is_free; copy_firmware"
	echo new >there/vars.fd
	echo old >host/vars.fd
	run -0 later purge_firmware
	[[ $output == *"$dir/host/vars.fd, the firmware's variables of web, is on new not as it was copied there: left as it is"* ]]
	[ -e host/vars.fd ]
	later 'begun[started]=now; remove_firmware'
	[ ! -e there/vars.fd ]
}

@test "what was there when it was planned, and is gone at the copy, is not taken for needless" {
	make_firmware

	run -2 planning 'rm host/deep/er/vars.fd; copy_firmware'

	[[ $output == *"$dir/host/deep/er/vars.fd on old, the firmware's variables of web, was there when this was planned, and is missing now"* ]]
}

@test "what a machine has made since it was planned is copied as well" {
	machine "$flash<nvram>$dir/host/vars.fd</nvram>"

	hosts "was_running='shut off'; find_parts; echo since >host/vars.fd; copy_firmware"

	[ "$(cat there/vars.fd)" = since ]
}

@test "purge removes what was copied and is there, and keeps the rest" {
	make_firmware
	planning copy_firmware
	rm there/deep/er/vars.fd

	run -0 later purge_firmware
	[ -e host/deep/er/vars.fd ]
	[ ! -e host/lib/swtpm/1-2-3 ]
	[[ $output == *"vars.fd, the firmware's variables of web, is on new not as it was copied there: left as it is"* ]]
}

@test "undefine: libvirt removes neither variables nor a TPM's state by itself" {
	make_firmware
	code='vm_act() { echo "$*" >&2; };'

	run -0 later "$code keeps_tpm() { true; }; undefine old 1-2-3"
	[ "$output" = 'old undefine 1-2-3 --keep-nvram --keep-tpm' ]
	run -2 later "$code keeps_tpm() { false; }; undefine old 1-2-3"
	[[ $output == *"web stays defined on old: libvirt there would remove $dir/host/lib/swtpm/1-2-3 with the definition, and it was not copied"* ]]
	rm -r host/lib/swtpm
	run -0 later "$code keeps_tpm() { false; }; undefine old 1-2-3"
	[ "$output" = 'old undefine 1-2-3 --keep-nvram' ]
}

@test "the parts are kept with the plan; a plan without them copies nothing" {
	make_firmware
	hosts 'find_disks; find_parts; make_target_xml; make_fenced_xml; address[new]=far; save_plan'

	run -0 hosts 'load_plan; echo "${parts[*]} $parts_known"; echo "${part_source[nvram]} ${part_kind[tpm1]} ${part_how[tpm1]} ${part_seen[tpm1]}"'
	[ "$output" = "nvram tpm1 yes
$dir/host/deep/er/vars.fd folder copy yes" ]
	sed -i '/^part/d' state/from/0123456789ab/plan
	run -2 hosts 'load_plan; copy_firmware'
	[[ $output == *'planned by a version that did not keep the parts of the firmware'* ]]
	echo 'part_how[nvram]=x' >>state/from/0123456789ab/plan
	run -2 hosts 'load_plan'
	[[ $output == *'the plan in'*'cannot be understood: part_how=x'* ]]
}

@test "the secret of an encrypted TPM has to be the same on both hosts" {
	mkdir -p host/lib/swtpm/1-2-3
	secret=6dd3e4a5-1d76-44ce-961f-f119f5aad935
	machine '' "<tpm model='tpm-crb'><backend type='emulator'><encryption secret='$secret'/></backend></tpm>"
	mkdir bin
	printf '#!/bin/sh\nexit 0\n' >bin/swtpm
	cat >bin/virsh <<-'EOV'
		#!/bin/bash
		case " $* " in
		*' secret-dumpxml '*) [ -e has ] && echo '<secret/>' ;;
		*' secret-get-value '*) [ -e told ] && { [ "$ON" = old ] && echo one || cat told; } ;;
		*' list '*) echo 1-2-3 ;;
		esac
	EOV
	chmod +x bin/*
	code='PATH=$PWD/bin:$PATH
		on() { local host=$1; shift; ON=$host "$@"; }
		is_same_place() { false; }; libvirt_folder() { [ "$1" = old ] && answer=$PWD/host/lib || answer=$PWD/there/lib; }
		find_parts; check_firmware; printf "%s\n" "${problems[@]}"'

	run -0 hosts "$code"
	[[ $output == *"new has no secret $secret"* ]]
	touch has
	run -0 hosts "$code"
	[ -z "$output" ]
	echo two >told
	run -0 hosts "$code"
	[[ $output == *"the secret $secret"*'is another one on new'* ]]
	echo one >told
	run -0 hosts "$code"
	[ -z "$output" ]
}
