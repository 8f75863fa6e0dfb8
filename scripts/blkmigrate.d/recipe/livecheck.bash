# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live: what the preflight asks besides, of a machine that moves while it runs.

native_address='' native_tls=false
# Of libvirt: the ports that it uses for migrations, unless qemu.conf says otherwise.
native_port=49152

# check_live: all of it.
check_live() {
	[ "$live" = yes ] || return 0
	if is_xen; then
		problem "$vm runs under Xen, and cannot go on under QEMU" "blkmigrate run shuts it down, and moves it"
		return
	fi
	if ! is_up "$was_running"; then
		problem "$vm is $was_running, so it cannot move while it runs" "blkmigrate run moves it"
		return
	fi
	[[ $uri == qemu:///@(system|session) ]] ||
		problem "libvirt is reached by $uri, and only qemu:///system and qemu:///session can be joined" "--connect qemu:///system"
	! $keep_memory_wanted || problem "--keep-memory is for a machine that is saved" "leave it out: live moves the memory"
	[ "$transport" = ssh ] && ! several_lanes && [ -z "$compress" ] ||
		problem "--transport, --lanes and --compress are for disks that this program copies" "--native uses ports of libvirt, --parallel several connections"
	[ ${#sizes_wanted[@]} = 0 ] ||
		problem "--size is for disks that this program copies" "blkmigrate run, or virsh blockresize after the move"
	check_awake running
	check_as_memory_knows_it
	check_backward
	check_caches
	check_parts_by_qemu
	check_sata
	check_locked
	check_post_copy
	! $native || check_native
}

# check_backward: what QEMU writes is read by one as new, and often by no older one.
check_backward() {
	local what ours theirs

	! $backward && [ -s "$private/new.version" ] || return 0
	for what in 'libvirt/Running against daemon' 'QEMU/Running hypervisor'; do
		ours=$(version_in "${what#*/}" old) theirs=$(version_in "${what#*/}" new)
		! is_older "$theirs" "$ours" ||
			problem "${what%/*} is older on $(name_of new) ($theirs) than on $(name_of old) ($ours): a running machine can move only to the same version or a newer one" \
				"upgrade it there; or --backward tries it, and the machine stays where it is if it does not fit"
	done
}

# check_caches: of shared disks, which both hosts have open for a moment.
check_caches() {
	local disk cache

	for disk in "${shared[@]}"; do
		cache=$(xml_value "/domain/devices/disk[target/@dev = '$disk'][not(readonly)]/driver/@cache" "$private/awake.xml")
		[[ $cache == @(none|directsync) ]] || [ "$(xml_value "count(/domain/devices/disk[target/@dev = '$disk']/readonly)" "$private/awake.xml")" != 0 ] ||
			problem "$disk is shared by both hosts, and its cache is ${cache:-the default}: $(name_of new) would read stale data" \
				"define it with cache='none', and start $vm anew; or blkmigrate run --keep-memory"
	done
}

# check_parts_by_qemu: the firmware's variables and the TPM's state are memory of QEMU, which brings
# them.
check_parts_by_qemu() {
	local part

	for part in "${parts[@]}"; do
		[ "${part_how[$part]}" = copy ] || continue
		case $part in
		nvram | varstore | tpm*) ;;
		*) problem "${part_source[$part]}, $(what_is "$part") of $vm, is a file that libvirt does not copy" "blkmigrate run, or run --keep-memory, copies it" ;;
		esac
	done
}

# check_sata: QEMU saves a SATA controller since 2.4.
check_sata() {
	local version

	[ "$(xml_value "count(/domain/devices/controller[@type = 'sata'])" "$private/awake.xml")" != 0 ] &&
		[ -s "$private/old.version" ] || return 0
	version=$(version_in 'Running hypervisor' old)
	[ -z "$version" ] || ! is_older "$version" 2.4.0 ||
		problem "$vm has a SATA controller, which QEMU $version does not move" "give its drives another bus, or upgrade QEMU"
}

# check_locked: all that it may have is taken at once, not only what it uses.
check_locked() {
	local wanted free

	[ "$(xml_value 'count(/domain/memoryBacking/locked)' "$private/awake.xml")" != 0 ] || return 0
	wanted=$(xml_value /domain/memory "$private/awake.xml")
	[[ $wanted =~ ^($a_number)$ ]] || return 0
	ask new "$a_number|unknown" awk '$1 == "MemAvailable:" { free = $2 } END { print free == "" ? "unknown" : free }' /proc/meminfo ||
		answer=unknown
	free=$answer
	[ "$free" != unknown ] || return 0
	[ "$free" -ge "$wanted" ] ||
		problem "the memory of $vm is locked: it takes $(human $((wanted * 1024))) at once, and $(name_of new) has $(human $((free * 1024))) available" "stop something there"
}

# check_post_copy: QEMU there must be allowed to handle page faults of its own.
check_post_copy() {
	$post_copy || return 0
	! $stay_paused || problem "--suspend and --post-copy exclude each other: after the switch the machine runs there" "leave one of them out"
	[ "$(qemu_user new)" != +0:+0 ] || return 0
	ask new '[01]|none' sh -c 'cat /proc/sys/vm/unprivileged_userfaultfd 2>/dev/null || echo none' userfaultfd || answer=none
	[ "$answer" != 0 ] || asks_yes new test -e /dev/userfaultfd ||
		problem "QEMU on $(name_of new) may not handle page faults, without which there is no post-copy" "sysctl vm.unprivileged_userfaultfd=1 there, or leave out --post-copy"
}

# check_native: its ports answer, if only that nobody listens; and whether TLS is set up.
check_native() {
	local port certificates=/etc/pki/qemu

	native_address=$listen
	if [ -z "$native_address" ]; then
		ask new '([0-9A-Fa-f.:]+(%[A-Za-z0-9._-]+)?)?' sh -c 'set -- ${SSH_CONNECTION:-}; echo "${3:-}"' address || answer=''
		native_address=${answer#::ffff:}
	fi
	[ -n "$native_address" ] ||
		{ problem "$(name_of new) does not say which address it was reached at" "--listen ADDRESS" && return; }
	! ask -q new '([1-9][0-9]{0,4})?' sed -n 's/^[[:space:]]*migration_port_min[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p' /etc/libvirt/qemu.conf ||
		native_port=${answer:-$native_port}
	for port in "$native_port" $((native_port + 1)); do
		check_port "$port"
	done
	[[ $native_address != *:* ]] || native_address=[$native_address]
	native_tls=false
	if asks_yes new bash -c '[ -e "$1/server-cert.pem" ] || [ -e "${1%/qemu}/libvirt-migrate/server-cert.pem" ]' tls "$certificates" &&
		asks_yes old bash -c '[ -e "$1/ca-cert.pem" ] || [ -e "${1%/qemu}/libvirt-migrate/ca-cert.pem" ]' tls "$certificates"; then
		native_tls=true
	else
		remark "memory and disks cross the network unencrypted: $certificates is not set up for TLS on both hosts; without --native they go through ssh"
	fi
}

# check_port PORT: a refusal is the answer of a host without a listener; a firewall drops, or says that
# it is not allowed.
check_port() {
	ask old 'open|refused|blocked' bash -c '
		said=$(timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" port "$1" "$2" 2>&1) && echo open && exit
		case $said in
		*refused*) echo refused ;;
		*) echo blocked ;;
		esac' check-port "$native_address" "$1" || die "$(name_of old) cannot try port $1 of $native_address"
	[ "$answer" != blocked ] ||
		problem "port $1 of $native_address does not answer $(name_of old), and libvirt uses it" "open ports $native_port to $((native_port + 63)) in the firewall of $(name_of new); or leave out --native, which needs none"
}
