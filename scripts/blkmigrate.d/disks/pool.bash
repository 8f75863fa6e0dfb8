# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A libvirt storage pool as the target: disks are made and marked in its folder or volume group like
# any others, and the pool is refreshed.

pool=''

# use_pool: use the pool's folder or volume group as if --dir or --vg named it.
use_pool() {
	local type

	[ -n "$pool" ] || return 0
	[ -z "$dir_option$group_option" ] || usage_error "--pool, --dir and --vg each name the place of the disks; give only one of them"
	if ! vm_ask -q new "$any_text" pool-info "$pool"; then
		problem "$(name_of new) has no storage pool $pool" "virsh pool-list --all shows those that it has"
		return
	fi
	xml_document new "$private/pool.xml" vm_on new pool-dumpxml "$pool" || die "$(name_of new) does not tell what its storage pool $pool is"
	[[ $answer =~ State:\ +running ]] ||
		problem "the storage pool $pool on $(name_of new) is not active" "virsh pool-start it there"
	[[ $answer =~ Autostart:\ +yes ]] ||
		remark "the storage pool $pool on $(name_of new) is not started when that host boots: virsh pool-autostart"
	type=$(xml_value /pool/@type "$private/pool.xml")
	case $type in
	dir | fs | netfs) dir_option=$(xml_value /pool/target/path "$private/pool.xml") ;;
	logical) group_option=$(xml_value /pool/source/name "$private/pool.xml") ;;
	*) problem "the storage pool $pool on $(name_of new) is of type $type, and only dir, fs, netfs and logical can be used" "name another one, or --dir, --vg or --map-disk" ;;
	esac
}

refresh_pool() {
	[ -n "$pool" ] || return 0
	vm_act new pool-refresh "$pool" >/dev/null || warn "the storage pool $pool on $(name_of new) cannot be refreshed"
}
