# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What blkmigrate status tells of copies of a disk: from/ID/copy on the old host names the disk and its
# copy, and the journal beside it tells how far that is.

# keep_copy: write that file.
keep_copy() {
	local path

	path=$(whole_path "${source[disk]}")
	printf '%s=%s\n' source "$path" host "${address[new]}" target "${target[disk]}" \
		size "${size[disk]}" overwrite "$overwrite" >"$private/copy"
	put old "$(state_of old)/copy" <"$private/copy"
}

# whole_path PATH: print it so that it holds in any folder, if this is the old host.
whole_path() {
	[[ $1 == /* || -n ${address[old]} ]] || printf '%s/' "$PWD"
	printf '%s\n' "$1"
}

declare -A copy_patterns=([source]='.+' [host]="(${plan_patterns[new_address]})" [target]='.+' [size]="$a_number" [overwrite]='true|false')

# load_copy: read it for $id.
declare -A copy_value=()
load_copy() {
	local line path=${folder[old]}/from/$id/copy name

	copy_value=()
	document old "$private/copy" on old cat "$path" || die "$(name_of old): $path cannot be read"
	while IFS= read -r line; do
		name=${line%%=*}
		[ -n "$name" ] && [ -n "${copy_patterns[$name]:-}" ] || continue
		[[ ${line#*=} =~ ^(${copy_patterns[$name]})$ ]] ||
			die "$(name_of old): $path cannot be understood: $(printable "${line:0:200}")"
		copy_value[$name]=${line#*=}
	done <"$private/copy"
	for name in source target size overwrite; do
		[ -n "${copy_value[$name]:-}" ] || die "$(name_of old): $path has no line for the $name"
	done
	address['new']=${copy_value[host]:-}
}

# list_copies [SOURCE]: set $copies to the ids of those of all disks, or of this one.
copies=()
list_copies() {
	ask_lines old "$an_id" bash -c '
		for copy in "$1"/from/*/copy; do
			[ -e "$copy" ] && { [ $# = 1 ] || grep -qxF -e "source=$2" -- "$copy"; } || continue
			basename -- "$(dirname -- "$copy")"
		done' list-copies "${folder[old]}" "$@" ||
		die "$(name_of old) cannot be asked for its copies"
	copies=("${answers[@]}")
}

# copy_status: print four lines for the copy $id, or keep an object for programs.
told_copies=()
copy_status() {
	local stage word at='' next

	load_copy
	journal_read
	next="blkmigrate copy$([ "${copy_value[overwrite]}" = false ] || echo ' --overwrite')"
	[ -z "${address[old]}" ] || next+=" --from $(quote "${address[old]}")"
	next+=" $(quote "${copy_value[source]}" "${copy_value[host]}:${copy_value[target]}")"
	find_at_work "old-$id"
	if [ -n "$at_work" ]; then
		word=copying stage="being copied" next="wait; blkmigrate is at work: $at_work"
	elif [ -n "${finished[copy]:-}" ]; then
		word=complete at=${finished[copy]}
		stage="complete as of $at" next+=" sends what has changed since; with --finish it ends"
	elif [ -n "${begun[copy]:-}" ]; then
		word=interrupted at=${begun[copy]}
		stage="interrupted; not complete, and not to be used (begun $at)" next+=" goes on from there"
	else
		word=none stage="nothing was copied yet" next+=" begins"
	fi
	tell_copy "$word" "$at" "$next"
	$json && return
	make_shown "copy of ${copy_value[source]}: $stage
  $(name_of old): ${copy_value[source]}, ${copy_value[size]} bytes
  $(name_of new): ${copy_value[target]}
  next: $next"
	printf '%s\n' "$shown_text"
}

# tell_copy STAGE TIME NEXT
tell_copy() {
	begin_object
	has_text id "$id"
	has_text_or_null from "${address[old]}"
	has_text_or_null to "${address[new]}"
	has_text source "${copy_value[source]}"
	has_text target "${copy_value[target]}"
	has_number size "${copy_value[size]}"
	has_text stage "$1"
	has_text_or_null time "$2"
	has_text next "$3"
	end_object
	told_copies+=("$object")
}

# find_at_work LOCK: set $at_work to who holds this lock on the old host, or to nothing.
at_work=''
find_at_work() {
	ask old "$a_line" bash -c '[ -e "$1.lock" ] && exec 8<"$1.lock" || exit 0
		flock -n 8 || { read -r who <"$1.who"; echo "${who:-unknown}"; }' at-work "${folder[old]}/lock/$1" ||
		die "$(name_of old) cannot be asked who is at work"
	at_work=${answer:0:200}
}
