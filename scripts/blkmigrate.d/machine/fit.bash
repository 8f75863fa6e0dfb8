# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whether the two hosts are compatible with each other, and the machine with the new one.

# check_fit: differences that need not prevent the start are only notes.
check_fit() {
	check_stream
	check_versions
	check_managers
	check_architecture
	check_memory
	check_user
}

# check_stream: the new host's programs must be able to read what the old host's send.
check_stream() {
	local pipe

	$programs_there && ! needs_no_programs || return 0
	pipe=$(compressed 'blkread "$file"')
	on old bash -o pipefail -c 'file=$(mktemp) && echo blkmigrate >"$file" || exit
		'"$pipe"'
		status=$?
		rm "$file"
		exit $status' stream 2>"$private/why" |
		feed new bash -c 'folder=$(mktemp -d) || exit
		blkwrite --create "$folder/file"
		status=$?
		rm -r "$folder"
		exit $status' stream >/dev/null 2>>"$private/why" ||
		problem "$(name_of new) cannot read what $(name_of old) sends: $(tail -n 1 "$private/why")" "install the same version of the blk programs on both"
}

# check_versions: a machine made with a newer libvirt or QEMU may use features that an older one
# lacks.
check_versions() {
	local host theirs ours what

	! is_xen || return 0
	for host in old new; do
		vm_ask -q "$host" "$any_text" version --daemon || return 0
		printf '%s\n' "$answer" >"$private/$host.version"
	done
	for what in 'libvirt/Running against daemon' 'QEMU/Running hypervisor'; do
		ours=$(version_in "${what#*/}" old) theirs=$(version_in "${what#*/}" new)
		! is_older "$theirs" "$ours" || [ "$live" = yes ] ||
			remark "${what%/*} on $(name_of new) is $theirs, on $(name_of old) $ours: if the start fails there, upgrade its package ($(package_of "${what%/*}"))"
	done
}

version_in() {
	sed -n "s/^$1:.* \([0-9.]*\)$/\1/p" "$private/$2.version"
}

is_older() {
	[ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

package_of() {
	case $1 in
	libvirt) echo "libvirt-daemon-system, or libvirt-daemon-driver-qemu" ;;
	QEMU) echo "qemu-system-x86, or qemu-kvm" ;;
	esac
}

# check_managers: a program that starts and stops machines by itself must never find two copies of
# one.
check_managers() {
	local host process name found_managers=()

	for name in ovirt.org/vm/oVirt opennebula.org/OpenNebula openstack.org/xmlns/libvirt/nova/OpenStack; do
		[ "$(xml_value "${managers/NAME/"${name%/*}"}" "$private/source.xml")" = 0 ] ||
			problem "$vm is managed by ${name##*/}, as its definition says" "migrate it with that"
	done
	for host in old new; do
		ask_lines "$host" "$a_name" bash -c 'for name; do
				status=0
				pgrep -x "$name" >/dev/null || status=$?
				case $status in
				0) echo "$name" ;;
				1) ;;
				*) exit "$status" ;;
				esac
			done' managers pacemakerd corosync pmxcfs ganeti-noded vdsmd ||
			die "$(name_of "$host") cannot be asked for its cluster managers; pgrep has to be there"
		found_managers=("${answers[@]}")
		for process in "${found_managers[@]}"; do
			case $process in
			pacemakerd | corosync) check_pacemaker "$host" "$process" ;;
			pmxcfs) problem "Proxmox VE manages the machines of $(name_of "$host")" "migrate with qm; blkmigrate copy moves a disk alone" ;;
			ganeti-noded) problem "Ganeti manages the machines of $(name_of "$host")" "migrate with gnt-instance; blkmigrate copy moves a disk alone" ;;
			vdsmd) problem "oVirt manages the machines of $(name_of "$host")" "migrate with oVirt; blkmigrate copy moves a disk alone" ;;
			esac
		done
	done
}

# check_pacemaker HOST PROCESS: a cluster is no problem if it says that it does not know the
# machine.
check_pacemaker() {
	if ! document "$1" "$private/cib" hushed on "$1" cibadmin -Q; then
		problem "a cluster runs on $(name_of "$1") ($2), and does not say whether it manages $vm" "migrate with its tools, or stop it there"
	elif grep -qF -e "$vm" -e "$uuid" -e "$new_name" "$private/cib"; then
		problem "the cluster on $(name_of "$1") ($2) manages $vm" "migrate with its tools: crm_resource --move, or pcs resource move"
	else
		remark "a cluster runs on $(name_of "$1") ($2); it says nothing of $vm"
	fi
}

check_architecture() {
	local ours=${fact[old,arch]:-} theirs=${fact[new,arch]:-}

	[ -n "$ours" ] && [ -n "$theirs" ] || return 0
	[ "$ours" = "$theirs" ] || [ "$(xml_value /domain/@type "$private/source.xml")" = qemu ] ||
		problem "$(name_of new) is $theirs, $(name_of old) $ours" "take a host of the same architecture"
}

# check_memory: the new host must have the memory that the machine gets when it starts; huge pages
# are counted apart from all other memory.
check_memory() {
	local wanted free kind=memory

	wanted=$(xml_value "$current_memory" "$private/source.xml")
	[[ $wanted =~ ^($a_number)$ ]] || return 0
	if [ "$(xml_value 'count(/domain/memoryBacking/hugepages)' "$private/source.xml")" = 0 ]; then
		free=${fact[new,MemAvailable]:-unknown}
	else
		kind='huge pages'
		free=unknown
		[ -z "${fact[new,HugePages_Free]:-}" ] || [ -z "${fact[new,Hugepagesize]:-}" ] ||
			free=$((fact[new,HugePages_Free] * fact[new,Hugepagesize]))
	fi
	if [ "$free" = unknown ]; then
		remark "$(name_of new) does not tell how much of $kind is available; $vm needs $(human $((wanted * 1024)))"
		return
	fi
	[ "$free" -lt "$wanted" ] || return 0
	kind="$vm has $(human $((wanted * 1024))) of $kind, and $(name_of new) $(human $((free * 1024))) available"
	if is_up "$was_running"; then
		problem "$kind" "stop something there, or make it smaller: virsh setmem --config"
	else
		remark "$kind"
	fi
}

# check_user: libvirt makes QEMU's user the owner of the disks when it starts a machine, unless it
# was configured not to; the disks made by this program belong to root.
check_user() {
	local ours theirs

	xml_document new "$private/new.capabilities" vm_on new capabilities || { need_libvirt new && return; }
	theirs=$(qemu_user new) ours=$theirs
	if ! is_xen; then
		xml_document old "$private/old.capabilities" vm_on old capabilities || { need_libvirt old && return; }
		ours=$(qemu_user old)
	fi
	if [ "$theirs" != +0:+0 ] && ask -q new "$any_text" grep -sE '^[[:space:]]*dynamic_ownership[[:space:]]*=[[:space:]]*0' /etc/libvirt/qemu.conf; then
		problem "QEMU on $(name_of new) runs as $theirs, and libvirt there does not give it the disks" "set dynamic_ownership = 1 in /etc/libvirt/qemu.conf there, and restart libvirtd"
	elif [ "$ours" != "$theirs" ]; then
		remark "QEMU runs as $ours on $(name_of old) and as $theirs on $(name_of new); libvirt gives it the disks and the firmware's variables when it starts"
	fi
}

qemu_user() {
	xml_value "/capabilities/host/secmodel[model='dac']/baselabel[1]" "$private/$1.capabilities"
}
