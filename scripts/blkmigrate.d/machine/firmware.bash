# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a machine has beside its disks: the variables of its firmware, and the state of an
# emulated TPM.  Both are small, and change until the shutdown; they cross after it, to the same
# path, with owner and mode.

# firmware_paths: of what is there on the old host.
firmware_paths() {
	local path

	path=$(xml_value /domain/os/nvram "$private/source.xml")
	[ -z "$path" ] || ! on old test -e "$path" || printf '%s\n' "$path"
	if [ -n "$(xml_value "/domain/devices/tpm/backend[@type='emulator']/@type" "$private/source.xml")" ]; then
		path=/var/lib/libvirt/swtpm/$uuid
		! on old test -d "$path" || printf '%s\n' "$path"
	fi
}

read_source_xml() {
	on old cat "$(state_of old)/source.xml" >"$private/source.xml" ||
		die "$(name_of old): $(state_of old)/source.xml cannot be read"
}

check_firmware() {
	local path

	while IFS= read -r path; do
		! on new test -e "$path" ||
			problem "$(name_of new) has $path already" "remove it, if no virtual machine there needs it"
	done < <(firmware_paths)
	[ -z "$(xml_values "/domain/devices/tpm/backend[@type != 'emulator' or source]/@type" "$private/source.xml")" ] ||
		problem "$vm has a TPM of the host, or one whose state lies elsewhere" "remove it from the definition"
	[ -z "$(xml_value "/domain/devices/tpm/backend[@type='emulator']/@type" "$private/source.xml")" ] || [ "$new_uuid" = "$uuid" ] ||
		problem "$vm has a TPM, whose state goes by its UUID" "leave out --new-uuid"
	[ -z "$(xml_value "/domain/devices/tpm/backend[@type='emulator']/@type" "$private/source.xml")" ] ||
		on new bash -c 'command -v swtpm >/dev/null' ||
		problem "$vm has a TPM, and swtpm is missing on $(name_of new)" "install it there"
}

# firmware_is_free: nothing that a machine of the new host may need is in the way.
firmware_is_free() {
	local path

	read_source_xml
	while IFS= read -r path; do
		on new test ! -e "$path" || die "$(name_of new): $path is there already"
	done < <(firmware_paths)
}

copy_firmware() {
	local path

	read_source_xml
	while IFS= read -r path; do
		copy_state "$path" || die "$path cannot be copied to $(name_of new)"
	done < <(firmware_paths)
}

# copy_state PATH: and what has arrived is what was sent.
copy_state() {
	show old "tar -C / -cf - $(quote ".$1") | ssh new tar -C / -xpf -"
	on old tar -C / -cf - -- ".$1" </dev/null | feed new bash -c "$guard" guard "${lock[new]}" "$token" bash -c 'set -e
		rm -rf -- "$1"
		tar -C / -xpf -
		find "$1" -exec sync {} +' copy-state "$1" || return
	[ "$(sums old "$1")" = "$(sums new "$1")" ]
}

sums() {
	on "$1" find "$2" -type f -exec sha256sum {} + | sort
}

remove_firmware() {
	local path

	[ -n "${begun[firmware]:-}" ] || return 0
	read_source_xml
	while IFS= read -r path; do
		guarded new rm -rf -- "$path" || die "$(name_of new): $path cannot be removed"
	done < <(firmware_paths)
}
