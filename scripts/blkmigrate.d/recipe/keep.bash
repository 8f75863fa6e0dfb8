# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A migration is kept in from/ID on the old host: the plan, as lines of name=value, the XML, and
# the journal; no other user can read it.  The part that the new host has to know is in to/ID there.

plan_scalars=(id vm uuid new_name new_uuid new_address was_running autostart persistent drives pool first_boot xen_config parts_known lanes compress preallocate start thin_pool keep_memory memory_dir tunnel live table)
plan_lists=(disks shared swaps skipped later media media_there parts)
plan_arrays=(source kind volume size room identity target target_kind target_volume swap_uuid swap_label sector within offset extent holds)
part_arrays=(part_kind part_source part_target part_how part_seen)
# address[new], as the plan has it.
new_address=''

# put HOST FILE: write standard input to that file, atomically and flushed; only its owner can read
# it.
put() {
	local status=0

	$dry_run && { cat >/dev/null; return; }
	guarded_feed "$1" bash -c 'set -e
		umask 077
		[ -d "${1%/*}" ] || mkdir -p "${1%/*}"
		cat >"$1.part"
		sync "$1.part"
		mv -T "$1.part" "$1"
		sync "${1%/*}"' put "$2" || status=$?
	[ "$status" != 255 ] || die "$(name_of "$1") does not answer: whether $2 was written is not known"
	[ "$status" = 0 ] || die "$(name_of "$1"): $2 cannot be written"
}

state_of() {
	case $1 in
	old) printf '%s\n' "${folder[old]}/from/$id" ;;
	new) printf '%s\n' "${folder[new]}/to/$id" ;;
	esac
}

# The first line of a plan, and the last one: without it a disk may be missing.  Plans of version 1
# have neither.
plan_begins='plan=2' plan_ends='end=plan'

# save_plan: write the plan itself last; without it there is no migration.
save_plan() {
	local name disk

	new_address=${address[new]}
	identify_host
	check_lines
	forget_unfinished
	keep_room old
	put old "$(state_of old)/uuid" <<<"$uuid"
	put new "$(state_of new)/uuid" <<<"$uuid $host_identity"
	put old "$(state_of old)/fenced.xml" <"$private/fenced.xml"
	! is_xen || save_xen
	put old "$(state_of old)/target.xml" <"$private/target.xml"
	put new "$(state_of new)/domain.xml" <"$private/target.xml"
	save_later
	[ -z "$first_boot" ] || put new "$(state_of new)/first-boot.xml" <"$private/first-boot.xml"
	# Last but one, so that a definition that is as it says has all else made of it.
	put old "$(state_of old)/source.xml" <"$private/source.xml"
	{
		echo "$plan_begins"
		for name in "${plan_scalars[@]}"; do
			printf '%s=%s\n' "$name" "${!name}"
		done
		for name in "${plan_lists[@]}"; do
			local -n list=$name
			for disk in "${list[@]}"; do
				echo "$name+=$disk"
			done
		done
		for disk in "${!net_map[@]}"; do
			printf 'net_map[%s]=%s\n' "$disk" "${net_map[disk]}"
		done
		for disk in "${placed[@]}" "${sliced[@]}" "${shared[@]}" "${media_there[@]}"; do
			for name in "${plan_arrays[@]}"; do
				local -n array=$name
				printf '%s[%s]=%s\n' "$name" "$disk" "${array[$disk]:-}"
			done
		done
		for disk in "${parts[@]}"; do
			for name in "${part_arrays[@]}"; do
				local -n array=$name
				printf '%s[%s]=%s\n' "$name" "$disk" "${array[$disk]}"
			done
		done
		echo "$plan_ends"
	} >"$private/plan"
	put old "$(state_of old)/plan" <"$private/plan"
}

# check_lines: what would be read back as something else is not kept.
check_lines() {
	local name disk

	for name in "${plan_scalars[@]}"; do
		[[ ${!name} != *$'\n'* ]] || die "$name has a line feed in it, and cannot be kept: $(printable "${!name}")"
	done
	for name in "${plan_arrays[@]}"; do
		local -n array=$name
		for disk in "${!array[@]}"; do
			[[ ${array[$disk]} != *$'\n'* ]] || die "$disk: its $name has a line feed in it, and cannot be kept: $(printable "${array[$disk]}")"
		done
	done
}

# forget_unfinished: what a run has left that was killed before its plan was kept.  On the new host
# there may be that of another host, whose machine has the same UUID.
forget_unfinished() {
	local host part=from proof=plan line=$uuid

	for host in old new; do
		guarded "$host" bash -c '
			for folder in "$1"/*/; do
				[ "$folder" != "$1/$4/" ] || continue
				[ ! -e "$folder/$2" ] && grep -qsxF "$3" "$folder/uuid" || continue
				rm -rf -- "$folder"
			done' forget "${folder[$host]}/$part" "$proof" "$line" "$id" ||
			die "$(name_of "$host"): ${folder[$host]} cannot be tidied"
		part=to proof=commit line="$uuid $host_identity"
	done
}

# The name of a migration.
an_id='[0-9a-f]{12}'

# What a value of the plan must look like where not any line will do: it becomes a number, a path in
# commands, or the name of a function.
declare -A plan_patterns=(
	[id]=$an_id [uuid]='[0-9A-Za-z][0-9A-Za-z-]*' [new_uuid]='([0-9A-Za-z][0-9A-Za-z-]*)?' [was_running]='[a-z ]*'
	[autostart]='(yes|no)?' [persistent]='(yes|no)?' [drives]='empty|keep|copy'
	[kind]='(lvm|thin|block|file|qcow2)?' [target_kind]='(lvm|block|file|qcow2)?'
	[volume]="($a_name/$a_name)?" [target_volume]="($a_name/$a_name)?" [size]="($a_number)?" [room]="($a_number)?" [thin_pool]="($a_name/$a_name)?"
	[source]='(/.*)?' [target]='(/.*)?' [identity]="($a_identity)?" [xen_config]='(/.*)?' [pool]='([^-].*)?' [first_boot]='(kernel=/.*)?'
	# What ssh or a command of its configuration might take for something else than a name.
	[new_address]=$'([^-\x01-\x20"\'`$\\;&<>|(){}][^\x01-\x20"\'`$\\;&<>|(){}]*)?'
	[tunnel]="($a_tunnel_name=[0-9A-Fa-f.:,]+)?"
	[table]='gpt|mbr' [within]='(vd[a-z]{1,3})?' [offset]="($a_number)?" [extent]="($a_number)?" [holds]='(linux|swap)?'
	[sector]='([1-9][0-9]{2,5})?' [parts_known]='(yes)?' [lanes]="($some_lanes)?" [compress]="($some_methods)?" [preallocate]='(yes)?' [start]='(yes)?'
	[keep_memory]='(yes)?' [memory_dir]='(/.*)?' [live]='(yes)?'
	[part_kind]='file|folder' [part_source]='/.*' [part_target]='/.*' [part_how]='copy|shared|same'
	[part_seen]='(yes|[0-9]+ [0-9.]+)?'
)

# plan_value NAME VARIABLE VALUE: set it, or die if it does not fit.
plan_value() {
	[[ $3 =~ ^(${plan_patterns[$1]:-.*})$ ]] ||
		die "$(name_of old): the plan in $(state_of old) cannot be understood: $1=$(printable "${3:0:200}")"
	printf -v "$2" %s "$3"
}

# load_plan: read the plan of $id.  It is data: only known variables are set.
load_plan() {
	local line='' first='' name nets_kept=false asked=$id

	new_address='' vm='' uuid=''
	document old "$private/plan" on old cat "${folder[old]}/from/$id/plan" || return
	disks=() shared=() swaps=() skipped=() later=() media=() media_there=() parts=() parts_known='' lanes='' compress='' tunnel='' keep_memory='' memory_dir='' live=''
	within=()
	[ ${#net_map[@]} -gt 0 ] || nets_kept=true
	while IFS= read -r line; do
		first=${first:-$line}
		if [[ $line =~ ^([a-z_]+)\+=([A-Za-z0-9]+)$ ]]; then
			name=${BASH_REMATCH[1]}
			[[ " ${plan_lists[*]} " == *" $name "* ]] || continue
			local -n list=$name
			list+=("${BASH_REMATCH[2]}")
		elif [[ $line =~ ^net_map\[([0-9]{1,3})\]=(.*)$ ]]; then
			! $nets_kept || net_map+=("${BASH_REMATCH[2]}")
		elif [[ $line =~ ^([a-z_]+)\[([A-Za-z0-9]+)\]=(.*)$ ]]; then
			name=${BASH_REMATCH[1]}
			[[ " ${plan_arrays[*]} ${part_arrays[*]} " == *" $name "* ]] || continue
			plan_value "$name" "$name[${BASH_REMATCH[2]}]" "${BASH_REMATCH[3]}"
		elif [[ $line =~ ^([a-z_]+)=(.*)$ ]]; then
			name=${BASH_REMATCH[1]}
			[[ " ${plan_scalars[*]} " == *" $name "* ]] || continue
			plan_value "$name" "$name" "${BASH_REMATCH[2]}"
		fi
	done <"$private/plan"
	plan_is_whole "$first" "$asked"
	preallocate=${preallocate_wanted:-$preallocate} start=${start_wanted:-$start}
	! is_xen || [[ $vm != -* ]] || die "$(name_of old): the plan in $(state_of old) cannot be understood: vm=$vm"
	list_assembled
	address['new']=$new_address
}

# plan_is_whole FIRST ID: die unless the plan that was read, whose first line that is, is all there.
plan_is_whole() {
	local last why=''

	last=$(tail -n 1 "$private/plan")
	if [ -z "$vm" ] || [ -z "$uuid" ]; then
		why='it names no machine'
	elif [ "$id" != "$2" ]; then
		why="it is that of $id"
	elif [ "$1" = "$plan_begins" ] && [ "$last" != "$plan_ends" ]; then
		why='its end is missing'
	fi
	id=$2
	[ -z "$why" ] || die "$(name_of old): the plan in $(state_of old) cannot be understood: $why"
}

# find_migration NAME: the one of this virtual machine that is not over, in $found and $id; $found
# is empty where there is none.  A plan that cannot be read may be its plan.
found=''
find_migration() {
	found=''
	ask_lines old "$an_id" bash -c '
		for plan in "$1"/from/*/plan; do
			[ -e "$plan" ] || continue
			status=0
			grep -qxF -e "uuid=$2" -e "vm=$2" -e "xen_config=$2" -- "$plan" || status=$?
			case $status in
			0) basename -- "$(dirname -- "$plan")" ;;
			1) ;;
			*) exit 2 ;;
			esac
		done' find "${folder[old]}" "$1" ||
		die "$(name_of old): the plans in ${folder[old]}/from cannot be read"
	[ ${#answers[@]} -le 1 ] || die "there are several migrations of $1 in ${folder[old]}/from on $(name_of old): ${answers[*]}"
	[ ${#answers[@]} -gt 0 ] || return 0
	found=${answers[0]}
	id=$found
}
