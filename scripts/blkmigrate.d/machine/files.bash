# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Files of the host that a machine uses, that it does not write to, and that are not copied: firmware,
# kernels, ROMs, sockets.  The new host must have them.  What an unknown element or QEMU's command
# line names may be written to, so it must be the same there.

# check_files: look at all of them.
check_files() {
	local fields

	xsltproc --nonet "$here/machine/files.xsl" "$private/source.xml" >"$private/files" ||
		die "the XML of $vm cannot be read"
	mapfile -t fields <"$private/files"
	while [ ${#fields[@]} -ge 3 ]; do
		check_file "${fields[@]:0:3}"
		fields=("${fields[@]:3}")
	done
	check_drives
}

# check_file CLASS WHAT PATH: as files.xsl prints it.
check_file() {
	local class=$1 what=$2 path=$3

	if [ "$class" = argument ]; then
		check_argument "$path"
		return
	fi
	path=${path#"${path%%[![:space:]]*}"}
	path=${path%"${path##*[![:space:]]}"}
	case $class in
	folder)
		look_at_file new "$(dirname -- "$path")"
		[ "$looks" = folder ] ||
			problem "$(name_of new) has no folder $(dirname -- "$path"), where $vm has $path ($what)" "make it there"
		;;
	socket)
		look_at_file new "$path"
		# A pipe may have the names PATH.in and PATH.out.
		[ "$looks" != absent ] || look_at_file new "$path.in"
		[ "$looks" != absent ] || problem "$(name_of new) has no $path, $what" "make it there, or detach what needs it"
		;;
	unknown) check_unknown "$what" "$path" ;;
	*) check_read "$class" "$what" "$path" ;;
	esac
}

# check_read read|loader|template WHAT PATH
check_read() {
	local class=$1 what=$2 path=$3

	look_at_file new "$path"
	if [ "$looks" = absent ] && [ "$class" = template ] && [ -n "${part_seen[nvram]:-}${part_seen[varstore]:-}" ]; then
		remark "$(name_of new) has no $path, $what, which is needed only to make them anew"
	elif [ "$looks" = absent ]; then
		problem "$(name_of new) has no $path, $what" "copy it, or install the package that has it"
	elif [ "$looks" = file ]; then
		look_at_file old "$path"
		[ "$looks" = file ] || return 0
		size_of old "$path" && ours=$answer && size_of new "$path" || die "$path cannot be looked at"
		if [ "$class,${part_seen[nvram]:-}" = loader,yes ] && [ "$ours" != "$answer" ]; then
			problem "$path, $what, has $answer bytes on $(name_of new) and $ours on $(name_of old): the variables of one kind are not those of another" "install the same package there"
		elif [ "$ours" != "$answer" ] || ! same_content "$path" "$path"; then
			remark "$path, $what, is not the same on both hosts"
		fi
	fi
}

ours=''
size_of() {
	ask "$1" "$a_number" stat -L -c %s -- "$2"
}

# check_unknown WHAT PATH: anything but a file was made by some program, or is one of the host's devices.
check_unknown() {
	look_at_file old "$2"
	[ "$looks" != absent ] || return 0
	case $looks in
	file)
		look_at_file new "$2"
		if [ "$looks" != file ]; then
			problem "$(name_of new) has no file $2, $1, and it is not known here whether $vm writes to it" "copy it, if $vm does not write to it"
		elif same_content "$2" "$2"; then
			add_same "$2"
		else
			problem "$2, $1, is not the same on both hosts, and it is not known here whether $vm writes to it" "copy it, if $vm does not write to it"
		fi
		;;
	*)
		look_at_file new "$2"
		[ "$looks" != absent ] || problem "$(name_of new) has no $2, $1" "make it there, if $vm needs it"
		;;
	esac
}

# check_argument VALUE: paths in it begin behind what separates options from their values.
check_argument() {
	local rest=$1 path separator=$'[=,:"\' ]'

	while [[ $rest =~ (^|$separator)(/[^,\"\']*)(.*)$ ]]; do
		path=${BASH_REMATCH[2]} rest=${BASH_REMATCH[3]}
		check_written "$path"
	done
}

# add_same PATH: a file that is the same on both hosts now, and must be when the machine is off.
add_same() {
	local part=file$((${#parts[@]} + 1))

	parts+=("$part")
	stamp_of old "$1" || die "$(name_of old): $1 cannot be looked at"
	part_kind[$part]=file part_source[$part]=$1 part_target[$part]=$1 part_how[$part]=same part_seen[$part]=$answer
}

# check_written PATH: of QEMU's own command line, which may have it write to a file.
check_written() {
	look_at_file old "$1"
	if [ "$looks" = device ] && asks_yes old test -b "$1"; then
		problem "QEMU's command line names the device $1, which is not copied" "make it a disk of the definition"
	elif [ "$looks" = file ]; then
		check_unknown "named on QEMU's command line" "$1"
	fi
}

# check_drives: media stay on the old host, unless --copy-media copies them.
check_drives() {
	local count number drive path kind

	of_vm "count($with_medium)"
	count=$value
	for ((number = 1; number <= count; number++)); do
		drive="($with_medium)[$number]"
		of_vm "concat($drive/source/@file, $drive/source/@dev)"
		path=$value
		of_vm "concat($drive/@device, $drive[not(readonly)]/target/@dev)"
		kind=$value
		case $drives,$kind in
		keep,floppy?*)
			[ -n "$path" ] && is_same_place "$path" "$path" ||
				problem "$vm may write to what is in the drive ${kind#floppy}${path:+, $path}, which is not copied" "eject it (virsh change-media --eject), or leave out --keep-media"
			;;
		keep,*)
			[ -n "$path" ] || continue
			look_at_file new "$path"
			[ "$looks" != absent ] || problem "$(name_of new) has no $path, which is in a drive" "--copy-media instead of --keep-media copies it"
			;;
		copy,floppy*) remark "what is in a floppy drive${path:+, $path,} is not copied; the drive will be empty" ;;
		empty,*)
			remark "drives with media will be empty; --keep-media keeps what $(name_of new) has, --copy-media copies it"
			return
			;;
		esac
	done
}
