# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A plan is as old as it is: backup programs and other administrators go on meanwhile.  So what it
# relies on is asked again when it counts.  Before the shutdown nothing has happened yet, and what
# has changed is a refusal; when the machine is off it is asked once more, before anything there is
# replaced or read, and a change is taken back.

# check_before_shutdown: or the end, with everything that is not as it was planned.
check_before_shutdown() {
	backup_end
	problems=() remarks=()
	ask_record all
	read_source_xml
	learn_definition
	read_target_xml
	compare_machine before
	compare_running
	compare_disks
	compare_targets
	if [ -z "${begun[defined]:-}" ]; then
		check_name
		check_addresses
		check_networks
		check_machine
		check_memory
		# While it is still to be saved.
		[ -n "${begun[down]:-}" ] || check_keep_memory
	fi
	[ -n "${begun[firmware]:-}" ] || firmware_is_free
	refuse_changes "$vm is not shut down; nothing has happened to it. Mend that, and the same command goes on; or plan again, which keeps what is copied: blkmigrate prepare $(quote "$vm")"
}

# check_off: the machine is off, and its definition is not replaced yet.
check_off() {
	[ -z "${begun[fenced]:-}" ] || return 0
	problems=()
	ask_record less
	read_source_xml
	compare_machine off
	refuse_changes "$vm was changed while it shut down"
}

# check_disks WHAT: they are those that were planned; WHAT is not done otherwise.
check_disks() {
	problems=()
	ask_record disks
	compare_disks
	refuse_changes "$1"
}

# check_targets_are_ours WHAT
check_targets_are_ours() {
	problems=()
	compare_targets
	refuse_changes "$1"
}

# refuse_changes WHAT: the end, where there are problems.
refuse_changes() {
	local each

	[ ${#problems[@]} -gt 0 ] || return 0
	say "$vm is not as it was planned:"
	for each in "${problems[@]}"; do
		say "  - $each"
	done
	die_as "$refused" "$1"
}

# A transient machine has no definition that could be asked when it is off.
look_last() {
	document old "$private/last.part" hushed vm_on old dumpxml --inactive --security-info "$uuid" || return 0
	is_plain_xml "$private/last.part" || return 0
	mv "$private/last.part" "$private/last.xml"
}

compare_last() {
	[ -s "$private/last.xml" ] || return 0
	problems=()
	read_source_xml
	compare_definition "$private/last.xml"
	refuse_changes "$vm was changed while it shut down"
}

read_target_xml() {
	xml_document old "$private/target.xml" on old cat "$(state_of old)/target.xml" ||
		die "$(name_of old): $(state_of old)/target.xml cannot be read"
}

# compare_machine before|off: with the plan.
compare_machine() {
	local when=$1 state name

	if is_xen; then
		compare_xen "$when"
		return
	fi
	part state || answer='none'
	state=${answer%%$'\n'*}
	case $when,$state in
	before,running | before,'in shutdown' | *,'shut off') ;;
	before,paused)
		goes_awake || problem "$vm is paused on $(name_of old)" "resume it, or shut it down"
		;;
	*,none)
		[ "$persistent" = no ] ||
			problem "$vm is not defined on $(name_of old) any more" "virsh define it there; the definition as it was planned is $(state_of old)/source.xml"
		return
		;;
	*) problem "$vm is $(printable "${state:0:40}") on $(name_of old)" "resume it, or shut it down" ;;
	esac
	part source || die "libvirt on $(name_of old) does not tell the definition of $vm"
	compare_definition "$private/source.now"
	part info || die "libvirt on $(name_of old) does not tell of $vm"
	[[ $answer =~ Persistent:\ +yes ]] || [ "$persistent" = no ] ||
		problem "$vm is not defined on $(name_of old) any more: it runs, and will be gone when it is off" "virsh define it there; the definition as it was planned is $(state_of old)/source.xml"
	[[ $answer =~ Managed\ save:\ +no ]] || [ "$keep_memory" = yes ] ||
		problem "$vm has a managed save, whose memory belongs to the disks as they are" "start it, or virsh managedsave-remove"
	[ -n "${begun[quiet]:-}" ] || compare_autostart
	part snapshots || die "libvirt on $(name_of old) does not tell the snapshots of $vm"
	[ -z "$answer" ] || problem "$vm has snapshots, which would be lost" "remove them: virsh snapshot-delete"
	# A libvirt that knows no checkpoints has none.
	part checkpoints || answer=''
	while IFS= read -r name; do
		[[ -z $name || $name =~ ^"blkmigrate-$id-"[0-9]+$ ]] ||
			problem "$vm has checkpoints of another backup program" "remove them: virsh checkpoint-delete"
	done <<<"$answer"
}

compare_autostart() {
	local now=no

	[[ ! $answer =~ Autostart:\ +enable ]] || now=yes
	[ "$now" = "$autostart" ] ||
		problem "autostart of $vm was ${autostart:-no}, and is $now" "plan again, or switch it back: virsh autostart"
}

# compare_definition FILE: with that of the plan.
compare_definition() {
	local kind path text lines=flatten

	# What is told of a transient machine is what runs, and changes by itself.
	[ "$persistent" = yes ] || lines=settle
	"$lines" "$private/source.xml" >"$private/planned.flat" && "$lines" "$1" >"$private/now.flat" ||
		die "the XML of $vm cannot be read"
	differences "$private/planned.flat" "$private/now.flat" planned now >"$private/changes"
	while IFS='|' read -r kind path text; do
		case $kind,$path in
		changed,/name) problem "$text" "virsh domrename it back, or plan again" ;;
		*,/devices/disk*source* | *,/devices/disk*backingStore*)
			problem "$text" "after a snapshot, virsh blockcommit $(quote "$vm") DISK --active --pivot brings back what was planned" ;;
		*) problem "$text" "plan again, or change it back: virsh edit" ;;
		esac
	done <"$private/changes"
}

# compare_running: with its definition, whose disks are copied, and with which it starts on the new
# host.
compare_running() {
	local kind path text disk

	! is_xen || return 0
	part state && is_up "${answer%%$'\n'*}" || return 0
	part live || die "libvirt on $(name_of old) does not tell the XML of $vm as it runs"
	settle "$private/source.now" >"$private/defined.flat" && settle "$private/live.now" >"$private/running.flat" ||
		die "the XML of $vm cannot be read"
	differences "$private/defined.flat" "$private/running.flat" defined running >"$private/changes"
	while IFS='|' read -r kind path text; do
		case $kind,$path in
		plugged,*) problem "only the running machine has $text" "virsh attach-device --config defines it as well; or detach it" ;;
		*,/devices/disk*source@* | *,/devices/disk*@type)
			problem "$vm runs with another disk than it is defined with: $text" "define it with the disk that it has, or virsh blockcommit or blockcopy --pivot back to the one that is defined" ;;
		*) goes_awake || remark "$vm starts on $(name_of new) as it is defined, and not as it runs: $text" ;;
		esac
	done <"$private/changes"
	# A host that knows no such job has none.
	! part job || [[ $answer =~ Job\ type:\ +(None|Completed) ]] ||
		problem "$vm is in the middle of a job: $(sed -n 's/^Operation: *//p' "$private/job.now" | tr -c '[:print:]\n' '?' | head -n 1)" "wait for it, or virsh domjobabort"
	for disk in "${disks[@]}" "${shared[@]}"; do
		! part "block-$disk" || [ -z "$answer" ] ||
			problem "$disk is in a block job" "wait for it, or virsh blockjob --abort"
	done
}

# compare_disks: what is at their paths now.
compare_disks() {
	local disk now

	for disk in "${disks[@]}" "${shared[@]}" "${swaps[@]}"; do
		if ! part "disk-$disk"; then
			problem "$disk: ${source[$disk]} is not there on $(name_of old), or cannot be looked at" "bring it back"
			continue
		fi
		[[ $answer =~ ^(lvm|thin|block|file|qcow2|overlay|snapshots|other)\ ($a_number)\ ($a_identity)$ ]] ||
			die "$(name_of old) does not tell what ${source[$disk]} is: $(printable "${answer:0:200}")"
		now=${answer##* }
		if [ "${answer%% *}" != "${kind[$disk]}" ]; then
			problem "$disk: ${source[$disk]} has a backing file, or snapshots, now" "virsh blockpull, or qemu-img snapshot -d"
		elif [ "$now" != "${identity[$disk]}" ]; then
			problem "$disk: ${source[$disk]} is not the disk that was planned: $now, which was ${identity[$disk]}" "bring that back; or begin anew: blkmigrate purge $(quote "$vm")"
		elif [ "$answer" != "${kind[$disk]} ${size[$disk]} $now" ]; then
			answer=${answer#* }
			problem "$disk: ${source[$disk]} was resized: it had ${size[$disk]} bytes, and has ${answer%% *}" "begin anew, with a target of that size: blkmigrate purge $(quote "$vm")"
		fi
	done
}

# compare_targets: what was made for this migration is there, and nothing else took its place.
compare_targets() {
	local disk

	for disk in "${placed[@]}"; do
		look_at_target "$disk"
		case $there in
		"ours "*)
			[ "${target_kind[$disk]}" = qcow2 ] || [ "${there##* }" -ge "${size[$disk]}" ] ||
				problem "$disk: ${target[$disk]} on $(name_of new) has ${there##* } bytes, ${size[$disk]} are needed" "make it as large again"
			;;
		absent) problem "$disk: ${target[$disk]} is gone from $(name_of new)" "blkmigrate prepare $(quote "$vm") makes it again" ;;
		*) problem "$disk: ${target[$disk]} on $(name_of new) is not what this migration made" "move it away, and blkmigrate prepare $(quote "$vm") makes it again" ;;
		esac
	done
}

# compare_xen before|off: its file, and what xl has.
compare_xen() {
	local state

	state=$(source_state) || exit
	case $1,$state in
	before,running | before,'in shutdown' | before,halted | *,'shut off') ;;
	*) problem "$vm is $state on $(name_of old)" "unpause it, or shut it down" ;;
	esac
	asks_yes old cmp -s -- "$(state_of old)/source.cfg" "$xen_config" ||
		problem "$xen_config is not as it was planned" "plan again, or change it back: the file as it was is $(state_of old)/source.cfg"
	[ "$1,$state" != before,running ] || check_xen_disks
}
