# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live: what libvirt is told, by which way, and what it says meanwhile.

# claim_there: nothing on the new host has its name or UUID; what comes there is ours.
claim_there() {
	claim_name
}

# live_folder: on both hosts the same, one that QEMU may enter.
live_folder() {
	if [[ $uri == *session* ]]; then
		printf '/tmp/blkmigrate-%s\n' "$id"
	else
		printf '/var/lib/libvirt/qemu/blkmigrate-%s\n' "$id"
	fi
}

make_live_folder() {
	local host

	for host in old new; do
		perform "$host" "mkdir -m 700 $(live_folder)" '
			rm -rf -- "$1" && mkdir -m 700 -- "$1" || exit
			[[ $1 == /tmp/* || $EUID != 0 ]] || chown --reference="${1%/*}" -- "$1"' "$(live_folder)" ||
			die "$(name_of "$host"): $(live_folder) cannot be made"
	done
}

drop_live_folder() {
	local host

	for host in old new; do
		act "$host" rm -rf -- "$(live_folder)" || warn "$(name_of "$host"): $(live_folder) cannot be removed"
	done
}

# libvirt_socket: $answer, that of the daemon for QEMU on the new host.
libvirt_socket() {
	ask new "$a_path" bash -c '
		folder=/run/libvirt
		[[ $1 != *session* ]] || folder=${XDG_RUNTIME_DIR:-/run/user/$EUID}/libvirt
		for name in virtqemud-sock libvirt-sock; do
			[ ! -S "$folder/$name" ] || { echo "$folder/$name" && exit; }
		done
		exit 1' libvirt-socket "$uri" ||
		die "$(name_of new) has no socket of libvirt in /run/libvirt: start libvirtd, or virtqemud, there"
}

# write_live_xml: what QEMU has, with the paths of the new host.
write_live_xml() {
	xml_document old "$private/running.xml" vm_on old dumpxml --migratable --security-info "$uuid" ||
		die "libvirt on $(name_of old) does not tell the XML of $vm as it runs"
	write_places
	rewrite "$private/running.xml" "$private/live.xml" keep <"$private/places"
	put old "$(state_of old)/live.xml" <"$private/live.xml"
}

# migration_words: fill $words with what is run on the old host.
words=()
migration_words() {
	local list

	words=(virsh -q -c "$uri" migrate --live --persistent --abort-on-error
		--xml "$(state_of old)/live.xml" --persistent-xml "$(state_of old)/target.xml")
	# What is copied to after the switch cannot wait for a commit.
	$post_copy && words+=(--postcopy) || words+=(--suspend)
	! $post_copy || [ "$timeout_action" = post-copy ] || words+=(--postcopy-after-precopy)
	[ ${#disks[@]} = 0 ] || {
		list=${disks[*]}
		words+=(--copy-storage-all --migrate-disks "${list// /,}")
	}
	# That both hosts see them was tried, and that nothing is cached was asked.
	[ ${#shared[@]} = 0 ] || words+=(--unsafe)
	! $auto_converge || words+=(--auto-converge)
	[ -z "$parallel" ] || words+=(--parallel --parallel-connections "$parallel")
	[ -z "$rate" ] || { find_rate && words+=(--bandwidth "$(mebibytes "$parsed")"); }
	way_words
	destination_words
}

destination_words() {
	words+=("$uuid" "${uri/#qemu:/qemu+unix:}?socket=$(live_folder)/control")
}

# way_words: by which way memory and disks go.
way_words() {
	if $native; then
		words+=(--migrateuri "tcp://$native_address")
		! $native_tls || words+=(--tls --tls-destination "$(name_of new | sed 's/.*@//')")
	else
		words+=(--migrateuri "unix://$(live_folder)/memory")
		[ ${#disks[@]} = 0 ] || words+=(--disks-uri "unix://$(live_folder)/disks")
	fi
}

# mebibytes BYTES: as libvirt counts them, at least one; 0 is no limit.
mebibytes() {
	printf '%s\n' $((($1 + 1048575) >> 20))
}

# open_way: the sockets, which belong to the user of QEMU.
open_way() {
	make_live_folder
	libvirt_socket
	if $native; then
		join_sockets "$(live_folder)" "$answer"
	else
		join_sockets "$(live_folder)" "$answer" memory disks
	fi
	[[ $uri != *session* ]] || return 0
	perform old "chown --reference=$(live_folder) $(live_folder)/*" 'folder=$1
		[ "$EUID" != 0 ] || chown --reference="$folder" -- "$folder"/*' "$(live_folder)" ||
		die "$(name_of old): the sockets in $(live_folder) cannot be given to QEMU"
}

# migrate_live: when it returns, the machine is off on the old host, and paused on the new one.
migrate_live() {
	local status=0 state

	write_live_xml
	open_way
	migration_words
	show old "$(quote "${words[@]}")"
	mkfifo "$private/moved"
	exec {moved_fd}<>"$private/moved"
	{
		guarded old bash -c "$move_and_fence" move "$uri" "$uuid" "$persistent" "$(state_of old)/fenced.xml" \
			"${words[@]}" 2>"$private/virsh.err" || status=$?
		echo "$status" >&"$moved_fd"
	} &
	mover=$!
	watch_live
	status=$move_status mover=''
	exec {moved_fd}<&-
	rm -f "$private/moved"
	say_migration_errors
	[ -z "$gave_up" ] || die "$gave_up"
	[ "$status" != 3 ] || die "$vm has left $(name_of old), and cannot be fenced there"
	[ "$status" = 0 ] || die "libvirt did not move $vm (status $status)"
}

mover='' moved_fd='' move_status=''

# move_and_fence: on the old host, at once, for the machine stands still: when it is off there, make the
# definition one that cannot be started.  What is found wrong later is the next steps' to say.
move_and_fence='
uri=$1 uuid=$2 persistent=$3 fence=$4
shift 4
"$@" >/dev/null || exit 1
[ "$persistent" = yes ] || exit 0
state=$(virsh -q -c "$uri" domstate "$uuid") && [ "${state%%
*}" = "shut off" ] && virsh -q -c "$uri" define "$fence" >/dev/null || exit 3
sync -f /etc/libvirt/qemu 2>/dev/null || true'

# let_go: the commit, and the machine runs, in one command.  What is not done here is done by the steps
# that follow.
let_go() {
	local state resume=resume

	[ -z "$tunnel" ] || return 0
	[ -z "${finished[paused]:-}" ] || resume=''
	show new "date >$(quote "$(state_of new)/commit"); virsh -q -c $uri resume $new_uuid"
	guarded new bash -c '
		umask 077
		state=$(virsh -q -c "$1" domstate "$2") && state=${state%%
*} || exit
		[[ $state == paused || $state == running ]] || exit
		echo "$4 runs here since $(date -u +%FT%TZ)" >"$3.part" && sync -- "$3.part" && mv -T -- "$3.part" "$3" &&
			sync -- "${3%/*}" || exit
		[ "$state" = running ] || [ -z "$5" ] || virsh -q -c "$1" resume "$2" >/dev/null' let-go \
		"$uri" "$new_uuid" "$(state_of new)/commit" "$vm" "$resume" || warn "$vm was not resumed on $(name_of new) at once"
	note_downtime
}

# say_migration_errors: libvirt's, without the name of virsh.
say_migration_errors() {
	local line

	while IFS= read -r line; do
		[ -z "$line" ] || warn "$line"
	done <"$private/virsh.err"
}

# note_downtime: from when libvirt stopped it.
note_downtime() {
	local until=${EPOCHREALTIME/./}

	vm_ask -q old "$any_text" domjobinfo "$uuid" --completed || return 0
	[[ $answer =~ Total\ downtime:\ +([0-9]{1,9})\ +ms ]] || return 0
	say "$vm runs on $(name_of new); it stood still for $(((until - moved_at) / 1000 + 10#${BASH_REMATCH[1]})) ms"
}

# --- what belongs to its firmware ---------------------------------------------------

# note_parts: QEMU brings what is in them; what is made for it on the new host is recorded as ours.
note_parts() {
	local part

	for part in "${parts[@]}"; do
		[ "${part_how[$part]}" != copy ] || put new "$(record_of "$part")" <<<absent
	done
}

# record_parts: for purge: the very files that the machine has there.
record_parts() {
	local part

	for part in "${parts[@]}"; do
		[ "${part_how[$part]}" = copy ] || continue
		guarded new bash -c '[ ! -e "$1" ] || stat -c %i -- "$1" >"$2"' record-part "${part_target[$part]}" "$(record_of "$part")" ||
			warn "$(name_of new): ${part_target[$part]} cannot be looked at, so purge will leave ${part_source[$part]}"
	done
}
