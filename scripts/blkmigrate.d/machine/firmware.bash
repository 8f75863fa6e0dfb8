# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The parts of a machine besides its disks: the variables of its firmware, and the state of an
# emulated TPM. Both are small, and change until the shutdown; they are copied after it, to the same
# path, with owner and mode.

# find_firmware: set $firmware to the paths that exist on the old host.
firmware=()
find_firmware() {
	local path tpm

	firmware=()
	path=$(xml_value /domain/os/nvram "$private/source.xml") || die "the XML of $vm cannot be read"
	tpm=$(xml_value "/domain/devices/tpm/backend[@type='emulator']/@type" "$private/source.xml") ||
		die "the XML of $vm cannot be read"
	[ -z "$path" ] || ! asks_yes old test -e "$path" || firmware+=("$path")
	if [ -n "$tpm" ]; then
		path=/var/lib/libvirt/swtpm/$uuid
		! asks_yes old test -d "$path" || firmware+=("$path")
	fi
}

read_source_xml() {
	xml_document old "$private/source.xml" on old cat "$(state_of old)/source.xml" ||
		die "$(name_of old): $(state_of old)/source.xml cannot be read"
}

check_firmware() {
	local path

	find_firmware
	for path in "${firmware[@]}"; do
		! asks_yes new test -e "$path" ||
			problem "$(name_of new) has $path already" "remove it, if no virtual machine there needs it"
	done
	[ -z "$(xml_values "/domain/devices/tpm/backend[@type != 'emulator' or source]/@type" "$private/source.xml")" ] ||
		problem "$vm has a TPM of the host, or one whose state lies elsewhere" "remove it from the definition"
	[ -z "$(xml_value "/domain/devices/tpm/backend[@type='emulator']/@type" "$private/source.xml")" ] || [ "$new_uuid" = "$uuid" ] ||
		problem "$vm has a TPM, whose state goes by its UUID" "leave out --new-uuid"
	[ -z "$(xml_value "/domain/devices/tpm/backend[@type='emulator']/@type" "$private/source.xml")" ] ||
		asks_yes new bash -c 'command -v swtpm >/dev/null' ||
		problem "$vm has a TPM, and swtpm is missing on $(name_of new)" "install it there"
}

# firmware_is_free: nothing may be in the way that another machine of the new host may need.
firmware_is_free() {
	local path

	read_source_xml
	find_firmware
	for path in "${firmware[@]}"; do
		! asks_yes new test -e "$path" || die "$(name_of new): $path is there already"
	done
}

copy_firmware() {
	local path

	read_source_xml
	find_firmware
	for path in "${firmware[@]}"; do
		copy_state "$path" || die "$path cannot be copied to $(name_of new)"
	done
}

# copy_state PATH: copy it, and check that it arrived unchanged.
copy_state() {
	local ours

	show old "tar -C / -cf - $(quote ".$1") | ssh new tar -C / -xpf -"
	on old tar -C / -cf - -- ".$1" </dev/null | feed new bash -c "$guard" guard "${lock[new]}" "$token" bash -c 'set -e
		rm -rf -- "$1"
		tar -C / -xpf -
		find "$1" -exec sync {} +' copy-state "$1" >/dev/null || return
	sums old "$1" || return
	ours=$answer
	sums new "$1" || return
	[ "$answer" = "$ours" ]
}

# sums HOST PATH: set $answer to the digests of the files there.
sums() {
	ask "$1" "$any_text" bash -c 'set -o pipefail; find "$1" -type f -exec sha256sum {} + | sort' sha256sum "$2"
}

remove_firmware() {
	local path

	[ -n "${begun[firmware]:-}" ] || return 0
	read_source_xml
	find_firmware
	for path in "${firmware[@]}"; do
		guarded new rm -rf -- "$path" || die "$(name_of new): $path cannot be removed"
	done
}
