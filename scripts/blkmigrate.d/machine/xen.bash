# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Xen machine on the old host, which becomes a KVM machine on the new one.
#
# Only its configuration file defines it, and xl runs it.  Libvirt's Xen driver converts the file to
# native.xml; source.xml describes the same machine for QEMU, and is treated like that of any other
# machine from there on. source.cfg is a copy of the file as it was; fenced.cfg replaces the file
# while the machine is, or may be, on the new host.

xen_config=''
xen_auto=/etc/xen/auto

is_xen() {
	[ -n "$xen_config" ]
}

# find_xen FILE: use the name and the UUID that libvirt reads.  If the file has no UUID, libvirt
# invents another each time; but a later run must find the same machine.
find_xen() {
	ask old "$a_path" realpath -e -- "$1" || die "there is no $1 on $(name_of old)"
	xen_config=$answer
	document old "$private/source.cfg" on old sh -c 'cat -- "$1"' cat "$xen_config" ||
		die "$xen_config on $(name_of old) cannot be read"
	xml_document old "$private/native.xml" because on old virsh -q -c xen:///system domxml-from-native xen-xl "$xen_config" ||
		die "libvirt on $(name_of old) cannot read $xen_config as a Xen configuration: $(head -n 1 "$private/why") (it needs libvirt-daemon-driver-xen; does libvirtd run?)"
	vm=$(xml_value /domain/name "$private/native.xml")
	if grep -qE '^[[:space:]]*uuid[[:space:]]*=' "$private/source.cfg"; then
		uuid=$(xml_value /domain/uuid "$private/native.xml")
	else
		uuid=$(xen_uuid) || die "$(name_of old) cannot be asked"
	fi
	[[ $uuid =~ ^($a_uuid)$ ]] || die "$xen_config: libvirt on $(name_of old) reads \"$(printable "$uuid")\" as its UUID"
	[[ $vm == [!-]* && $vm == *[!0-9]* && $vm != *$'\n'* ]] || die "$xen_config: \"$vm\" is not a name by which xl finds a machine: rename it"
}

# xen_uuid: print a UUID derived from the file's path and its host.
xen_uuid() {
	local digest

	digest=$(brief on old sh -c 'cat /etc/machine-id; uname -n; printf %s "$1"' uuid "$xen_config" | md5sum) || return
	printf '%s-%s-3%s-8%s-%s\n' "${digest:0:8}" "${digest:8:4}" "${digest:13:3}" "${digest:17:3}" "${digest:20:12}"
}

# read_xen: make an emulated machine of it if the new host has no KVM.
read_xen() {
	local type=kvm screen='' links

	if ! vm_asks_yes -q new domcapabilities --virttype kvm; then
		need_libvirt new
		type=qemu
		remark "$(name_of new) has no KVM: $vm will be emulated there, and slow"
	fi
	if grep -qE '^[^#]*vncpasswd' "$private/source.cfg"; then
		screen='local'
		remark "libvirt does not read the password of the screen of $vm; on $(name_of new) only that host itself will see it, until virsh edit gives it one"
	fi
	xsltproc --nonet --stringparam type "$type" --stringparam screen "$screen" \
		--stringparam uuid "$uuid" "$here/machine/xen.xsl" "$private/native.xml" >"$private/source.xml" ||
		die "the XML of $vm cannot be converted"
	make_fenced_config >"$private/fenced.cfg"
	links=$(brief xen_links) || die "$(name_of old) cannot be asked for $xen_auto"
	autostart=no
	[ -z "$links" ] || autostart=yes
}

save_xen() {
	put old "$(state_of old)/source.cfg" <"$private/source.cfg"
	put old "$(state_of old)/fenced.cfg" <"$private/fenced.cfg"
}

# xen_links: print the links in /etc/xen/auto that lead to this file.
xen_links() {
	on old bash -c 'for link in "$1"/*; do
			if [ "$link" -ef "$2" ]; then
				printf "%s\n" "$link"
			fi
		done' links "$xen_auto" "$xen_config"
}

# Starting it fails and says why; a comment in it says the same to a reader.
make_fenced_config() {
	local fence

	fence=$(fence_of xvda)
	cat <<-EOC
		# This machine was moved to ${address[new]} by blkmigrate ($id).
		# What was here is kept in $(state_of old)/source.cfg.
		name = "blkmigrate-$id"
		kernel = "$fence"
		memory = 32
		disk = [ "format=raw, vdev=xvda, access=rw, target=$fence" ]
	EOC
}

# xen_state: print the state in libvirt's words.  If there is no domain, the machine is off,
# provided that its file is there.  A domain that is being destroyed loses its name before it
# releases its disks, so one without a name may be this machine; and a domain that was there a
# moment ago may not be gone yet.
xen_state() {
	on old bash -c '
		if ! id=$(xl domid "$1" 2>/dev/null); then
			list=$(xl list) || exit
			case $list in
			*"(null)"*) echo "in shutdown" ;;
			*) [ -e "$2" ] && echo "shut off" || echo none ;;
			esac
			exit
		fi
		flags=$(xl list "$id" 2>/dev/null | awk "END { print \$(NF - 1) }")
		case $flags in
		?????d) echo "in shutdown" ;;
		????c?) echo crashed ;;
		???s??) echo halted ;;
		??p???) echo paused ;;
		[r-][b-]----) echo running ;;
		*) echo "in shutdown" ;;
		esac' state "$vm" "$xen_config"
}

# xen_autostart on|off: xendomains starts what it finds in that folder; while autostart is off, the
# links are kept here.
xen_autostart() {
	local kept links

	kept=$(state_of old)/auto
	if [ "$1" = on ]; then
		perform old "mv $kept/* $xen_auto/" 'set -e
			for link in "$1"/*; do
				[ -L "$link" ] || continue
				mv -T -- "$link" "$2/${link##*/}"
			done
			sync -f -- "$2"
			[ ! -d "$1" ] || sync -f -- "$1"' "$kept" "$xen_auto"
	else
		$dry_run || say "$vm is no longer in $xen_auto on $(name_of old); a rollback brings it back"
		links=$(brief xen_links) || die "$(name_of old) cannot be asked for $xen_auto"
		perform old "mv ${links//$'\n'/ } $kept/" 'set -e
			mkdir -p -m 700 "$1"
			for link in "$2"/*; do
				if [ -L "$link" ] && [ "$link" -ef "$3" ]; then
					mv -T -- "$link" "$1/${link##*/}"
				fi
			done
			sync -f -- "$1"
			sync -f -- "$2"' "$kept" "$xen_auto" "$xen_config"
	fi
}

# xen_define source|fenced: replace the file atomically and flush it; owner and mode stay.
xen_define() {
	perform old "cp $(quote "$(state_of old)/$1.cfg" "$xen_config")" 'set -e
		part=$2.blkmigrate
		cp -p -- "$2" "$part"
		cat -- "$1" >"$part"
		sync "$part"
		mv -T -- "$part" "$2"
		sync "$(dirname -- "$2")"' "$(state_of old)/$1.cfg" "$xen_config"
}

xen_has_fence() {
	on old cmp -s -- "$(state_of old)/fenced.cfg" "$xen_config" >/dev/null
}

# xen_start STATE: a domain that halted, and was preserved for inspection, is in the way.
xen_start() {
	[ "$1" != halted ] || source_destroy
	act old xl create "$xen_config" >/dev/null
}

# check_xen: report the problems that only Xen machines have.
check_xen() {
	local action network list

	action=$(xml_value /domain/on_poweroff "$private/native.xml")
	[[ $action != *restart ]] ||
		problem "$vm starts again when it shuts down (on_poweroff is $action)" "set on_poweroff to \"destroy\" in $xen_config, and restart it"
	[[ $xen_config != "$xen_auto"/* ]] ||
		problem "$xen_config is in $xen_auto itself, where nothing else can take its place" "mv it to /etc/xen, and ln -s it from there"
	[ "$was_running" != running ] || ! $quiesce ||
		problem "$vm is a Xen machine, and has no guest agent" "leave out --quiesce"
	list=$({ xml_values '/domain/devices/disk/target/@dev' "$private/source.xml" && printf '%s\n' "${assembled[@]}"; } | sort | uniq -d)
	[ -z "$list" ] || problem "two disks would be called ${list%%$'\n'*}" "give them other letters in $xen_config"
	while IFS= read -r network; do
		[ "$network" = bridge ] ||
			problem "an interface of $vm has the type $network" "give it a bridge in $xen_config"
	done < <(xml_values '/domain/devices/interface/@type' "$private/native.xml")
	[ -z "$(xml_value '/domain/devices/interface/mac[@address="00:00:00:00:00:00"]/@address' "$private/native.xml")" ] ||
		remark "an interface of $vm has no MAC address in $xen_config: it gets one on $(name_of new), and the guest may take it for another card"
	[ -z "$(xml_values "/domain/os/loader[@type = 'pflash'] | /domain/os/nvram" "$private/native.xml")" ] ||
		problem "$vm has UEFI firmware of Xen" "define the virtual machine there by hand, and blkmigrate copy its disks"
	[ -z "$(xml_value '/domain/os/kernel | /domain/bootloader' "$private/native.xml")" ] || [ -n "$first_boot" ] ||
		remark "$(name_of old) gives $vm its kernel; on $(name_of new) the loader on its disk has to: blkmigrate(1), Preparing a guest, or --first-boot"
	check_xen_parts
	[ "$was_running" != running ] || check_xen_disks
}

# check_xen_parts: of the parts that libvirt does not read from the file, those that have state, or are
# the host's.
check_xen_parts() {
	local key

	while IFS= read -r key; do
		case $key in
		vtpm) problem "$vm has a TPM of Xen (vtpm in $xen_config), whose state is not copied" "remove it when the guest needs nothing of it any more" ;;
		p9) problem "$vm has a folder of the host (p9 in $xen_config)" "remove it first" ;;
		usbdev | dtdev | ioports | iomem | irqs) problem "$vm has a device of the host passed through ($key in $xen_config)" "remove it first" ;;
		acpi_firmware | smbios_firmware | bios_path_override | device_model_override)
			remark "$key in $xen_config is not read by libvirt: $vm on $(name_of new) does without it"
			;;
		esac
	done < <(sed -n 's/^[[:space:]]*\([a-z0-9_]*\)[[:space:]]*=.*/\1/p' "$private/source.cfg")
}

# check_xen_disks: the running machine may have been started from an older version of the file.
check_xen_disks() {
	local disk

	document old "$private/running" on old xl list -l "$vm" || { problem "xl on $(name_of old) does not list $vm" "look at xl list -l" && return; }
	for disk in "${disks[@]}" "${shared[@]}" "${swaps[@]}"; do
		grep -qF "\"pdev_path\": \"${source[$disk]}\"" "$private/running" ||
			problem "$vm does not run on ${source[$disk]}, as $xen_config says" "restart it, or correct the file"
	done
}
