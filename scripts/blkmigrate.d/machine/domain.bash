# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The virtual machine as the hosts know it.  On the new host libvirt runs it; on the old one, the
# functions source_... talk to libvirt or to Xen, whichever runs it.

uri=qemu:///system
vm='' uuid='' was_running='' autostart='' persistent=yes
# Its name and UUID on the new host: the same, unless --rename or --new-uuid says otherwise.
new_name='' new_uuid='' new_uuid_wanted=false

# vm_on HOST VIRSH-COMMAND ...: ask libvirt.
vm_on() {
	on "$1" virsh -q -c "$uri" "${@:2}"
}

# vm_act HOST VIRSH-COMMAND ...: have libvirt change something.
vm_act() {
	act "$1" virsh -q -c "$uri" "${@:2}"
}

# vm_keep HOST VIRSH-COMMAND ...: have libvirt change what it keeps, and that is on the medium then.
# The next steps rely on it: if a power failure undid the fence, both hosts could run the machine.
vm_keep() {
	vm_act "$@" >/dev/null && flush_definitions "$1"
}

# flush_definitions HOST: libvirt flushes the file of a definition, but not the folder in which it
# has renamed it, nor the link of autostart; so flush all file systems that may have these.
flush_definitions() {
	perform "$1" "sync -f /etc/libvirt/qemu # and its folder autostart, /var/lib/libvirt/qemu, /etc/xen/auto" '
		seen=" " status=0 folders=()
		for folder in "$@" "${XDG_CONFIG_HOME:-$HOME/.config}/libvirt/qemu"; do
			for folder in "$folder" "$folder/autostart" "$folder/auto"; do
				[ ! -d "$folder" ] || folders+=("$folder")
			done
		done
		[ ${#folders[@]} -gt 0 ] || exit 0
		systems=$(stat -L -c %d -- "${folders[@]}") || exit
		for system in $systems; do
			case $seen in
			*" $system "*) ;;
			*) sync -f -- "${folders[0]}" || status=1 ;;
			esac
			seen="$seen$system "
			folders=("${folders[@]:1}")
		done
		exit "$status"' /etc/libvirt /etc/libvirt/qemu /var/lib/libvirt /var/lib/libvirt/qemu /etc/xen ${xen_config:+"${xen_config%/*}"} || {
		warn "$(name_of "$1"): the files of libvirt or Xen there cannot be flushed"
		$taking_back
	}
}

# need_libvirt HOST: call it after virsh failed there: that was a no only if libvirt answers at all.
need_libvirt() {
	vm_ask -q "$1" "$any_text" list --all --uuid || die "libvirt on $(name_of "$1") does not answer"
}

# hypervisor_of HOST: print its name for messages.
hypervisor_of() {
	[ "$1" = old ] && is_xen && echo xl || echo libvirt
}

# domain_state HOST: print running, paused, shut off and so on, or "none"; false means that the host
# could not be asked, which is never the same as none.
domain_state() {
	local list state which=$uuid

	[ "$1" = old ] || which=$new_uuid
	if [ "$1" = old ] && is_xen; then
		state=$(brief xen_state) || return
	elif ! state=$(brief vm_on "$1" domstate "$which" 2>/dev/null); then
		list=$(brief vm_on "$1" list --all --uuid) || return
		! grep -qxF -e "$which" <<<"$list" || return
		state=none
	fi
	[[ $state =~ ^[a-z][a-z\ ]{0,39}$ ]] || return
	printf '%s\n' "$state"
}

# source_state: print the state on the old host, or die.
source_state() {
	domain_state old || die "$(hypervisor_of old) on $(name_of old) does not answer"
}

# find_vm NAME: set $uuid.  Libvirt would take a number for an id, so compare the names.
find_vm() {
	local line

	if [[ $1 == */* ]]; then
		find_xen "$1"
		return
	fi
	vm_ask_lines old "$a_uuid .+" list --all --uuid --name ||
		die "libvirt on $(name_of old) does not answer: start libvirtd or virtqemud there, or name the host that has $1 by --from; a machine of Xen is named by its configuration, as /etc/xen/$1.cfg"
	for line in "${answers[@]}"; do
		uuid=${line%% *} vm=${line#* }
		if [ "$uuid" = "$1" ] || [ "$vm" = "$1" ]; then
			return
		fi
	done
	die "there is no virtual machine called $1 on $(name_of old)"
}

# read_definition: save source.xml, and read what else the old host knows about the machine.
read_definition() {
	local info

	if is_xen; then
		read_xen
		return
	fi
	xml_document old "$private/source.xml" vm_on old dumpxml --inactive --security-info "$uuid" ||
		die "the XML of $vm cannot be read"
	info=$(brief vm_on old dominfo "$uuid") || die "libvirt on $(name_of old) does not answer"
	# Where it says neither, it is not known: a machine taken for transient would not be fenced.
	[[ $info =~ $'\n'Autostart:\ +(enable|disable) ]] ||
		die "libvirt on $(name_of old) does not say whether $vm has autostart"
	autostart=no
	[ "${BASH_REMATCH[1]}" = disable ] || autostart=yes
	[[ $info =~ $'\n'Persistent:\ +(yes|no) ]] ||
		die "libvirt on $(name_of old) does not say whether $vm is persistent"
	persistent=${BASH_REMATCH[1]}
}

# source_autostart on|off
source_autostart() {
	if is_xen; then
		xen_autostart "$1"
	elif [ "$1" = on ]; then
		vm_keep old autostart "$uuid"
	else
		vm_keep old autostart --disable "$uuid"
	fi
}

# source_shutdown: press its power button; the guest may take its time, or ignore it.
source_shutdown() {
	if is_xen; then
		act old xl shutdown -F "$vm" >/dev/null 2>&1 || true
		return
	fi
	vm_act old set-lifecycle-action "$uuid" poweroff destroy --live >/dev/null 2>&1 || true
	vm_act old shutdown "$uuid" --mode agent,acpi >/dev/null 2>&1 ||
		vm_act old shutdown "$uuid" >/dev/null || true
}

source_destroy() {
	if is_xen; then
		act old xl destroy "$vm" >/dev/null 2>&1 || true
	else
		vm_act old destroy "$uuid" >/dev/null || true
	fi
}

# source_define source|fenced: define it from the document that is kept under that name.
source_define() {
	if is_xen; then
		xen_define "$1"
	else
		vm_keep old define "$(state_of old)/$1.xml"
	fi
}

# source_has_fence: whether the definition has the fence; the state does not matter.
source_has_fence() {
	local expected

	if is_xen; then
		xen_has_fence
		return
	fi
	xml_document old "$private/now.xml" vm_on old dumpxml --inactive "$uuid" || return
	xml_document old "$private/fenced.xml" on old cat "$(state_of old)/fenced.xml" || return
	expected=$(disk_paths "$private/fenced.xml")
	[ -n "$expected" ] && [ "$(disk_paths "$private/now.xml")" = "$expected" ]
}

# source_start STATE: a transient machine is created from the XML that was kept.
source_start() {
	if is_xen; then
		xen_start "$1"
	elif [ "$persistent,$1" = no,none ]; then
		vm_act old create "$(state_of old)/source.xml" >/dev/null
	else
		vm_act old start "$uuid" >/dev/null
	fi
}

source_undefine() {
	if is_xen; then
		act old rm -f -- "$xen_config" && flush_definitions old
	else
		undefine old "$uuid"
	fi
}
