# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The options of blkmigrate, as tables (hosts/options.bash says what they mean), and the functions that
# take those which set more than one variable.  HACKING.md says what else a new one needs.

dry_run=false verbose=false json=false
create=false overwrite=false preallocate='' preallocate_wanted='' group_option='' snapshot_size_option=''
snapshots_wanted=true verify_full=false finish_wanted=false rate='' state_option=''
memory_dir_option='' events_option=''
yes=false destroy=false downtime=30 passes=5 shutdown_timeout=120
id='' snapshot='' command='' shown=''
declare -A view=() sink=()

flag_sets=(
	[-n]=dry_run=true [--dry-run]=dry_run=true [-v]=verbose=true [--verbose]=verbose=true
	[-y]=yes=true [--yes]=yes=true [--json]=json=true
	[-h]='!take_help' [--help]='!take_help' [-V]='!take_version' [--version]='!take_version'
	[--create]=create=true [--overwrite]=overwrite=true [--preallocate]='!take_preallocate'
	[--no-snapshot]=snapshots_wanted=false [--finish]=finish_wanted=true [--destroy]=destroy=true
	[--push]=push=true [--temp-key]=temp_key=true
	[--keep-media]=drives=keep [--copy-media]=drives=copy [--keep-memory]=keep_memory_wanted=true
	[--new-uuid]=new_uuid_wanted=true [--quiesce]=quiesce=true [--trim]=trim=true [--console]='!take_console'
	[--native]=native=true [--start]='!take_start' [--auto-converge]=auto_converge=true [--post-copy]=post_copy=true
	[--suspend]=stay_paused=true [--backward]=backward=true
)
value_goes_to+=(
	[--events]=events_option [--config]=config_file
	[--from]='address[old]' [--to]='address[new]' [--connect]=uri [--tunnel]=tunnel_wanted
	[--transport]=transport [--listen]=listen [--port]='!take_ports' [--lanes]=lanes_wanted [--compress]=compress_wanted [--jobs]=jobs [--retry]=retries [--retry-wait]=retry_wait [--stall-limit]=stall_limit [--bwlimit]='!take_rate'
	[--disk]=+disks_wanted [--skip-disk]=+disks_unwanted [--recreate-swap]=+swaps_wanted [--later]=+later_wanted
	[--map-disk]=+disk_map [--map-net]=+net_map [--rename]=new_name [--first-boot]=first_boot
	[--dir]=/dir_option [--hooks]=/hooks_folder [--memory-dir]=/memory_dir_option [--state]=/state_option
	[--pool]=pool [--table]=table [--size]='!take_size' [--vg]='!take_group' [--snapshot-size]=snapshot_size_option
	[--downtime]=downtime [--passes]=passes [--shutdown-timeout]=shutdown_timeout [--verify]='!take_verify'
	[--parallel]=parallel [--timeout]='!take_timeout'
)
value_is=(
	[--vg]="$a_name(/$a_name)?"
	[--first-boot]='kernel=/.*' [--rename]='[^/]*[^/[:space:]][^/]*'
	[--tunnel]="($a_tunnel_name)(=[0-9A-Fa-f.:,]+)?" [--listen]='[0-9A-Fa-f.:]+(%[A-Za-z0-9._-]+)?'
	[--transport]='ssh|tcp' [--port]='[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?' [--verify]='delta|full' [--table]='gpt|mbr' [--lanes]=$some_lanes [--jobs]='[1-9]|1[0-6]'
	[--compress]=$some_methods [--retry]='0|[1-9][0-9]{0,2}' [--retry-wait]='0|[1-9][0-9]{0,3}' [--stall-limit]='0|[1-9][0-9]{0,5}'
	[--downtime]='[0-9]{1,6}' [--passes]='[0-9]{1,6}' [--shutdown-timeout]='[0-9]{1,6}'
	[--parallel]='[1-9]|[1-5][0-9]|6[0-4]' [--timeout]='[1-9][0-9]{0,5}(,(suspend|post-copy))?'
)
value_wanted=(
	[--vg]="--vg is the name of a volume group, or GROUP/POOL for thin volumes"
	[--first-boot]="--first-boot is kernel=PATH,initrd=PATH,cmdline=TEXT, in this order"
	[--rename]='--rename: "VALUE" is no name for a virtual machine'
	[--tunnel]="--tunnel is the name of a tunnel, or NAME=ADDRESS,ADDRESS"
	[--listen]="--listen wants an address in numbers, as 192.0.2.7"
	[--port]="--port is a port from 1 to 65535, or the first and the last of several, as 5000-5015"
	[--transport]="--transport is ssh or tcp"
	[--verify]="--verify is delta or full"
	[--compress]="--compress is none, deflate, zstd or adapt"
	[--table]="--table is gpt or mbr"
	[--lanes]="--lanes wants a number from 1 to 64"
	[--jobs]="--jobs wants a number from 1 to 16"
	[--retry]="--retry wants a number from 0 to 999"
	[--retry-wait]="--retry-wait wants seconds, from 0 to 9999"
	[--stall-limit]="--stall-limit wants seconds, or 0 for none"
	[--downtime]="--downtime wants a number"
	[--passes]="--passes wants a number"
	[--shutdown-timeout]="--shutdown-timeout wants a number"
	[--parallel]="--parallel wants a number from 1 to 64"
	[--timeout]="--timeout is SECONDS, or SECONDS,suspend, or SECONDS,post-copy"
)
one_line="cannot be kept in a plan"

take_help() {
	print_help blkmigrate "$command"
}

take_version() {
	print_version blkmigrate
}

take_console() {
	[ -t 0 ] || die "--console wants a terminal"
	console=true
}

take_preallocate() {
	preallocate=yes preallocate_wanted=yes
}

take_start() {
	start=yes start_wanted=yes
}

take_rate() {
	[[ $2 == @?* ]] || parse_size "$2" || die "--bwlimit wants bytes a second, as 20M, or @FILE with that in it"
	rate=$2
}

take_ports() {
	local last=${2#*-}

	ports_wanted=$2 port_first=${2%-*}
	((port_first <= last && last <= 65535)) || die "${value_wanted[--port]}"
	port_count=$((last - port_first + 1))
}

take_timeout() {
	timeout=${2%%,*} timeout_action=abort
	[[ $2 != *,* ]] || timeout_action=${2#*,}
	[ "$timeout_action" != post-copy ] || post_copy=true
}

take_group() {
	group_option=${2%%/*}
	[[ $2 != */* ]] || thin_pool=$2
	create=true
}

take_size() {
	local text=${2#*=}

	parse_size "${text#+}" || die "--size is SIZE, +SIZE, DISK=SIZE or DISK=+SIZE, as vda=40G"
	[ "$command" != copy ] || [[ $2 != *=* ]] || die "--size: copy has one disk, so it is SIZE or +SIZE"
	sizes_wanted+=("$2")
}

take_verify() {
	verify_full=false
	[ "$2" = delta ] || verify_full=true
}
