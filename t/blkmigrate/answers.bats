#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Answers of a host: a host that does not answer is never taken for one that says no.

load ../helpers
load migrate

setup() {
	test_begin
}

# asking CODE: run it in blkmigrate, with hosts that do what they are told; "down" is a command
# that ssh cannot bring there.
asking() {
	inside 'address=([old]=near [new]=far)
		on() { shift; "$@"; }
		vm_on() { shift; "$@"; }
		down() { return 255; }
		says() { printf "%b" "$1"; return "${2:-0}"; }
		'"$1"
}

@test "ask: an answer that fits is kept, without the blanks that LVM puts before it" {
	run -0 asking 'ask new "$a_number" says "  4096 \n\n" && echo "<$answer>"
		ask new "$a_path" says "/srv/a b \xc3\xa4.img " && echo "<$answer>"
		ask new "" says "" && echo "<$answer>"
		ask new "running|shut off" says "shut off\n" && echo "<$answer>"'

	[ "$output" = $'<4096>\n</srv/a b \xc3\xa4.img >\n<>\n<shut off>' ]
}

@test "ask: an answer that does not fit ends the program, and names host, question and answer" {
	for text in '' 'x[$(touch oops)]' 017 -1 '1\n2' 1234567890123456789 ' 1 2'; do
		run -2 --separate-stderr asking "ask new \"\$a_number\" says '$text'; echo on"
		[ -z "$output" ]
		[[ $stderr == "blkmigrate: far cannot be asked (says "*'): "'*'" is no answer' ]]
	done
	run -2 --separate-stderr asking 'ask new "$a_line" says "one\e[31mred\ntwo"'
	[[ $stderr != *$'\e'* ]]
	run -2 asking 'ask new "$any_text" printf "%01000001d" 0'

	[ ! -e oops ]
}

@test "ask: a no is a no, a host that cannot be asked ends the program, also where errexit is off" {
	run -0 asking 'if ask new "$a_number" says none 5; then echo yes; else echo "no $? $answer"; fi'
	[ "$output" = 'no 5 none' ]
	for form in 'ask new "$a_number" down' 'ask_lines new "$a_name" down' 'asks_yes new down' 'vm_ask new x down' \
		'vm_asks_yes new down' 'vm_ask_lines new x down'; do
		for code in "$form" "if $form; then echo yes; else echo no; fi" "$form || echo no" "! $form && echo no"; do
			run -2 --separate-stderr asking "$code; echo on"
			[ -z "$output" ]
			[[ $stderr == 'blkmigrate: far cannot be asked ('*'down)' ]]
		done
	done
}

@test "asks_yes: 0 is yes, 1 is no, and all else is no answer" {
	run -0 asking 'asks_yes new says dropped && ! asks_yes new says x 1 && echo "both"'
	[ "$output" = both ]

	run -2 --separate-stderr asking 'asks_yes new says x 2 || echo no'
		[ "$stderr" = 'blkmigrate: far cannot be asked (says x 2): status 2' ]
}

@test "ask_lines: each line must fit, and empty lines do not count" {
	run -0 asking 'ask_lines new "$a_name" says "  a  \n  b.c\n" && printf "<%s>" "${answers[@]}"
		ask_lines new "$a_name" says ""
		echo "${#answers[@]}"'
	[ "$output" = '<a><b.c>0' ]

	run -2 --separate-stderr asking 'ask_lines new "$a_name" says "a\n../b\nc"'
	[ "$stderr" = 'blkmigrate: far cannot be asked (says a\n../b\nc): "../b" is no answer' ]
}

@test "-q drops the command's messages, but not the reason why the program ends; a script is called by its name" {
	run -0 --separate-stderr asking 'ask -q new x ls /none || echo no'
	[ "$output$stderr" = no ]

	for options in -c '-o pipefail -c'; do
		run -2 --separate-stderr asking "ask -q new x bash $options 'echo y; echo said >&2' look /dev/vg/web"
		[ "$stderr" = 'blkmigrate: far cannot be asked (look /dev/vg/web): "y" is no answer' ]
	done
}

@test "an empty answer is no number, no volume and no file's beginning" {
	require xmllint
	echo '<domain><memory unit="KiB">1024</memory></domain>' >source.xml
	sed 's,</memory>,&<memoryBacking><hugepages/></memoryBacking>,' source.xml >huge.xml
	none='on() { :; }'
	for file in source huge; do
		memory="cp $file.xml \"\$private/source.xml\"; host_facts new; check_memory"
		refused "$none; $memory" 'its answer has no end'
		refused "on() { echo '=MemAvailable x'; }; $memory" 'is no answer'
		run -0 inside "on() { echo '=time 1'; }; remark() { echo \"\$*\"; }; $memory"
		[[ $output == *' does not tell how much of '*' is available; web needs 1.0MiB' ]]
	done
	refused "$none; volume_of_path new /dev/vg/web" 'is no answer'
	part='part_source[1]=$PWD/source.xml part_kind[1]=file; what_is() { echo x; }; problem() { echo "$*"; }; check_readable 1'
	refused "$none; $part" 'is no answer'

	run -0 inside "volume_of_path new \$PWD/source.xml; echo \"<\$found_volume>\"; $part"
	[ "$output" = '<>' ]
	run -0 inside "on() { [[ \$* != *head* ]]; }; $part"
	[[ $output == 'the beginning of '* ]]
}

@test "find_vm: a line of libvirt's list without a UUID is no answer" {
	list='vm_on() { printf "%s\n" "e8cd958e-6645-5478-bdcf-1cd19353ac12 other" "$said"; }'
	for line in '../../../srv web' 'web' 'a[$(touch oops)] web'; do
		run -2 --separate-stderr inside "said='$line'; $list; find_vm web; echo \"\$uuid\""
		[ -z "$output" ]
		[[ $stderr == *'cannot be asked (virsh list'*' is no answer' ]]
	done
	run -0 inside "said='e8cd958e-6645-5478-bdcf-1cd19353ac13 my web'; $list; find_vm 'my web'; echo \"\$uuid \$vm\""
	[ "$output" = 'e8cd958e-6645-5478-bdcf-1cd19353ac13 my web' ]
	[ ! -e oops ]
}

# refused CODE WORDS: the program ends with these words, and does nothing after CODE.
refused() {
	run -2 --separate-stderr inside "$1; echo went on"
	echo "$output / $stderr"
	[ -z "$output" ]
	[[ $stderr == *"$2"* ]]
}

images='disks=(vda) kind[vda]=qcow2; export_clear() { :; }'
no_libvirt='on() { echo "error: failed to connect to the hypervisor" >&2; return 1; }'

@test "read_xen: a new host that does not answer is not taken for one without KVM" {
	code='echo "name = \"web\"" >"$private/source.cfg"; xen_config=/etc/xen/web.cfg
		cp '"$root"'/t/files/xen/pv.xml "$private/native.xml"; remark() { echo "$*"; }
		feed() { on "$@"; }; on() { case "$*" in new*) says "$@" ;; esac; }'

	refused "$code; says() { return 255; }; read_xen" 'cannot be asked'
	refused "$code; says() { return 1; }; read_xen" 'libvirt on this host does not answer'
	run -0 inside "$code; says() { [[ \$* != *domcapabilities* ]]; }; read_xen"
	[[ $output == *'has no KVM'* ]]
}

@test "checkpoints and jobs: a libvirt that does not answer is not taken for one without them" {
	for code in find_checkpoints drop_checkpoints last_checkpoint backup_end '! backup_end'; do
		refused "$images; $no_libvirt; $code" 'libvirt on this host does not answer'
	done

	old='on() { case "$*" in *" list "*) echo 1-2-3 ;; *) return 1 ;; esac; }'
	run -0 inside "$images; $old; backup_end; drop_checkpoints; echo \"\${#checkpoints[@]} of them\""
	[ "$output" = '0 of them' ]
	# Xen has none, and no libvirt that runs QEMU.
	run -0 inside "$images; xen_config=/etc/xen/web.cfg; $no_libvirt; backup_end; drop_checkpoints; echo none"
	[ "$output" = none ]
}

@test "drop_checkpoints: a checkpoint may be there if the host did not answer to its removal" {
	list='on() { echo blkmigrate-0123456789ab-3; }'

	refused "$images; $list; vm_act() { return 255; }; drop_checkpoints" 'does not answer; the checkpoint'
	refused "$images; $list; vm_act() { [[ \$* != *--metadata ]] || return 255; return 1; }; drop_checkpoints" 'does not answer; the checkpoint'
	run -0 inside "$images; $list; vm_act() { return 1; }; drop_checkpoints"
	[[ $output == *'cannot be removed' ]]
	run -0 inside "$images; $list; vm_act() { [[ \$* == *--metadata ]]; }; drop_checkpoints; echo dropped"
	[ "$output" = dropped ]
}

@test "a job that cannot be ended does not keep a failed cutover from being rolled back" {
	run -2 inside "$images; $no_libvirt; backing_up=true; after_failure() { echo rolled back; }; trap clean EXIT; die failed"

	[[ $output == *'rolled back' ]]
}

@test "look_at_target: a volume that LVM cannot read is not absent" {
	code='target[vda]=$PWD/web target_volume[vda]=vg/web target_kind[vda]=lvm; export PATH=$PWD/bin:$PATH; look_at_target vda'
	mkdir bin
	printf '#!/bin/bash\ncase "$*" in *lv_size*) exit 5 ;; esac\n%s\n' 'eval "$lvs"' >bin/lvs
	printf '#!/bin/bash\neval "$vgs"\n' >bin/vgs
	chmod +x bin/*
	export lvs vgs

	lvs='exit 5' vgs='exit 5'
	refused "$code" 'cannot be asked about'
	lvs='exit 5' vgs='echo "  vg"'
	refused "$code" 'vg is there, and cannot be read'
	lvs='echo "  vg/root"; echo "  vg/web"' vgs='exit 5'
	refused "$code" 'vg/web is there, and cannot be read'
	lvs='echo "  vg/root"; echo "  vg/web2"'
	run -0 inside "$code; echo \"\$there\""
	[ "$output" = absent ]
	lvs='exit 5' vgs='echo "  vg2"'
	run -0 inside "$code; echo \"\$there\""
	[ "$output" = absent ]
}

@test "same_layout: blkid and partx both have to be there" {
	mkdir bin
	ln -s "$(command -v bash)" "$(command -v grep)" "$(command -v sed)" bin
	for program in blkid partx; do
		printf '#!%s\n' "$(command -v bash)" >bin/$program
		chmod +x bin/$program
		refused 'target[vda]=/x; on() { shift; PATH=$PWD/bin "$@"; }; same_layout vda /x' \
			'blkid and partx have to be on both hosts'
		rm bin/$program
	done
}

@test "check_gpt: a host that does not answer is not a disk without a table" {
	disk='disks=(vda) source[vda]=$PWD/old.img kind[vda]=file target_kind[vda]=lvm target_volume[vda]=vg/web size[vda]=5000000
		remark() { echo remark; }'
	{ head -c 512 /dev/zero; printf 'EFI PART'; } >old.img

	refused "$disk; on() { [ \$1 = new ] || return 255; echo 4194304; }; check_gpt" 'cannot be asked'
	run -0 inside "$disk; on() { case \$1 in new) echo 4194304 ;; *) shift; \"\$@\" ;; esac; }; check_gpt"
	[ "$output" = remark ]
}

@test "freeze: nothing is frozen where no process was started that thaws it" {
	for status in 255 75 1; do
		run -2 inside "perform() { return $status; }; guarded_loud() { touch frozen; }; on() { :; }; freeze || true"
		[[ $output == *'is not frozen'* ]]
		[ ! -e frozen ]
	done
}

@test "take_back: a shared volume that may be active on the new host is not activated on the old one" {
	volume='shared=(vda) volume[vda]=vg/web; name_of() { echo "$1"; }'

	refused "$volume; act() { [ \$1 = old ] || return 255; echo activated >&2; }; take_back" 'may have vg/web active; nothing is started'
	[[ $stderr != *activated* ]]
	run -0 inside "$volume; act() { [ \$1 = old ] || return 5; echo activated >&2; }; take_back"
	[[ $output == *'stays active on new'*activated ]]
}

@test "check_managers: a host without pgrep does not say that no cluster manages it" {
	printf '<domain/>\n' >domain.xml
	code='cp domain.xml "$private/source.xml"; on() { shift; PATH=$PWD/bin "$@"; }; check_managers'
	mkdir bin
	ln -s "$(command -v bash)" bin

	refused "$code" 'pgrep has to be there'
	printf '#!%s\n[ "$2" = pmxcfs ]\n' "$(command -v bash)" >bin/pgrep
	chmod +x bin/pgrep
	run -0 inside "problem() { echo \"\$1\"; }; $code"
	[[ $output == 'Proxmox VE manages'* ]]
	[ "${#lines[@]}" = 2 ]
}

@test "backup_begin: documents that cannot be written are not those of an earlier pass" {
	for file in backup.xml checkpoint.xml; do
		for answer in '1 cannot be written' '255 was written is not known'; do
			refused "$images; source[vda]=/srv/web.qcow2
				feed() { cat >/dev/null; [[ \$* != *'$file'* ]] || return ${answer%% *}; echo done; }
				find_checkpoints() { checkpoints=(); }
				vm_act() { echo told; }
				images_begin || true" "$file ${answer#* }"
		done
	done
}

@test "check_user: no answer of libvirt is not taken for the user of QEMU" {
	refused 'vm_on() { return 255; }; check_user' 'cannot be asked'
	refused 'vm_on() { return 1; }; check_user' 'libvirt on this host does not answer'
}

@test "find_xen: a host that does not answer is not taken for one without the file" {
	refused 'on() { return 255; }; find_xen /etc/xen/web.cfg' 'cannot be asked'
	refused 'on() { return 1; }; find_xen /etc/xen/web.cfg' 'there is no /etc/xen/web.cfg'
}

# count_starts: each start of bash on the other side of guarded leaves a line in $dir/starts.
count_starts() {
	mkdir bin
	printf '#!%s\necho >>%s/starts\nexec %s "$@"\n' "$(command -v bash)" "$dir" "$(command -v bash)" >bin/bash
	chmod +x bin/bash
}

@test "guarded: a script runs in the shell that holds the lock, apart from it" {
	count_starts

	run -7 inside 'PATH=$PWD/bin:$PATH
		guarded_loud old bash -c '\''set -e
			echo "<$1> <$2> ${lock-} ${token-} ${status-} ${spare-}"
			[ ! -e /proc/self/fd/9 ]
			exit 7'\'' name "a b" "*"'
	[ "$output" = '<a b> <*>    ' ]
	[ "$(wc -l <starts)" = 1 ]

	run -1 inside 'guarded_loud old bash -c '\''set -e; false; echo on'\'' name'
	[ -z "$output" ]
	run -0 inside 'guarded_loud old bash -c '\''false; (exec 9<lock.work) && flock -n -x lock.work true || echo held'\'' name'
	[ "$output" = held ]
}

@test "a line of the journal that was cut, in bytes of any kind, is ended before the next one" {
	mkdir -p state/from/0123456789ab
	for cut in '2026-11-28T10:00:00Z note x .\n' 'cut' '\0\0' ''; do
		printf "$cut" >state/from/0123456789ab/journal
		run -0 inside 'journal begin bulk; journal_read; echo "${!begun[*]}"'
		[ "$output" = bulk ]
	done
}
