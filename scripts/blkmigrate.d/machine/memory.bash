# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --keep-memory: the machine's memory as a file, an image that libvirt has saved, on either host.
#
# An image belongs to the disks as they were when it was saved.  Restored on disks that were written
# since it destroys what is on them.  So it is used only where the machine on that host has not run
# since, and removed before what was restored from it is let run.

keep_memory='' keep_memory_wanted=false memory_dir=''

# keeps_memory: whether there is memory that is kept: it was running, paused or saved by libvirt when
# its cutover began.
keeps_memory() {
	[ "$keep_memory" = yes ] && [ -n "${finished[ran]:-}${finished[managed]:-}" ]
}

# choose_memory: for a plan.  A guest that goes on may have open what is in its drives.
choose_memory() {
	! $keep_memory_wanted || keep_memory=yes
	goes_awake || return 0
	memory_dir=${memory_dir_option:-$memory_dir}
	[ "$drives" != empty ] || drives=keep
}

# is_up STATE: a QEMU has its disks, and is asked for them.
is_up() {
	[ "$1" = running ] || { [ "$1" = paused ] && goes_awake; }
}

memory_file() {
	if [ -n "$memory_dir" ]; then
		printf '%s/blkmigrate-%s.memory\n' "$memory_dir" "$id"
	else
		printf '%s/memory\n' "$(state_of "$1")"
	fi
}

# place_memory: the image, as if it were a disk, for those who copy disks.
place_memory() {
	source[memory]=$(memory_file old) kind[memory]="file" volume[memory]=''
	target[memory]=$(memory_file new) target_kind[memory]="file" target_volume[memory]=''
}

# look_at_memory HOST: $answer is absent, partial or whole; libvirt writes the first word last.
look_at_memory() {
	ask "$1" 'absent|partial|whole' bash -c '
		if [ ! -e "$1" ] && ls -A -- "$(dirname -- "$1")" >/dev/null; then
			echo absent
		else
			word=$(head -c 16 -- "$1" | tr -d "\0") || exit
			[ "$word" = LibvirtQemudSave ] && echo whole || echo partial
		fi' look-at-memory "$(memory_file "$1")" || die "$(name_of "$1"): $(memory_file "$1") cannot be looked at"
}

# forget_memory HOST: without it the image is no more.
forget_memory() {
	place_memory
	guarded "$1" bash -c 'rm -f -- "$@" && sync -- "$(dirname -- "$1")"' forget-memory \
		"$(memory_file "$1")" "$(memory_file "$1").part" "$(mark_of memory)"
}

# drop_memory: from both hosts, when the machine does not need it any more.
drop_memory() {
	local host

	[ "$keep_memory" = yes ] || return 0
	for host in old new; do
		forget_memory "$host" ||
			warn "$(name_of "$host"): $(memory_file "$host") cannot be removed; the memory of $vm is in it, and it is not needed any more"
	done
}

# how_it_ended HOST: $answer is the reason for which the machine is off, as libvirt knows it, or the
# log of its QEMU; "started" where the log tells of no end, and "unknown".  Starts that failed do not
# count, for nothing ran.
how_it_ended() {
	local which=$uuid name=$vm

	[ "$1" = old ] || which=$new_uuid name=$new_name
	ask "$1" '[a-z ]{1,40}' bash -c '
		reason=$(virsh -q -c "$1" domstate "$2" --reason 2>/dev/null) || reason=""
		case $reason in
		"shut off ("*")"*)
			reason=${reason#*"("}
			reason=${reason%%")"*}
			;;
		*) reason=unknown ;;
		esac
		log=/var/log/libvirt/qemu/$3.log
		[[ $1 != *session* ]] || log=${XDG_CACHE_HOME:-$HOME/.cache}/libvirt/qemu/log/$3.log
		if [[ $reason == unknown || $reason == failed || $reason == daemon ]]; then
			reason=$(awk "
				/: starting up libvirt version/ { was = last; last = \"started\" }
				match(\$0, /: shutting down, reason=[a-z]+/) {
					reason = substr(\$0, RSTART + 24, RLENGTH - 24)
					last = reason == \"failed\" ? was : reason
				}
				END { print last }" "$log" 2>/dev/null) || reason=""
		fi
		echo "${reason:-unknown}"' how-it-ended "$uri" "$which" "$name" || die "$(name_of "$1") cannot be asked how $vm ended there"
}

# memory_is_current: $current is yes; no, where the machine on the old host ran since; or unknown.
# A machine with a managed save did not run before it was fenced.
current=''
memory_is_current() {
	how_it_ended old
	case $answer in
	saved) current=yes ;;
	unknown | started) [ -n "${finished[managed]:-}" ] && current=yes || current=unknown ;;
	*) current=no ;;
	esac
}

# check_memory_current: or the end, which takes the cutover back.
check_memory_current() {
	keeps_memory || return 0
	look_at_memory old
	[ "$answer" = whole ] || die "$(name_of old): $(memory_file old), the memory of $vm, is not there any more"
	memory_is_current
	case $current in
	yes) ;;
	no) die "$vm has run on $(name_of old) since its memory was saved ($answer)" ;;
	*) die "$(name_of old) does not tell whether $vm has run there since its memory was saved" ;;
	esac
}

# has_managed_save HOST
has_managed_save() {
	local which=$uuid

	[ "$1" = old ] || which=$new_uuid
	vm_ask "$1" "$any_text" dominfo "$which" || die "libvirt on $(name_of "$1") does not tell of $vm"
	[[ $answer =~ Managed\ save:\ +(yes|no) ]] ||
		die "libvirt on $(name_of "$1") does not say whether $vm has a managed save"
	[ "${BASH_REMATCH[1]}" = yes ]
}

# saved_as: $answer says whether what libvirt has saved is to run when it is restored: an option for
# virsh.
saved_as() {
	ask old '--running|--paused' bash -c '
		word=$(od -An -tu4 -j24 -N4 -- "$1") || exit
		[ "$((word))" = 0 ] && echo --paused || echo --running' saved-as "$(memory_file old)" ||
		die "$(name_of old): $(memory_file old) cannot be read"
}

# managed_save_file: $answer, where libvirt on the old host has it.
managed_save_file() {
	libvirt_folder old
	if [[ $uri == *session* ]]; then
		answer=$answer/save/$vm.save
	else
		answer=$answer/qemu/save/$vm.save
	fi
}

# take_managed_save: the very file by a second name, or a copy of it.
take_managed_save() {
	managed_save_file
	guarded old bash -c '
		set -e
		umask 077
		save=$1 file=$2
		is_same() {
			[ -e "$file" ] || return
			[ "$save" -ef "$file" ] || [ "$(stat -c "%s %.9Y" -- "$save")" = "$(stat -c "%s %.9Y" -- "$file")" ]
		}
		! is_same || exit 0
		rm -f -- "$file" "$file.part"
		if ! ln -T -- "$save" "$file" 2>/dev/null; then
			cp -p -- "$save" "$file.part"
			mv -T -- "$file.part" "$file"
		fi
		sync -- "$file" "$(dirname -- "$file")"' take-managed-save "$answer" "$(memory_file old)" ||
		die "$(name_of old): the managed save of $vm ($answer) cannot be copied to $(memory_file old)"
}

# fence_managed_save: libvirt would start the machine from it, and ignore its definition.  The fence
# is there already: a machine that is started before this point starts from the managed save, and loses nothing.
fence_managed_save() {
	[ -n "${finished[managed]:-}" ] && has_managed_save old || return 0
	take_managed_save
	vm_keep old managedsave-remove "$uuid" || die "the managed save of $vm cannot be taken out of libvirt on $(name_of old)"
}
