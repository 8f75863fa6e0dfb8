# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The moment of which there must be one: the virtual machine runs on the old host until its
# shutdown, on the new one from the commit on, and never on both.
#
# The commit is a file, to/ID/commit on the new host, written and flushed while the virtual
# machine is there, paused.  Before it nothing runs on the new host, and everything can be
# taken back; after it the old one is never started.  While the new host cannot be asked
# whether it is there, nothing is started anywhere.

cutting=false
down_since=''

# committed: 0 yes, 1 no, 2 it cannot be known.  A machine that runs there counts: somebody
# has resumed it.
committed() {
	local answer state

	[ -z "${finished[committed]:-}" ] || return 0
	answer=$(on new bash -c '[ -e "$1/commit" ] && echo yes || echo no' committed "$(state_of new)") || return 2
	[ "$answer" = no ] || return 0
	state=$(domain_state new) || return 2
	[ "$state" = running ] && domain_is_ours && return 0
	return 1
}

# domain_is_ours: the domain on the new host has the disks that were made for it.
domain_is_ours() {
	local expected

	[ -n "${begun[defined]:-}" ] || return 1
	vm_on new dumpxml --inactive "$new_uuid" >"$private/there.xml" || return
	on old cat "$(state_of old)/target.xml" >"$private/target.xml" || return
	expected=$(disk_paths "$private/target.xml")
	[ -n "$expected" ] && [ "$(disk_paths "$private/there.xml")" = "$expected" ]
}

# cutover: from a machine that runs on the old host to one that runs on the new one.
cutover() {
	local state

	cutting=true
	if [ -z "${begun[quiet]:-}" ]; then
		state=$(source_state) || exit
		is_off "$state" || journal 'done' ran
	fi
	step quiet autostart_off
	step down shut_down
	step fenced fence
	source_is_fenced || die "$vm on $(name_of old) is not fenced and off any more; somebody has changed it"
	step delta last_delta
	[ -n "${begun[firmware]:-}" ] || firmware_is_free
	step firmware copy_firmware
	step defined define_target
	source_is_fenced || die "$vm on $(name_of old) is not fenced and off any more; somebody has changed it"
	# One that was off stays off.
	[ -z "${finished[ran]:-}" ] || step started start_paused
	commit
	cutting=false
	resume
}

autostart_off() {
	[ "$autostart" = yes ] || return 0
	source_autostart off || die "autostart of $vm cannot be switched off"
}

# is_off STATE: a transient machine that is off is not there.
is_off() {
	[ "$1" = 'shut off' ] || [ "$persistent,$1" = no,none ]
}

# shut_down: as its own power button would; a guest that does not look is asked again.
shut_down() {
	local state waited=0

	state=$(source_state) || exit
	backup_end
	down_since=${EPOCHREALTIME/./}
	while ! is_off "$state"; do
		case $state in
		running | 'in shutdown') [ $((waited % 40)) != 0 ] || source_shutdown ;;
		halted) source_destroy ;;
		*) die "$vm is $state on $(name_of old)" ;;
		esac
		if [ "$waited" -ge $((shutdown_timeout * 4)) ]; then
			$destroy || die "$vm does not shut down in $shutdown_timeout seconds; --shutdown-timeout waits longer, --destroy takes its power"
			warn "$vm does not shut down in $shutdown_timeout seconds: its power is taken"
			source_destroy
		fi
		sleep 0.25
		waited=$((waited + 1))
		state=$(source_state) || exit
	done
}

# fence: what is defined on the old host from now on cannot start.  Of a transient machine nothing
# is, and nothing is made of it there any more but by a rollback.
fence() {
	if [ "$persistent" = no ]; then
		journal note transient: nothing is defined that could be fenced
	else
		define_fenced
	fi
	source_is_fenced || die "$vm is not off and fenced on $(name_of old): was it started meanwhile?"
}

define_fenced() {
	source_define fenced || die "$vm cannot be fenced on $(name_of old)"
}

source_is_fenced() {
	local state

	state=$(source_state) || exit
	if [ "$persistent" = no ]; then
		[ "$state" = none ]
		return
	fi
	[ "$state" = 'shut off' ] && source_has_fence
}

# last_delta: nothing writes any more.
last_delta() {
	local disk

	hand_over
	for disk in "${disks[@]}"; do
		contains "$disk" "${later[@]}" || last_changes "$disk"
	done
}

last_changes() {
	local bitmap=''

	open_for_last "$1"
	sink_open "$1"
	final_pass "$1"
	sink_close "$1"
	view_close "$1"
}

# open_for_last DISK: with the bitmap of the last pass, in $bitmap, if it has one.
open_for_last() {
	[ "${kind[$1]}" = qcow2 ] || return 0
	bitmap=$(last_checkpoint)
	if [ -n "$bitmap" ]; then
		bitmap=$(checkpoint_name "$bitmap")
		! view_open "$1" "$bitmap" || return 0
		warn "$1: the bitmap $bitmap does not serve; all of both disks is read now"
		bitmap=''
	fi
	view_open "$1" || die "$(name_of old): ${source[$1]} cannot be opened; is it in use?"
}

# final_pass DISK: what the target lacks of the disk as it is now.
final_pass() {
	local disk=$1 base='' from=${view[$1]:-${source[$1]}}

	if [ -n "${volume[$disk]:-}" ]; then
		base=$(copied_snapshot "$disk") || die "$(name_of old) cannot be asked for its snapshots"
	fi
	if ! send_last "$disk" "$from" "$base"; then
		warn "$disk: that did not come to its end; all of both disks is read, and what differs sent again"
		by_map "$disk" "$from" || die "$disk: the last changes could not be sent"
	fi
	if $verify_full; then
		compare "$disk" "$from" || die "$disk: the digests of both sides differ"
	fi
	same_layout "$disk" "$from"
}

send_last() {
	if [ -n "${made[$1]:-}" ]; then
		bulk "$1" "$2" && unset "made[$1]"
	elif [ -n "$bitmap" ]; then
		by_bitmap "$1" "$(nbd_uri "$2.sock" disk)" "$bitmap"
	elif [ -n "$3" ]; then
		by_base "$1" "$3" ''
	else
		by_map "$1" "$2"
	fi
}

define_target() {
	local state

	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer"
	vm_act new define "$(state_of new)/domain.xml" >/dev/null || die "$vm cannot be defined on $(name_of new)"
	domain_is_ours || die "$vm on $(name_of new) does not have the disks that it should"
}

# start_paused: the first that opens the target's disks.
start_paused() {
	local state

	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer"
	case $state in
	paused) ;;
	'shut off')
		start_there --paused >/dev/null || die "$vm cannot be started on $(name_of new)"
		;;
	*) die "$vm is $state on $(name_of new)" ;;
	esac
	state=$(domain_state new) && [ "$state" = paused ] || die "$vm is ${state:-unknown} on $(name_of new), and not paused"
}

# commit: an answer that is lost may have been a yes.
commit() {
	[ -z "${finished[committed]:-}" ] || return 0
	journal begin committed
	echo "$vm runs here since $(date -u +%FT%TZ)" | put new "$(state_of new)/commit"
}

# resume: what was committed runs, if it ran before.
resume() {
	local state='' try

	[ -z "${finished[resumed]:-}" ] || return 0
	if [ -z "${finished[ran]:-}" ]; then
		journal 'done' committed
		journal 'done' resumed
		return
	fi
	for try in 1 2 3 4 5; do
		state=$(domain_state new) || state=unknown
		case $state in
		running) break ;;
		paused) vm_act new resume "$new_uuid" >/dev/null || true ;;
		'shut off') start_there >/dev/null || true ;;
		none) die "$vm was committed to $(name_of new) and is not defined there any more; its XML is in $(state_of new)/domain.xml" ;;
		esac
		[ "$try" = 1 ] || sleep 1
	done
	[ "$state" = running ] ||
		die "$vm belongs to $(name_of new), and is $state there; it is not started here any more. When it can be reached, the same command goes on"
	journal 'done' committed
	[ -z "$down_since" ] || say "$vm runs on $(name_of new); it was down for $(seconds_since "$down_since") seconds"
	journal 'done' resumed
}

# seconds_since MICROSECONDS: with one digit behind the point.
seconds_since() {
	local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))

	printf '%s.%s\n' $((tenths / 10)) $((tenths % 10))
}
