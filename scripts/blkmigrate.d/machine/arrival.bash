# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The machine on the new host.  Somebody may define one of the same name or UUID there at any time,
# and libvirt's define would replace it.  So right before ours is defined there must be none of
# either; then the file to/ID/defining there says that what is there is ours.

# domain_is_ours: whether the domain on the new host is this migration's, with the disks that were
# made for it; 255 if one of the hosts could not be asked.
domain_is_ours() {
	local expected there

	[ -n "${begun[defined]:-}" ] || return 1
	on new test -e "$(state_of new)/defining" >/dev/null || return
	xml_document new "$private/there.xml" vm_on new dumpxml --inactive "$new_uuid" || return 255
	xml_document old "$private/target.xml" on old cat "$(state_of old)/target.xml" || return 255
	expected=$(disk_paths "$private/target.xml") && there=$(disk_paths "$private/there.xml") || return 255
	[ -n "$expected" ] || return 255
	[ "$there" = "$expected" ]
}

# Status 3, and what is there, where it is not ours.
claim='
uri=$1 uuid=$2 name=$3 folder=$4
if [ ! -e "$folder/defining" ]; then
	list=$(virsh -q -c "$uri" list --all --uuid --name) || exit
	while read -r each other; do
		[[ $each =~ ^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$ ]] || exit 4
		if [ "$each" = "$uuid" ] || [ "$other" = "$name" ]; then
			echo "$other, $each"
			exit 3
		fi
	done <<<"$list"
	: >"$folder/defining" && sync "$folder/defining" "$folder" || exit
fi
echo ours'

# claim_name: or the end, where there is one.
claim_name() {
	local said status=0

	said=$(brief guarded_loud new bash -c "$claim" claim "$uri" "$new_uuid" "$new_name" "$(state_of new)") || status=$?
	case $status,$said in
	0,ours) ;;
	3,*) die "$(name_of new) has got a virtual machine of that name or UUID meanwhile ($(printable "${said:0:200}")), which is left alone: virsh domrename or undefine it there, if it is not needed" ;;
	*) die "$(name_of new) cannot be asked whether it has a virtual machine of that name or UUID" ;;
	esac
}

define_target() {
	claim_name
	vm_keep new define "$(state_of new)/domain.xml" || die "$vm cannot be defined on $(name_of new)"
	still_ours
}

# still_ours: or the end; asked before each start.
still_ours() {
	domain_is_ours || die "$vm on $(name_of new) does not have the disks that it should, or cannot be asked"
}

# start_paused: start it, paused; nothing has opened the target's disks before.
start_paused() {
	local state

	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer"
	case $state in
	paused) ;;
	'shut off')
		still_ours
		start_there --paused >/dev/null || die "$vm cannot be started on $(name_of new)"
		;;
	*) die "$vm is $state on $(name_of new)" ;;
	esac
	state=$(domain_state new) && [ "$state" = paused ] || die "$vm is ${state:-unknown} on $(name_of new), and not paused"
}

# remove_domain: remove it from the new host, and check that it is gone.  One that is not ours stays.
remove_domain() {
	local state status=0

	state=$(domain_state new) || die "libvirt on $(name_of new) does not answer; nothing is started anywhere"
	if [ "$state" = none ]; then
		forget_domain
		return
	fi
	domain_is_ours || status=$?
	case $status in
	0) ;;
	1)
		spare_domain "$state"
		return
		;;
	*) die "$(name_of new) cannot be asked about $vm; nothing is started anywhere" ;;
	esac
	[ "$state" = 'shut off' ] || vm_act new destroy "$new_uuid" >/dev/null || true
	undefine new "$new_uuid" || true
	state=$(domain_state new) && [ "$state" = none ] ||
		die "$vm is still ${state:-unknown} on $(name_of new); nothing is started anywhere"
	committed || status=$?
	[ "$status" = 1 ] || die "$vm was committed to $(name_of new) meanwhile, or that cannot be asked; nothing is started here"
	forget_domain
}

# spare_domain STATE: of another machine with this UUID; if it may be writing to the disks that were
# made for this one, it may well be this one.
spare_domain() {
	local status=0 disk

	on new test -e "$(state_of new)/defining" >/dev/null || status=$?
	[ "$status" = 1 ] ||
		die "the virtual machine $vm on $(name_of new) is not the one that was made for this migration; nothing is started anywhere"
	xml_document new "$private/there.xml" vm_on new dumpxml "$new_uuid" ||
		die "$(name_of new) cannot be asked about $vm; nothing is started anywhere"
	for disk in "${placed[@]}" "${shared[@]}"; do
		[ "$1" = 'shut off' ] || ! disk_paths "$private/there.xml" | grep -qE " ${target[$disk]//[^A-Za-z0-9_\/-]/.}\$" ||
			die "a virtual machine on $(name_of new) that this migration did not define is $1, on ${target[$disk]}, which was made for $vm; nothing is started anywhere. Destroy it there, then: blkmigrate rollback $(quote "$vm")"
	done
	warn "$(name_of new) has a virtual machine with the UUID $new_uuid, which this migration did not define; it is left alone"
}

forget_domain() {
	guarded new rm -f -- "$(state_of new)/defining" || warn "$(name_of new): $(state_of new)/defining cannot be removed"
}
