# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Domain XML, by XML tools only.  Documents are files in the private folder: source.xml is the
# domain as it is defined; target.xml is for the new host; fenced.xml, whose disks do not exist,
# stays on the old one.

# xml_value XPATH FILE: print it as text; nothing if there is none.
xml_value() {
	if [ -n "${xml_known["$2 $1"]+known}" ]; then
		printf '%s\n' "${xml_known["$2 $1"]}"
	else
		xmllint --nonet --xpath "string($1)" "$2"
	fi
}

# xml_known["FILE XPATH"] is what xml_learn has found in a file that is as it was then: whatever
# writes the file calls xml_forget.
declare -gA xml_known=()

# xml_learn FILE XPATH ...: find all of these with one start of xmllint, for xml_value to print.
xml_learn() {
	local file=$1 path text expression=''

	shift
	random_hex 16
	for path; do
		expression+="string($path), '$random', "
	done
	text=$(xmllint --nonet --xpath "concat($expression'')" "$file") || die "the XML of $vm cannot be read"
	for path; do
		xml_known["$file $path"]=${text%%"$random"*}
		text=${text#*"$random"}
	done
}

xml_forget() {
	local key

	for key in "${!xml_known[@]}"; do
		[[ $key != "$1 "* ]] || unset 'xml_known[$key]'
	done
}

# Expressions that several of the driver's questions share.
# shellcheck disable=SC2034
{
	current_memory='/domain/currentMemory | /domain/memory[not(../currentMemory)]'
	writable_loader="/domain/os/loader[@type = 'pflash' and not(@readonly = 'yes')]"
	has_variables="count(/domain/os[nvram or
		@firmware = 'efi' and not(varstore or loader[@stateless = 'yes' or @type = 'rom']) or
		loader[@type = 'pflash' and @readonly = 'yes' and not(@stateless = 'yes')]])"
	persistent_memory="/domain/devices/memory[@model = 'nvdimm' or @model = 'virtio-pmem']"
	with_medium="/domain/devices/disk[(@device = 'cdrom' or @device = 'floppy') and source]"
	direct_interfaces="/domain/devices/interface[@type = 'direct']/source/@dev"
	mac_addresses=/domain/devices/interface/mac/@address
	managers="count(/domain/metadata/*[contains(namespace-uri(), 'NAME')])"
	sector_arguments="count(//@*[namespace-uri(..) = 'http://libvirt.org/schemas/domain/qemu/1.0' and contains(., 'logical_block_size')])"
}

# learn_definition: what plan and preflight ask of each definition.
learn_definition() {
	local devices=/domain/devices

	is_xen || xml_learn "$private/source.xml" /domain/@type /domain/os/type/@arch /domain/os/type/@machine \
		$devices/emulator /domain/cpu/@mode /domain/cpu/@check "$current_memory" \
		"count(/domain/memoryBacking/hugepages)" "$writable_loader" "$has_variables" "count(/domain/os/varstore)" \
		"count($devices/tpm)" "count($devices/pstore)" "count($persistent_memory)" "count($with_medium)" \
		"count($devices/hostdev)" "count($devices/filesystem)" "count($devices/interface[@type = 'hostdev'])" \
		"count($devices/shmem)" "count($direct_interfaces)" "count($mac_addresses)" "($mac_addresses)[1]" \
		"${managers/NAME/ovirt.org\/vm}" "${managers/NAME/opennebula.org}" \
		"${managers/NAME/openstack.org\/xmlns\/libvirt\/nova}" "$sector_arguments"
}

# xml_values XPATH FILE: print a line for each attribute or element.
xml_values() {
	local count number

	count=$(xml_value "count($1)" "$2") || return
	[[ $count =~ ^[0-9]{1,5}$ ]] || die "a definition has $count of $1: more than can be looked at"
	for ((number = 1; number <= count; number++)); do
		xml_value "($1)[$number]" "$2"
	done
}

# read_source_xml: the definition that was kept with the plan.
read_source_xml() {
	xml_document old "$private/source.xml" on old cat "$(state_of old)/source.xml" ||
		die "$(name_of old): $(state_of old)/source.xml cannot be read"
}

xml_escape() {
	local text=${1//&/'&amp;'}

	text=${text//</'&lt;'}
	text=${text//\"/'&quot;'}
	printf '%s' "${text//$'\t'/'&#9;'}"
}

# place DEV TYPE FORMAT PATH
place() {
	printf '<place dev="%s" type="%s" format="%s" path="%s"/>\n' \
		"$(xml_escape "$1")" "$2" "$3" "$(xml_escape "$4")"
}

# rewrite FROM TO DRIVES <PLACES: DRIVES says whether drives keep their media, or only those that
# have a place.
rewrite() {
	{
		echo '<places>'
		cat
		echo '</places>'
	} >"$private/places.xml"
	xml_forget "$2"
	xsltproc --nonet --stringparam places "$private/places.xml" --stringparam drives "$3" \
		"$here/machine/rewrite.xsl" "$1" >"$2"
}

# make_target_xml: leave out the disks that come later; whole.xml has them.
make_target_xml() {
	write_target target.xml "${skipped[@]}" "${later[@]}"
	write_target whole.xml "${skipped[@]}"
	make_later_xml
}

# write_places: where disks, media, bridges and networks are on the new host, for rewrite.
write_places() {
	local disk net

	for disk in "${placed[@]}" "${media_there[@]}"; do
		if [ "${target_kind[$disk]}" = lvm ]; then
			place "$disk" block raw "${target[$disk]}"
		else
			place "$disk" file "$(format_at_target "$disk")" "${target[$disk]}"
		fi
	done >"$private/places"
	for disk in "${assembled[@]}"; do
		members_of "$disk"
		printf '<assembled dev="%s" from="%s"/>\n' "$disk" "${members[0]}"
		[ ${#members[@]} -le 1 ] || printf '<drop dev="%s"/>\n' "${members[@]:1}"
	done >>"$private/places"
	for net in "${net_map[@]}"; do
		printf '<net from="%s" to="%s"/>\n' "$(xml_escape "${net%%=*}")" "$(xml_escape "${net#*=}")"
	done >>"$private/places"
}

# write_target FILE [DISK ...]: write it without these disks.
write_target() {
	local file=$1 disk

	shift
	write_places
	printf '<identity name="%s" uuid="%s"/>\n' "$(xml_escape "$new_name")" "$new_uuid" >>"$private/places"
	[ -z "$filled" ] || printf '<filled>%s</filled>\n' "$filled" >>"$private/places"
	for disk; do
		printf '<drop dev="%s"/>\n' "$(xml_escape "$disk")"
	done >>"$private/places"
	rewrite "$private/source.xml" "$private/$file" "$drives" <"$private/places"
}

format_at_target() {
	[ "${target_kind[$1]}" = qcow2 ] && echo qcow2 || echo raw
}

# Starting the old machine fails, and says why.
make_fenced_xml() {
	local disk

	for disk in "${disks[@]}" "${shared[@]}" "${swaps[@]}"; do
		place "$disk" file raw "$(fence_of "$disk")"
	done >"$private/places"
	rewrite "$private/source.xml" "$private/fenced.xml" keep <"$private/places"
}

fence_of() {
	printf '/nonexistent/blkmigrate-%s/moved-to-%s/%s\n' "$id" "${address[new]//[^A-Za-z0-9_.@-]/_}" "$1"
}

# The changes to the XML, without its secrets.
show_xml_diff() {
	local side source=source

	! is_xen || source=native
	for side in "$source" target; do
		xsltproc --nonet "$here/machine/mask.xsl" "$private/$side.xml" >"$private/$side.masked"
	done
	{ diff -u --label "$vm on $(name_of old)" --label "$vm on $(name_of new)" \
		"$private/$source.masked" "$private/target.masked" || true; } | relay
}

# disk_paths FILE: print DEV PATH of every disk, as libvirt has them.
disk_paths() {
	local fields

	mapfile -t fields < <(xsltproc --nonet "$here/machine/disks.xsl" "$1")
	while [ ${#fields[@]} -ge 8 ]; do
		if [ "${fields[1]}" = disk ]; then
			printf '%s %s\n' "${fields[0]}" "${fields[4]}"
		fi
		fields=("${fields[@]:8}")
	done
}
