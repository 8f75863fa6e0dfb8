# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a machine needs of the new host if it does not boot there, but goes on: the processor and the
# devices that it has found already.

# check_awake managed|running: in the preflight, of a machine that libvirt has saved, or that is up.
check_awake() {
	if [ "$1" = managed ]; then
		xml_document old "$private/awake.xml" vm_on old managedsave-dumpxml "$uuid"
	else
		xml_document old "$private/awake.xml" vm_on old dumpxml "$uuid"
	fi || die "libvirt on $(name_of old) does not tell the XML of $vm as it runs"
	check_awake_cpu
	check_awake_devices
}

# check_awake_cpu: with the model and all features that libvirt has chosen at the start; for a
# processor that is passed through they are those that libvirt would give to a machine.
check_awake_cpu() {
	local type arch machine from=$private/awake.xml status=0 why

	[ "$(xml_value 'count(/domain/cpu)' "$from")" != 0 ] || return 0
	type=$(xml_value /domain/@type "$from")
	arch=$(xml_value /domain/os/type/@arch "$from")
	machine=$(xml_value /domain/os/type/@machine "$from")
	case $(xml_value /domain/cpu/@mode "$from") in
	host-passthrough | maximum)
		remark "the CPU of $vm is that of $(name_of old): it goes on safely only where the model is the same"
		from=$private/awake.capabilities
		xml_document old "$from" vm_on old domcapabilities --virttype "$type" ${arch:+--arch "$arch"} \
			${machine:+--machine "$machine"} || { need_libvirt old && return; }
		;;
	esac
	feed new virsh -q -c "$uri" hypervisor-cpu-compare --virttype "$type" ${arch:+--arch "$arch"} \
		${machine:+--machine "$machine"} --error /dev/stdin <"$from" >/dev/null 2>"$private/why" || status=$?
	why=$(tail -n 1 "$private/why")
	case $status in
	0) ;;
	255) die "$(name_of new) cannot be asked whether its CPU fits: $why" ;;
	*)
		if [[ $why == *incompatible* ]]; then
			problem "the CPU of $(name_of new) lacks what $vm has found when it started: $(printable "${why:0:300}")" \
				"take another host; or give it a model that both have, and start it anew"
		else
			remark "libvirt on $(name_of new) does not say whether its CPU fits ($(printable "${why:0:200}")); if not, $vm stays here"
		fi
		;;
	esac
}

# check_awake_devices: what QEMU does not save; check_devices has refused most of them.
check_awake_devices() {
	awake_without "interface[@type = 'hostdev' or @type = 'vdpa']" "an interface that is a device of $(name_of old)" "detach it first"
	awake_without shmem "memory that it shares with others on $(name_of old)" "detach it first"
	awake_without '../launchSecurity' "memory that is encrypted by the processor" "shut it down, and move it so"
	awake_without "../cpu[@migratable = 'off' or feature[@name = 'invtsc' and @policy = 'require']]" \
		"a CPU that QEMU does not save (invtsc, or migratable='off')" "define it without that, and start it anew"
}

# awake_without XPATH WHAT REMEDY
awake_without() {
	[ "$(xml_value "count(/domain/devices/$1)" "$private/awake.xml")" = 0 ] || problem "$vm has $2" "$3"
}
