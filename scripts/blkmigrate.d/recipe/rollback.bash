# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Taking a cutover back: nothing of the virtual machine stays on the new host, and it runs on the
# old one as before.  This is possible only before the commit.

# roll_back: let the machine run where it ran before, unless it has been committed.
roll_back() {
	local state status=0

	[ "$live" != yes ] || hurry
	session_renew
	committed || status=$?
	case $status in
	0) die_as "$refused" "$vm was committed to $(name_of new); it is not rolled back any more" ;;
	1) ;;
	*) die "$(name_of new) cannot be asked whether $vm was committed to it; nothing is started anywhere. Ask again when it answers: blkmigrate status" ;;
	esac
	[ "$live" != yes ] || back_where_it_was
	taking_back=true
	journal begin rollback
	use_room old
	unroute_machine
	remove_domain
	remove_firmware
	[ "$keep_memory" != yes ] || forget_memory new ||
		warn "$(name_of new): $(memory_file new) cannot be removed; the memory of $vm is in it, and it is not needed any more"
	close_exports
	[ -z "${begun[delta]:-}" ] || take_back
	lift_fence
	state=$(state_at_rest) || die "$(hypervisor_of old) on $(name_of old) does not answer; $vm is not started"
	if keeps_memory && [ -n "${begun[down]:-}" ]; then
		bring_memory_back
	elif [ "$state" = running ]; then
		restore_poweroff
	elif [ "$live,$state" = yes,paused ]; then
		let_go_on
	elif [ -n "${finished[ran]:-}" ]; then
		source_start "$state" || die "$vm cannot be started on $(name_of old)"
	fi
	if [ "$autostart" = yes ]; then
		source_autostart on || die "autostart of $vm cannot be switched on again"
	fi
	for state in ran quiet down fenced delta firmware memory defined started routed committed paused managed; do
		[ -z "${begun[$state]:-}${finished[$state]:-}" ] || journal undo "$state"
	done
	journal undo rollback
	taking_back=false
	say "$vm is on $(name_of old) as it was; nothing runs on $(name_of new)"
}

# state_at_rest: print the state on the old host, once a QEMU that was about to end has done so.
state_at_rest() {
	local state try

	for ((try = 0; try < 240; try++)); do
		state=$(domain_state old) || return
		[ "$state" = 'in shutdown' ] || break
		nap 0.25
	done
	printf '%s\n' "$state"
}

# restore_poweroff: undo this for a machine that was told to stay off, but has not shut down.
restore_poweroff() {
	local action

	! is_xen || return 0
	read_source_xml
	action=$(xml_value /domain/on_poweroff "$private/source.xml")
	[ "${action:-destroy}" = destroy ] || [ -z "${begun[down]:-}" ] ||
		vm_act old set-lifecycle-action "$uuid" poweroff "$action" --live >/dev/null ||
		warn "$vm will stay off after its next shutdown, once; it should $action"
}

# define_once_more: a machine that was shut down for the cutover, and that somebody has undefined
# before it was fenced.
define_once_more() {
	local state

	[ -n "${finished[ran]:-}" ] && ! is_xen || return 0
	state=$(domain_state old) || die "libvirt on $(name_of old) does not answer; $vm is not started"
	[ "$state" = none ] || return 0
	warn "somebody has undefined $vm on $(name_of old) in the cutover; it is defined again, as it was planned"
	source_define source || die "$vm cannot be defined on $(name_of old)"
}

# lift_renamed NAME: without a file, for which there may be no room.
lift_renamed() {
	read_source_xml
	printf '<identity name="%s" uuid="%s"/>\n' "$(xml_escape "$1")" "$uuid" |
		rewrite "$private/source.xml" "$private/renamed.xml" keep || return
	guarded_feed old virsh -q -c "$uri" define /dev/stdin <"$private/renamed.xml" && flush_definitions old
}

# lift_fence: the definition as it was planned; but one that was renamed keeps its name, and what else
# was changed behind the fence is kept aside.
lift_fence() {
	[ "$persistent" = yes ] || return 0
	if [ -z "${begun[fenced]:-}" ]; then
		define_once_more
		return
	fi
	fence_changes
	if [ -n "$fence_changed" ]; then
		warn "somebody has changed the definition of $vm while it was fenced; it is as planned again: ${fence_changed//$'\n'/; }"
		keep_definition changed.xml && warn "what it was is $(state_of old)/changed.xml" ||
			warn "what it was cannot be kept in $(state_of old)"
	fi
	if ! is_xen && vm_ask -q old "$a_title" domname "$uuid" && [ "$answer" != "$vm" ]; then
		lift_renamed "$answer" || die "the fence of $vm, which is called $(printable "$answer") now, cannot be lifted on $(name_of old)"
		return
	fi
	source_define source || die "the fence of $vm cannot be lifted on $(name_of old)"
}

# after_failure: called by the trap, when this program ends between shutdown and commit.
after_failure() {
	local status

	end_mover
	$cutting || return 0
	cutting=false
	trap '' INT TERM HUP
	warn "the $([ "$live" = yes ] && echo move || echo cutover) of $vm $([ -n "$signal" ] && echo was interrupted || echo failed); rolling back"
	# With "||" after it, errexit would be off inside.
	set +e
	(
		set -e
		if [ "$live" = yes ]; then
			take_back_live
		else
			roll_back
		fi
	)
	status=$?
	set -e
	case $status in
	0)
		outcome=$taken_back
		unset "begun[down]" "begun[committed]" "begun[started]"
		# Of a live move nothing is kept.
		[ "$live" != yes ] || opened=false saved=false
		;;
	# It is known that the new host has it.
	"$refused" | "$needs_person") outcome=$needs_person ;;
	*)
		outcome=$needs_person
		[ -z "${begun[committed]:-}" ] || outcome=$perhaps_committed
		;;
	esac
	[ "$status" = 0 ] || (tell_failed_rollback)
	[ "$status" != 0 ] || [ -z "$signal" ] || [ "$live" = yes ] ||
		warn "what was copied is kept; the same command goes on from there"
}

# tell_failed_rollback: where that leaves the machine.
tell_failed_rollback() {
	local state name again

	state=$(domain_state old 2>/dev/null) || state="in a state for which $(name_of old) cannot be asked"
	[ "$state" != none ] || state='not there'
	name=$(quote "$vm")
	again="blkmigrate rollback $name tries again"
	[ "$live" != yes ] || again="and the same command finds out where its memory is, and goes on"
	warn "the rollback failed, and $vm on $(name_of old) is $state; blkmigrate status $name tells more, $again"
}
