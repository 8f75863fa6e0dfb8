# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Preflight finds now what would go wrong later, and reports all of it at once, with remedies.

problems=()
remarks=()

# problem WHAT REMEDY
problem() {
	problems+=("$1"$'\n'"    $2")
}

remark() {
	remarks+=("$1")
}

# preflight: check a plan, and change nothing.  If there are problems, report all of them, then end
# the program.
preflight() {
	local before=${#problems[@]}

	check_tools
	# Without its tools a host cannot be checked.
	if [ ${#problems[@]} -eq "$before" ]; then
		check_codec
		check_source
		check_name
		check_addresses
		check_networks
		check_machine
		check_devices
		check_firmware
		check_targets
		check_room
		check_thin_pool
		check_clock
		check_fit
		check_sectors
		check_gpt
		check_agent
		check_first_boot
		check_assembled
		check_keep_memory
		check_live
	fi
	report
}

report() {
	local each

	for each in "${remarks[@]}"; do
		say "note: $each"
	done
	[ ${#problems[@]} -gt 0 ] || return 0
	say "$vm cannot move to $(name_of new) like this:"
	for each in "${problems[@]}"; do
		say "  - $each"
	done
	keep_reason "$vm cannot move to $(name_of new) like this"
	exit "$refused"
}

programs_there=true

# host_facts HOST PROGRAM ...: one question for several checks: set $missing to those of the programs that
# the host does not have, and fact[HOST,NAME] to its time and arch, and to numbers of /proc/meminfo, in
# KiB or pages, as far as it knows them.
declare -A fact=()
missing=()
host_facts() {
	local host=$1 line number='time|MemAvailable|HugePages_Free|Hugepagesize'

	shift
	missing=()
	ask_lines "$host" "$a_name|=arch ($a_name)|=($number) ($a_number)" bash -c '
		for tool; do command -v "$tool" >/dev/null || echo "$tool"; done
		arch=$(uname -m) && echo "=arch $arch"
		while read -r name value _; do
			case $name in
			MemAvailable: | HugePages_Free: | Hugepagesize:) echo "=${name%:} $value" ;;
			esac
		done </proc/meminfo
		printf "=time %(%s)T\n" -1' facts "$@" || die "$(name_of "$host") cannot be asked for its programs"
	for line in "${answers[@]}"; do
		if [[ $line == =* ]]; then
			line=${line#=}
			fact[$host,${line%% *}]=${line#* }
		else
			missing+=("$line")
		fi
	done
	# It comes last: without it, what is missing may be missing in the answer alone.
	[ -n "${fact[$host,time]:-}" ] || cannot_ask "$host" "its answer has no end" "its programs"
}

check_tools() {
	local host tool disk list

	for tool in xsltproc xmllint; do
		command -v "$tool" >/dev/null || problem "$tool is missing here" "install xsltproc and libxml2-utils"
	done
	! several_lanes || [ "$(fan_host)" != here ] || command -v blkfan >/dev/null ||
		problem "blkfan is missing here, which --lanes needs" "install it, or --lanes 1"
	for host in old new; do
		list=(virsh blksum flock sync blkid partx)
		[ "$host" = new ] || ! is_xen || list+=(xl)
		[ "$host" = old ] && list+=(blkread blkdiff) || list+=(blkwrite ip)
		[ "$host" = new ] || [ "$compress" = none ] || list+=(blkzip)
		# libvirt copies.
		[ "$live" != yes ] || [ ${#media[@]} -gt 0 ] || list=(virsh flock sync)
		! several_lanes || [ "$(fan_host)" != "$host" ] || list+=(blkfan)
		[ ${#swaps[@]} -eq 0 ] || [ "$host" = old ] || list+=(mkswap blkdiscard)
		[ ${#assembled[@]} -eq 0 ] || [ "$host" = old ] || list+=(sfdisk)
		for disk in "${placed[@]}" "${sliced[@]}"; do
			case $host,$live${kind[$disk]},${target_kind[$disk]} in
			new,yes*,qcow2) list+=(qemu-img) ;;
			old,qcow2,*) list+=(qemu-storage-daemon qemu-img nbdinfo) ;;
			new,*,qcow2) list+=(qemu-storage-daemon qemu-img) ;;
			old,lvm,* | old,thin,* | new,*,lvm) list+=(lvcreate) ;;
			esac
		done
		host_facts "$host" "${list[@]}"
		for tool in "${missing[@]}"; do
			[[ $tool != blk* ]] || programs_there=false
			will_push "$host" "$tool" ||
				problem "$tool is missing on $(name_of "$host")" "$(remedy_of "$host" "$tool")"
		done
	done
}

remedy_of() {
	case $1,$2 in
	new,blkwrite | new,blksum) echo "install it there, or --push sends it along for this migration" ;;
	old,blk*) echo "install it there; make static makes programs that run anywhere" ;;
	*) echo "install it there" ;;
	esac
}

# check_source: the machine on the old host must not be in the middle of something else.
check_source() {
	case $was_running in
	running | 'shut off') ;;
	paused)
		goes_awake ||
			problem "$vm is paused" "resume it, or shut it down; or --keep-memory, with which it stays paused"
		;;
	*) problem "$vm is $was_running" "resume it, or shut it down" ;;
	esac
	if is_xen; then
		check_xen
		return
	fi
	vm_ask old "$any_text" dominfo "$uuid" || die "libvirt on $(name_of old) does not answer"
	[[ $answer =~ Managed\ save:\ +no ]] || [ "$keep_memory" = yes ] ||
		problem "$vm has a managed save, whose memory belongs to the disks as they are" "start it, or virsh managedsave-remove; or --keep-memory, which moves it as well"
	[ "$persistent" = yes ] ||
		remark "$vm is transient: $(name_of new) will have it defined; on $(name_of old) nothing keeps others from creating it again"
	vm_ask old "$any_text" snapshot-list --name "$uuid" ||
		die "libvirt on $(name_of old) does not tell the snapshots of $vm"
	[ -z "$answer" ] || problem "$vm has snapshots, which would be lost" "remove them: virsh snapshot-delete"
	# A libvirt without support for checkpoints has none.
	vm_ask -q old "$any_text" checkpoint-list --name "$uuid" || answer=''
	[ -z "$answer" ] || problem "$vm has checkpoints of another backup program" "remove them: virsh checkpoint-delete"
	is_up "$was_running" || return 0
	ask_record all
	compare_running
}

# others: lines of UUID and name, the machines of the new host.
others=()

check_name() {
	local each

	vm_ask_lines new "$a_uuid .*" list --all --uuid --name ||
		{ problem "libvirt on $(name_of new) does not answer" "start it there" && return; }
	others=("${answers[@]}")
	for each in "${others[@]}"; do
		[ "${each%% *}" != "$new_uuid" ] ||
			problem "$(name_of new) has a virtual machine with the UUID $new_uuid already" "virsh undefine it there, if it is not needed, or --new-uuid"
		[ "${each#* }" != "$new_name" ] ||
			problem "$(name_of new) has a virtual machine called $new_name already, and defining would replace it" "virsh domrename it there, or virsh undefine it, or --rename ANOTHER"
	done
}

# check_addresses: compare with all machines there, whose definitions are asked for at once.
check_addresses() {
	local each mac mine status=0

	mine=$(xml_values "$mac_addresses" "$private/source.xml") ||
		die "the XML of $vm cannot be read"
	[ -n "$mine" ] && [ ${#others[@]} -gt 0 ] || return 0
	# One may have gone since they were listed.
	xml_document new "$private/others.xml" on new bash -c 'echo "<domains>"
		for each in "${@:2}"; do
			virsh -q -c "$1" dumpxml "$each" 2>/dev/null || true
		done
		echo "</domains>"' dumpxml "$uri" "${others[@]%% *}" || status=$?
	[ "$status" = 0 ] || die "libvirt on $(name_of new) does not answer"
	for each in "${others[@]}"; do
		[ "${each%% *}" != "$new_uuid" ] || continue
		while IFS= read -r mac; do
			[ -z "$mac" ] || ! grep -qixF -- "$mac" <<<"$mine" ||
				problem "${each#* } on $(name_of new) has the MAC address $mac, too" "change one of them"
		done < <(xml_values "/domains/domain[uuid = '${each%% *}']/devices/interface/mac/@address" "$private/others.xml")
	done
}

check_networks() {
	local name

	check_bridges
	while IFS= read -r name; do
		[ -n "$name" ] || continue
		vm_ask -q new "$any_text" net-info -- "$name" || answer=''
		[[ $answer =~ Active:\ +yes ]] ||
			problem "$(name_of new) has no network $name, or it is not active" "virsh net-start it there, or --map-net $name=ANOTHER"
	done < <(xml_values '/domain/devices/interface/source/@network' "$private/target.xml")
}

check_machine() {
	local arch machine type emulator status=0

	type=$(xml_value /domain/@type "$private/source.xml")
	arch=$(xml_value /domain/os/type/@arch "$private/source.xml")
	machine=$(xml_value /domain/os/type/@machine "$private/source.xml")
	emulator=$(xml_value /domain/devices/emulator "$private/source.xml")
	[ -z "$emulator" ] || asks_yes new test -x "$emulator" ||
		{ problem "$(name_of new) has no $emulator" "install QEMU for $arch there" && return; }
	brief vm_on new domcapabilities --virttype "$type" ${arch:+--arch "$arch"} ${machine:+--machine "$machine"} \
		${emulator:+--emulatorbin "$emulator"} >/dev/null 2>"$private/why" || status=$?
	[ "$status" != 255 ] || die "$(name_of new) cannot be asked for its capabilities: $(head -n 1 "$private/why")"
	[ "$status" = 0 ] ||
		{ problem "$(name_of new) cannot run $type machines of type $machine: $(head -n 1 "$private/why")" "install a QEMU as new as the old host's" && return; }
	goes_awake || check_cpu "$type" "$arch" "$machine"
	check_files
}

check_cpu() {
	local mode

	mode=$(xml_value /domain/cpu/@mode "$private/source.xml")
	case $mode in
	host-passthrough) remark "the CPU is passed through: the guest will find another one if the hosts differ" ;;
	custom | '')
		[ "$(xml_value /domain/cpu/@check "$private/source.xml")" != none ] && [ -n "$mode" ] || return 0
		feed new virsh -q -c "$uri" hypervisor-cpu-compare --virttype "$1" ${2:+--arch "$2"} \
			${3:+--machine "$3"} --error /dev/stdin <"$private/source.xml" >/dev/null 2>&1 ||
			remark "libvirt on $(name_of new) does not say that the CPU model fits; its start will tell"
		;;
	esac
}

check_devices() {
	local name

	of_vm 'count(/domain/devices/hostdev)'
	[ "$value" = 0 ] || problem "$vm has a device of the host passed through" "detach it first"
	of_vm 'count(/domain/devices/filesystem)'
	[ "$value" = 0 ] || problem "$vm has a folder of the host" "detach it first"
	of_vm "count(/domain/devices/interface[@type = 'hostdev'])"
	[ "$value" = 0 ] || remark "an interface of $vm is a device of the host: $(name_of new) must have one at the same address"
	of_vm 'count(/domain/devices/shmem)'
	[ "$value" = 0 ] || remark "$vm shares memory with others on $(name_of old), which stays there"
	while IFS= read -r name; do
		[ -z "$name" ] || asks_yes -q new ip link show dev "$name" ||
			problem "$(name_of new) has no network device $name" "give the interface another source in the definition"
	done < <(xml_values "$direct_interfaces" "$private/source.xml")
}

# at_target[DISK]: what look_at_target saw there.
declare -A at_target=()

# check_targets: never take anything that exists already.
check_targets() {
	local disk other

	for disk in "${placed[@]}"; do
		look_at_target "$disk"
		at_target[$disk]=$there
		case $there in
		absent | ours*) ;;
		*)
			if is_same_volume "$disk"; then
				problem "$disk: both hosts have the volume ${volume[$disk]}" "if it is one, on a disk that both reach, it is thin, has snapshots, or cannot be tagged: deactivate it here, and define the virtual machine there by hand; if it is a clone, --map-disk $disk=ANOTHER"
			else
				problem "$disk: ${target[$disk]} is there already on $(name_of new)" "remove it, or --map-disk $disk=ANOTHER"
			fi
			;;
		esac
		for other in "${placed[@]}"; do
			[ "$other" = "$disk" ] && break
			[ "${target[$disk]}" != "${target[$other]}" ] ||
				problem "$disk and $other would both go to ${target[$disk]}" "--map-disk $disk=ANOTHER"
		done
	done
}

check_room() {
	local disk folder group
	local -A in_folder=() in_group=()

	for disk in "${placed[@]}"; do
		[ "${at_target[$disk]}" = absent ] || continue
		case ${target_kind[$disk]} in
		lvm)
			group=${target_volume[$disk]%/*}
			[ -z "$group" ] || is_thin_target "$disk" || in_group[$group]=$((${in_group[$group]:-0} + $(room_of "$disk")))
			;;
		*)
			folder=$(dirname -- "${target[$disk]}")
			asks_yes new test -d "$folder" || { problem "$(name_of new) has no folder $folder" "make it there, or --dir ANOTHER" && continue; }
			in_folder[$folder]=$((${in_folder[$folder]:-0} + $(room_of "$disk")))
			;;
		esac
	done
	for group in "${!in_group[@]}"; do
		ask new "$a_number" vgs --noheadings --nosuffix --units b -o vg_free "$group" || continue
		[ "$answer" -ge "${in_group[$group]}" ] ||
			problem "the volume group $group on $(name_of new) has $answer bytes free, ${in_group[$group]} are needed" "vgextend it, or --vg ANOTHER"
	done
	for folder in "${!in_folder[@]}"; do
		ask new "$a_number" bash -c 'set -o pipefail; df --output=avail -B1 -- "$1" | tail -n 1' df "$folder" || continue
		[ "$answer" -ge "${in_folder[$folder]}" ] ||
			problem "$folder on $(name_of new) has $answer bytes free, ${in_folder[$folder]} are needed" "make room, or --dir ANOTHER"
	done
	for disk in "${disks[@]}"; do
		[ "${kind[$disk]}" = lvm ] && [ "$live" != yes ] || continue
		ask old "$a_number" vgs --noheadings --nosuffix --units b -o vg_free "${volume[$disk]%/*}" || continue
		[ "$answer" -ge $((16 << 20)) ] ||
			problem "the volume group ${volume[$disk]%/*} on $(name_of old) has no room for snapshots" "vgextend it, if only by a loop device"
	done
}

check_clock() {
	local apart

	[ -n "${fact[old,time]:-}" ] && [ -n "${fact[new,time]:-}" ] || return 0
	apart=$((fact[old,time] - fact[new,time]))
	[ "${apart#-}" -le 5 ] || remark "the clocks of both hosts are ${apart#-} seconds apart"
}
