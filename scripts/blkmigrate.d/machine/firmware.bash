# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The parts of a machine besides its disks that keep what it writes: the variables of its firmware, the
# state of an emulated TPM, and so on.  They are small, and change until the shutdown; they are
# copied after it, with owner and mode.  What is neither copied nor known to be needless is refused
# in the plan.
#
# Of PART (nvram, loader, varstore, tpm1, pstore1): part_kind[PART] is file or folder, part_source[PART] and
# part_target[PART] are paths, part_how[PART] is copy, shared (both hosts see the same one) or same
# (both have one of the same content), part_seen[PART] says what it was when it was planned, and is
# empty where there was none yet.  parts.bash settles that, and copies them.

parts=() parts_known=''
declare -A part_kind=() part_source=() part_target=() part_how=() part_seen=()
# Elements of XML that libvirt has chosen for a definition that does not say.
filled=''

# find_parts: of the definition in source.xml.
find_parts() {
	local part

	parts=() part_kind=() part_source=() part_target=() part_how=() part_seen=() filled='' parts_known=yes
	! is_xen || return 0
	find_loader
	find_nvram
	find_varstore
	find_tpms
	find_stores
	for part in "${parts[@]}"; do
		settle_part "$part"
	done
}

# of_vm XPATH: $value is that of the definition.
value=''
of_vm() {
	value=$(xml_value "$1" "$private/source.xml") || die "the XML of $vm cannot be read"
}

# add_part PART KIND PATH [PATH-THERE]
add_part() {
	if [[ $3 != /* || $3 == *$'\n'* ]]; then
		problem "$(what_is "$1") of $vm would be in \"$(printable "$3")\"" "name a path from / on in the definition"
		return
	fi
	parts+=("$1")
	part_kind[$1]=$2 part_source[$1]=$3 part_target[$1]=${4:-$3} part_how[$1]=copy part_seen[$1]=''
}

# what_is PART: for people.
what_is() {
	case $1 in
	nvram | varstore) echo "the firmware's variables" ;;
	loader) echo "the firmware, which it may write to," ;;
	tpm*) echo "the TPM's state" ;;
	pstore*) echo "the persistent store" ;;
	file*) echo "a file that it may write to," ;;
	esac
}

# find_loader: flash memory that is not read-only has the variables in it.
find_loader() {
	of_vm "$writable_loader"
	[ -z "$value" ] || add_part loader file "$value"
}

# find_nvram: libvirt makes a file for the variables, unless the definition says that there are none.
find_nvram() {
	local type

	of_vm "$has_variables"
	[ "$value" != 0 ] || return 0
	of_vm /domain/os/nvram/@type
	type=$value
	of_vm 'concat(/domain/os/nvram/source/@dev, /domain/os/nvram/source/@name)'
	case ${type:-file} in
	file) ;;
	block)
		problem "the firmware's variables of $vm are on the device $value, which is not copied" \
			"copy them to a file (qemu-img convert -O raw), name it in the definition (<nvram>FILE</nvram>), and start $vm anew"
		return
		;;
	network)
		problem "the firmware's variables of $vm are accessed over a network ($value), and not copied" \
			"copy them to a file (qemu-img convert -O raw), name it in the definition (<nvram>FILE</nvram>), and start $vm anew"
		return
		;;
	*)
		problem "the firmware's variables of $vm are of type $type, which is not known here" "name a file in the definition: <nvram>FILE</nvram>"
		return
		;;
	esac
	of_vm 'count(/domain/os/nvram//*[self::auth or self::encryption or self::slices or self::backingStore/source])'
	[ "$value" = 0 ] ||
		problem "the firmware's variables of $vm are encrypted, a part of a file, or have a backing chain" "copy them to a plain file, and name it in the definition: <nvram>FILE</nvram>"
	nvram_path "$private/source.xml"
	[ -n "$value" ] || fill_in
	[ -z "$value" ] || add_part nvram file "$value"
}

# nvram_path FILE: $value is what it says, in either form.
nvram_path() {
	value=$(xml_value /domain/os/nvram/source/@file "$1") || die "the XML of $vm cannot be read"
	[ -z "$value" ] || return 0
	value=$(xml_value '/domain/os/nvram/text()[normalize-space()]' "$1") || die "the XML of $vm cannot be read"
	value=${value#"${value%%[![:space:]]*}"}
	value=${value%"${value##*[![:space:]]}"}
}

# fill_in: libvirt chooses the firmware, or the place for its variables, when it starts a machine
# whose definition does not say.  The new host must not choose another one: the definition there
# says what it is on this one.  $value is the place.
fill_in() {
	local folder

	if is_up "$was_running"; then
		xml_document old "$private/filled.xml" vm_on old dumpxml --security-info "$uuid" ||
			die "libvirt on $(name_of old) does not answer"
		nvram_path "$private/filled.xml"
		if [ -n "$value" ]; then
			filled=$(xmllint --nonet --xpath '/domain/os/loader | /domain/os/nvram | /domain/features/smm' "$private/filled.xml") ||
				die "the XML of $vm cannot be read"
			return
		fi
	fi
	libvirt_folder old
	folder=$answer/nvram
	[[ $uri == *session* ]] || folder=$answer/qemu/nvram
	value=$folder/${vm}_VARS.fd
	look_at_file old "$folder/${vm}_VARS.qcow2"
	[ "$looks" = absent ] || value=$folder/${vm}_VARS.qcow2
	filled="<nvram>$(xml_escape "$value")</nvram>"
	remark "the definition of $vm does not name its firmware: libvirt on $(name_of new) chooses it there"
}

# libvirt_folder HOST: $answer, where libvirt there keeps what it makes itself.
libvirt_folder() {
	if [[ $uri == *session* ]]; then
		ask "$1" "$a_path" sh -c 'printf "%s\n" "${XDG_CONFIG_HOME:-$HOME/.config}/libvirt/qemu"' libvirt-folder ||
			die "$(name_of "$1") does not tell its home folder"
	else
		answer=/var/lib/libvirt
	fi
}

find_varstore() {
	of_vm 'count(/domain/os/varstore)'
	[ "$value" != 0 ] || return 0
	of_vm /domain/os/varstore/@path
	if [ -n "$value" ]; then
		add_part varstore file "$value"
	else
		problem "the definition of $vm does not say where the firmware's variables are" "name the file in it: <varstore path='FILE'/>"
	fi
}

find_tpms() {
	local count number

	of_vm 'count(/domain/devices/tpm)'
	count=$value
	for ((number = 1; number <= count; number++)); do
		find_tpm "$number"
	done
}

# find_tpm NUMBER
find_tpm() {
	local backend="/domain/devices/tpm[$1]/backend" type

	of_vm "$backend/@type"
	type=$value
	of_vm "$backend/device/@path | $backend/source/@path"
	case $type in
	emulator) ;;
	passthrough)
		problem "$vm has the TPM of $(name_of old) itself ($value), whose state cannot be copied" "remove it from the definition when the guest needs nothing of it any more"
		return
		;;
	external)
		problem "$vm has a TPM that another program emulates ($value), whose state is not known here" "remove it from the definition when the guest needs nothing of it any more"
		return
		;;
	*)
		problem "$vm has a TPM of type $type, which is not known here" "remove it from the definition when the guest needs nothing of it any more"
		return
		;;
	esac
	of_vm "$backend/source/@type"
	type=$value
	of_vm "$backend/source/@path"
	case $type in
	dir) add_part "tpm$1" folder "$value" ;;
	file) add_part "tpm$1" file "$value" ;;
	'') find_tpm_folder "tpm$1" ;;
	*) problem "the TPM's state of $vm is of type $type, which is not known here" "migrate it by hand" ;;
	esac
	of_vm "$backend/@persistent_state"
	[ "$persistent" = yes ] || [ "$value" = yes ] ||
		problem "libvirt removes the TPM's state of $vm, which is transient, when it is off" \
			"make it persistent: virsh dumpxml --security-info $(quote "$vm") >FILE, virsh define FILE"
}

# find_tpm_folder PART: where libvirt puts it if the definition does not say; it goes by the UUID.
find_tpm_folder() {
	local path

	[ "$new_uuid" = "$uuid" ] ||
		problem "$vm has a TPM, whose state goes by its UUID" "leave out --new-uuid"
	libvirt_folder old
	path=$answer/swtpm/$uuid
	libvirt_folder new
	add_part "$1" folder "$path" "$answer/swtpm/$new_uuid"
}

# find_stores: find other data that a guest keeps in files of the host; memory may be as large as a disk.
find_stores() {
	local count number path

	of_vm 'count(/domain/devices/pstore)'
	count=$value
	for ((number = 1; number <= count; number++)); do
		of_vm "/domain/devices/pstore[$number]/path"
		add_part "pstore$number" file "$value"
	done
	of_vm "count($persistent_memory)"
	count=$value
	for ((number = 1; number <= count; number++)); do
		of_vm "($persistent_memory)[$number]/source/path"
		path=$value
		is_same_place "$path" "$path" ||
			problem "$vm has persistent memory in $path, which is not copied" "detach it, or have the guest copy it to a disk"
	done
}

# check_firmware: check that the hosts have everything needed for that.
check_firmware() {
	local host tool

	[ ${#parts[@]} -gt 0 ] || return 0
	for host in old new; do
		for tool in tar sha256sum; do
			asks_yes "$host" bash -c 'command -v "$1" >/dev/null' tool "$tool" ||
				problem "$tool is missing on $(name_of "$host")" "install it there"
		done
	done
	of_vm "count(/domain/devices/tpm[backend/@type = 'emulator'])"
	[ "$value" = 0 ] || asks_yes new bash -c 'command -v swtpm >/dev/null' ||
		problem "$vm has a TPM, and swtpm is missing on $(name_of new)" "install it there"
	check_secrets
}

# check_secrets: with which the TPM's state is encrypted; libvirt on each host has its own.
check_secrets() {
	local secret list host

	list=$(xml_values '/domain/devices/tpm/backend/encryption/@secret' "$private/source.xml") ||
		die "the XML of $vm cannot be read"
	while IFS= read -r secret; do
		[[ $secret =~ ^($a_uuid)$ ]] || continue
		if ! vm_ask -q new "$any_text" secret-dumpxml "$secret"; then
			need_libvirt new
			problem "the TPM's state of $vm is encrypted, and $(name_of new) has no secret $secret" "virsh secret-define and secret-set-value there: the same as on $(name_of old)"
			continue
		fi
		# One that is private is told to nobody.
		for host in old new; do
			ask -q "$host" '[0-9a-f]{64}' bash -c 'set -o pipefail; virsh -q -c "$1" secret-get-value "$2" | sha256sum | cut -c 1-64' \
				secret "$uri" "$secret" || continue 2
			[ "$host" = new ] || value=$answer
		done
		[ "$answer" = "$value" ] ||
			problem "the secret $secret, with which the TPM's state of $vm is encrypted, is another one on $(name_of new)" "virsh secret-set-value there: the same as on $(name_of old)"
	done <<<"$list"
}
