# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --quiesce: the guest's agent freezes its file systems while the snapshots of all its disks are
# taken.  Thawing must not depend on this program, on ssh or on a terminal: a process on the old
# host, started before the freeze, thaws them after ten seconds.

quiesce=false
frozen=''
freeze_seconds=10

# trim_before STATE: with --trim, have the agent discard what the file systems do not use, once, before
# the first pass, so that it need not be sent.  Without an answer more is sent, and nothing else.
trim=false trim_seconds=600
trim_before() {
	$trim && [ -z "${begun[bulk]:-}" ] || return 0
	if [ "$1" != running ] || is_xen; then
		warn "$vm is not trimmed: --trim needs a machine that runs, with libvirt and the guest agent"
		return
	fi
	act old timeout "$trim_seconds" virsh -q -c "$uri" domfstrim "$uuid" 2>"$private/why" ||
		warn "$vm cannot be trimmed, so that unused blocks are sent, too: $(head -n 1 "$private/why" | grep . || echo "no answer in $trim_seconds seconds")"
}

# check_agent: ask the agent before anything is touched.
check_agent() {
	local status=0

	$quiesce && [ "$was_running" = running ] && ! is_xen || return 0
	on old timeout 15 virsh -q -c "$uri" domtime "$uuid" >/dev/null 2>"$private/why" || status=$?
	[ "$status" != 255 ] || die "$(name_of old) cannot be asked: $(head -n 1 "$private/why")"
	[ "$status" = 0 ] ||
		problem "the guest agent of $vm does not answer: $(head -n 1 "$private/why")" \
			"start qemu-guest-agent in the guest, or leave out --quiesce"
}

# take_together: take the snapshots of a pass, all at the same moment.
take_together() {
	local disk volumes=()

	$quiesce || return 0
	for disk in "${disks[@]}"; do
		[ -z "${volume[$disk]:-}" ] || volumes+=("$disk")
	done
	if [ "${#volumes[@]}" = 0 ] && [ -z "$(image_disks)" ]; then
		warn "no disk of $vm is read from a snapshot, so its file systems are not frozen"
		return
	fi
	for disk in "${volumes[@]}"; do
		clear_snapshots "$disk"
	done
	backup_end
	freeze
	for disk in "${volumes[@]}"; do
		take_snapshot "$disk"
		taken[$disk]=$snapshot
		watch "$disk"
	done
	[ "$image_pass" = none ] || images_begin || true
	thaw || die "the snapshots of $vm took longer than $freeze_seconds seconds, and its file systems were thawed meanwhile; the same command without --quiesce resumes"
}

# freeze: while the file $frozen exists, the other process will thaw them.
freeze() {
	local virsh=(timeout "$freeze_seconds" virsh -c "$uri" domfsfreeze "$uuid") why

	frozen=$(state_of old)/frozen.$BASHPID.$RANDOM
	thaw_later || die "$(name_of old) cannot start the process that would thaw $vm, so it is not frozen; the same command without --quiesce resumes"
	show old "$(quote "${virsh[@]}")"
	$dry_run || guarded_loud old "${virsh[@]}" >"$private/froze" 2>&1 || {
		why=$(head -n 1 "$private/froze")
		die "the file systems of $vm cannot be frozen: ${why:-no answer in $freeze_seconds seconds}; the same command without --quiesce resumes"
	}
}

# thaw_later: start the process that thaws.  It must not hold the lock of this run open, or the next
# run would kill it.
thaw_later() {
	perform old "setsid sh -c 'sleep $freeze_seconds; virsh -c $uri domfsthaw $uuid' &" '
		: >"$2" && type -P setsid >/dev/null || exit
		setsid bash -c "$1" thaw "${@:2}" </dev/null >/dev/null 2>&1 9>&- &' '
		sleep "$2"
		for ((i = 0; i < 60; i++)); do
			[ -e "$1" ] || exit
			timeout 10 virsh -q -c "$3" domfsthaw "$4" && rm -f "$1"
			sleep 1
		done' "$frozen" "$freeze_seconds" "$uri" "$uuid"
}

# thaw: thaw them, even if another run has taken over; true if they were frozen until now.
thaw() {
	local file=$frozen said

	[ -n "$file" ] || return 0
	frozen=''
	show old "virsh -c $uri domfsthaw $uuid"
	! $dry_run || return 0
	said=$(brief on old timeout 10 virsh -c "$uri" domfsthaw "$uuid" 2>&1) || {
		warn "the file systems of $vm cannot be thawed: ${said%%$'\n'*}; $(name_of old) tries that by itself"
		return 1
	}
	on old rm -f -- "$file" >/dev/null || true
	# None was still frozen; or none ever was, in a guest without file systems.
	[[ $said != 'Thawed 0 '* || $(<"$private/froze") == 'Froze 0 '* ]]
}
