# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The cutover: the virtual machine runs on the old host until its shutdown, on the new one from the
# commit on, and never on both.
#
# The commit is a file, to/ID/commit on the new host, written and flushed while the virtual machine
# is there, paused.  Before the commit nothing runs on the new host, and everything can be taken
# back; after it the old one is never started.  While the new host cannot be asked whether the
# commit is there, nothing is started anywhere.

cutting=false
down_since=''

# committed: 0 yes, 1 no, 255 the new host could not be asked.  A machine that runs there counts as
# committed: somebody has resumed it.
committed() {
	local answer state

	[ -z "${finished[committed]:-}" ] || return 0
	answer=$(brief on new bash -c '[ ! -e "$1" ] || ls -A -- "$1" >/dev/null || exit
		[ -e "$1/commit" ] && echo yes || echo no' committed "$(state_of new)") || return 255
	case $answer in
	yes) return 0 ;;
	no) ;;
	*) return 255 ;;
	esac
	state=$(domain_state new) || return 255
	[ "$state" = running ] || return 1
	domain_is_ours
}

# cutover: the machine runs on the old host before, and on the new one afterwards.
cutover() {
	local state

	# What was begun by an earlier run is taken back where this one cannot go on.
	[ -z "${begun[quiet]:-}" ] || cutting=true
	settle_save
	[ -n "${begun[fenced]:-}" ] || check_before_shutdown
	if [ -z "${begun[quiet]:-}" ]; then
		keep_room old
		keep_room new
	fi
	cutting=true
	if [ -z "${begun[quiet]:-}" ]; then
		state=$(source_state) || exit
		remember_state "$state"
	fi
	step quiet autostart_off
	if keeps_memory; then
		step down save_memory
	else
		step down shut_down
	fi
	check_off
	step fenced fence
	source_is_fenced || die "$vm on $(name_of old) is not fenced and off any more; somebody has changed it"
	check_memory_current
	step delta last_delta
	[ -n "${begun[firmware]:-}" ] || firmware_is_free
	step firmware copy_firmware
	! keeps_memory || step memory send_memory
	step defined define_target
	check_memory_current
	# A machine that was off stays off, but for --start.
	if keeps_memory; then
		step started restore_there
	elif will_run; then
		step started start_paused
	fi
	[ -z "$tunnel" ] || step routed route_machine
	# As late as it can be: starting it, paused, takes seconds.
	source_is_fenced || die "$vm on $(name_of old) is not fenced and off any more; somebody has changed it"
	fence_is_unchanged
	commit
	cutting=false moved=true
	resume
}

autostart_off() {
	[ "$autostart" = yes ] || return 0
	source_autostart off || die "autostart of $vm cannot be switched off"
}

# is_off STATE: a transient machine that is off does not exist.
is_off() {
	[ "$1" = 'shut off' ] || [ "$persistent,$1" = no,none ]
}

# shut_down: press its power button, again if the guest ignores it.
shut_down() {
	local state waited=0

	state=$(source_state) || exit
	backup_end
	down_since=${EPOCHREALTIME/./}
	while ! is_off "$state"; do
		case $state in
		running | 'in shutdown') [ $((waited % 40)) != 0 ] || source_shutdown || true ;;
		halted) source_destroy ;;
		*) die "$vm is $state on $(name_of old)" ;;
		esac
		if [ "$waited" -ge $((shutdown_timeout * 4)) ]; then
			$destroy || die "$vm did not shut down in $shutdown_timeout seconds; --shutdown-timeout waits longer, --destroy cuts its power"
			warn "$vm did not shut down in $shutdown_timeout seconds: cutting its power"
			source_destroy
		fi
		nap 0.25
		waited=$((waited + 1))
		[ "$persistent" = yes ] || look_last
		state=$(source_state) || exit
	done
	[ "$persistent" = yes ] || compare_last
}

# fence: make the definition on the old host one that cannot be started.  A transient machine has
# none there, and only a rollback creates it again.
fence() {
	if [ "$persistent" = no ]; then
		journal note transient: nothing is defined that could be fenced
	else
		define_fenced
	fi
	fence_managed_save
	source_is_fenced || die "$vm is not off and fenced on $(name_of old): was it started meanwhile?"
}

define_fenced() {
	source_define fenced || die "$vm cannot be fenced on $(name_of old)"
	is_xen || keep_fence
}

# keep_fence: as libvirt tells it, so that what somebody changes behind the fence is seen.  Without
# room for it nothing is missing but that.
keep_fence() {
	keep_definition defined-fenced.xml ||
		warn "$(name_of old): $(state_of old)/defined-fenced.xml cannot be written; what somebody changes behind the fence of $vm is not seen"
}

# keep_definition FILE: the one that libvirt has now, in the state folder on the old host.
keep_definition() {
	guarded old bash -c 'umask 077
		virsh -q -c "$1" dumpxml --inactive --security-info "$2" >"$3.part" && mv -T -- "$3.part" "$3" || {
			rm -f -- "$3.part"
			exit 1
		}' keep-definition "$uri" "$uuid" "$(state_of old)/$1"
}

# fence_changes: $fence_changed has a line for what somebody has changed in the fenced definition; it
# is empty where nobody has, or where the fence did not get that far.
fence_changed=''
fence_changes() {
	fence_changed=''
	! is_xen && [ "$persistent" = yes ] && [ -n "${begun[fenced]:-}" ] || return 0
	asks_yes old test -s "$(state_of old)/defined-fenced.xml" || return 0
	xml_document old "$private/fence.xml" on old cat "$(state_of old)/defined-fenced.xml" ||
		die "$(name_of old): $(state_of old)/defined-fenced.xml cannot be read"
	xml_document old "$private/now.xml" vm_on old dumpxml --inactive --security-info "$uuid" || { need_libvirt old && return; }
	flatten "$private/fence.xml" >"$private/fence.flat" && flatten "$private/now.xml" >"$private/now.flat" ||
		die "the XML of $vm cannot be read"
	differences "$private/fence.flat" "$private/now.flat" before now >"$private/changes"
	fence_changed=$(cut -d '|' -f 3- "$private/changes")
}

fence_is_unchanged() {
	fence_changes
	[ -z "$fence_changed" ] ||
		die "somebody has changed the definition of $vm on $(name_of old), which would be lost: ${fence_changed//$'\n'/; }"
}

source_is_fenced() {
	local state

	state=$(source_state) || exit
	if [ "$persistent" = no ]; then
		[ "$state" = none ]
		return
	fi
	[ "$state" = 'shut off' ] && source_has_fence || return
	# From which it would start all the same.
	[ "$keep_memory" != yes ] || ! has_managed_save old
}

# last_delta: send the last changes, now that nothing writes any more.
last_delta() {
	local disk

	check_disks "what is at the paths of its disks is not read"
	in_use=false
	hand_over
	for disk in "${disks[@]}"; do
		contains "$disk" "${later[@]}" || last_changes "$disk"
	done
	keep_written
}

last_changes() {
	open_for_last "$1"
	sink_open "$1"
	final_pass "$1" "$bitmap"
	sink_close "$1"
	view_close "$1"
}

# The bitmap of the last pass of the disk that is open, or empty.
bitmap=''

# open_for_last DISK: open it for reading, with $bitmap if there is one.
open_for_last() {
	bitmap=''
	[ "${kind[$1]}" = qcow2 ] || return 0
	last_checkpoint
	if [ -n "$newest" ]; then
		bitmap=$(checkpoint_name "$newest")
		! view_open "$1" "$bitmap" || return 0
		warn "$1: the bitmap $bitmap cannot be used; comparing both disks completely instead"
		bitmap=''
	fi
	view_open "$1" || die "$(name_of old): ${source[$1]} cannot be opened; is it in use?"
}

# final_pass DISK BITMAP: make the target what the disk is now.
final_pass() {
	local disk=$1 base='' from=${view[$1]:-${source[$1]}}

	if [ -n "${volume[$disk]:-}" ]; then
		copied_snapshot "$disk"
		base=$copied
	fi
	if ! send_last "$disk" "$from" "$base" "$2"; then
		warn "$disk: the transfer failed; comparing both disks completely instead"
		by_map "$disk" "$from" || die "$disk: the last changes could not be sent"
	fi
	if $verify_full; then
		compare "$disk" "$from" || die "$disk: the digests of both sides differ"
	fi
	same_layout "$disk" "$from"
}

# send_last DISK VIEW BASE BITMAP: send the changes in the quickest way that is available.
send_last() {
	if [ -n "${made[$1]:-}" ]; then
		bulk "$1" "$2" && unset "made[$1]"
	elif [ -n "$4" ]; then
		by_bitmap "$1" "$(nbd_uri "$2.sock" disk)" "$4"
	elif [ -n "$3" ]; then
		by_base "$1" "$3" ''
	else
		by_map "$1" "$2"
	fi
}

# commit: if the answer is lost, it may have been done.
commit() {
	[ -z "${finished[committed]:-}" ] || return 0
	journal begin committed
	use_room new
	put new "$(state_of new)/commit" <<<"$vm runs here since $(date -u +%FT%TZ)"
}

# resume: let the committed machine run, if it ran before, or by --start.
resume() {
	local state='' try

	[ -z "${finished[resumed]:-}" ] || return 0
	if ! will_run; then
		journal 'done' committed
		drop_memory
		journal 'done' resumed
		return
	fi
	for try in 1 2 3 4 5; do
		state=$(domain_state new) || state=unknown
		case $state in
		running) break ;;
		paused | 'shut off') let_run_there "$state" ;;
		none) die "$vm was committed to $(name_of new) and is no longer defined there; its XML is in $(state_of new)/domain.xml" ;;
		esac
		! is_as_it_was "$state" || break
		[ "$try" = 1 ] || sleep 1
	done
	is_as_it_was "$state" ||
		die "$vm belongs to $(name_of new), and is $state there; it is not started here any more. When that host can be reached, the same command resumes"
	journal 'done' committed
	say_it_runs "$state"
	set_clock
	drop_memory
	journal 'done' resumed
}

# let_run_there STATE
let_run_there() {
	if keeps_memory; then
		restored_runs "$1"
	elif [ "$1" = paused ]; then
		[ "$live" = yes ] && [ -n "${finished[paused]:-}" ] || vm_act new resume "$new_uuid" >/dev/null || true
	else
		still_ours
		start_there >/dev/null || true
	fi
}

# say_it_runs STATE
say_it_runs() {
	local word="was down" what=runs

	[ -n "$down_since" ] || return 0
	if [ -z "${finished[ran]:-}" ]; then
		say "$vm was off, and runs on $(name_of new) now"
		return
	fi
	! goes_awake || word="stood still"
	[ "$1" = running ] || what="is $1, as it was,"
	say "$vm $what on $(name_of new); it $word for $(seconds_since "$down_since") seconds"
}

# seconds_since MICROSECONDS: print them with one decimal.
seconds_since() {
	local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))

	printf '%s.%s\n' $((tenths / 10)) $((tenths % 10))
}
