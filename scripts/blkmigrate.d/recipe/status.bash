# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate status: where a migration stands, according to the journal and to both hosts, and what
# to do next; and where copies stand.

vm_status() {
	local each list=()

	connect_old
	if [ $# -gt 0 ]; then
		find_migration "$1"
		list_copies "$(whole_path "$1")"
		[ -n "$found" ] || [ ${#copies[@]} -gt 0 ] ||
			die_as "$refused" "no migration of $1 is known on $(name_of old), nor a copy of it"
		[ -z "$found" ] || list=("$found")
	else
		ask_lines old "$an_id" bash -c 'for plan in "$1"/from/*/plan; do
			[ ! -e "$plan" ] || basename "$(dirname "$plan")"; done' list "${folder[old]}" ||
			die "$(name_of old) cannot be asked for its migrations"
		list=("${answers[@]}")
		list_copies
	fi
	[ ${#list[@]} -gt 0 ] || [ ${#copies[@]} -gt 0 ] || say "no migration is under way on $(name_of old)"
	for each in "${list[@]}"; do
		id=$each
		begun=() finished=()
		status_of_one
		# The next one may be to another host.
		hang_up new
	done
	for each in "${copies[@]}"; do
		id=$each
		copy_status
	done
}

# status_of_one: print a line that says where it stands, a line for each host, and a line that says
# what to do.
status_of_one() {
	local there=unknown ours=unknown status=0 stage

	load_plan || die "$(name_of old): the plan in $(state_of old) cannot be read"
	journal_read
	ours=$(domain_state old) || ours="unknown: $(hypervisor_of old) does not answer"
	if keeps_memory && [ -n "${begun[down]:-}" ]; then
		look_at_memory old
		[ "$answer" != whole ] || ours+=", its memory saved in $(memory_file old)"
	fi
	# By itself first, so that what it may end with is not dropped.
	if (reached new) 2>/dev/null; then
		reached new
		there=$(domain_state new) || there='unknown: libvirt does not answer'
		committed || status=$?
	else
		there='unknown: the host does not answer'
		status=255
	fi
	stage=$(stage_of "$status")
	if $json || [ -n "$events" ]; then
		tell_status "$ours" "$there" "$status" "${stage#*|}"
	fi
	$json && return
	find_at_work "old-$uuid"
	make_shown "$(status_lines "$ours" "$there" "$status" "$stage")"
	printf '%s\n' "$shown_text"
}

# tell_status OURS THERE STATUS NEXT: the same for programs.  Committed is null where the new host
# cannot be asked.
tell_status() {
	local committed=null

	case $3 in
	0) committed=true ;;
	1) committed=false ;;
	esac
	word_of_stage "$3"
	begin_object
	has_text vm "$vm"
	has_text uuid "$uuid"
	has_text id "$id"
	has_text_or_null from "${address[old]}"
	has_text_or_null to "${address[new]}"
	has_text stage "$stage_word"
	has_text old "$1"
	has_raw fenced "$( [ -z "${begun[fenced]:-}" ] || [ "$persistent" = no ] && echo false || echo true)"
	has_text new "$2"
	has_raw committed "$committed"
	has_text next "$4"
	end_object
	told+=("$object")
}

# word_of_stage STATUS: with the status of committed, set $stage_word.
stage_word=''
word_of_stage() {
	if [ "$1" = 255 ] && [ -n "${begun[committed]:-}" ]; then
		stage_word="perhaps-committed"
	elif [ "$1" = 0 ] && [ -n "${finished[finished]:-}" ]; then
		stage_word="moved"
	elif [ "$1" = 0 ]; then
		stage_word="committed"
	elif [ -n "${begun[rollback]:-}" ]; then
		stage_word="rollback"
	elif [ "$live" = yes ]; then
		stage_word=${begun[started]:+moving}
		stage_word=${stage_word:-planned}
	elif [ -n "${begun[down]:-}" ]; then
		stage_word="cutover"
	elif [ -n "${finished[bulk]:-}" ]; then
		stage_word="copied"
	elif [ -n "${finished[prepared]:-}" ]; then
		stage_word="prepared"
	else
		stage_word="planned"
	fi
}

# status_lines OURS THERE STATUS STAGE
status_lines() {
	local ours=$1 there=$2 status=$3 stage=$4

	printf '%s: %s%s\n' "$vm" "${stage%%|*}" "${at_work:+; blkmigrate is at work on it: $at_work}"
	printf '  %s: %s%s\n' "$(name_of old)" "$ours" "$( [ -z "${begun[fenced]:-}" ] || [ "$persistent" = no ] || echo ', fenced' )"
	printf '  %s: %s%s\n' "$(name_of new)" "$there" "$( [ "$status" != 0 ] || echo ', committed' )"
	printf '  next: %s\n' "${stage#*|}"
}

# stage_of STATUS: with the status of committed, print the stage, "|", and what to do next.
stage_of() {
	local name

	name=$(quote "$vm")
	if [ "$1" = 255 ] && [ -n "${begun[committed]:-}" ]; then
		echo "perhaps committed to $(name_of new), which does not answer; nothing is started|bring $(name_of new) back, then blkmigrate run $name --to ${address[new]}"
	elif [ "$1" = 0 ] && [ -n "${finished[finished]:-}" ]; then
		echo "moved to $(name_of new)|blkmigrate purge $name, once its old disks are no longer needed"
	elif [ "$1" = 0 ] && [ -n "$(still_to_come)" ]; then
		echo "committed to $(name_of new), where it does not have $(still_to_come) yet|blkmigrate finish $name"
	elif [ "$1" = 0 ]; then
		echo "committed to $(name_of new), not finished|blkmigrate finish $name"
	elif [ -n "${begun[rollback]:-}" ]; then
		echo "being rolled back|blkmigrate rollback $name"
	elif [ "$live" = yes ] && [ -n "${begun[started]:-}" ]; then
		echo "being moved live|blkmigrate live $name --to ${address[new]} finds out where it is, and goes on there; blkmigrate rollback $name takes it back if it can"
	elif [ "$live" = yes ]; then
		echo "planned to move live|blkmigrate live $name --to ${address[new]} begins anew, blkmigrate rollback $name forgets it"
	elif [ -n "${begun[down]:-}" ]; then
		echo "in the cutover|blkmigrate cutover $name resumes it, blkmigrate rollback $name takes it back"
	elif [ -n "${finished[bulk]:-}" ]; then
		echo "copied, and runs on $(name_of old)|blkmigrate cutover $name, or blkmigrate sync $name for another pass"
	elif [ -n "${finished[prepared]:-}" ]; then
		echo "prepared|blkmigrate sync $name"
	else
		echo "planned|blkmigrate run $name --to ${address[new]} resumes it, blkmigrate purge $name forgets it"
	fi
}
