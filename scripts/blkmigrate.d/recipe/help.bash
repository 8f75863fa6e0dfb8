# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What blkmigrate --help says (hosts/help.bash prints it).

help_about='Move a libvirt virtual machine, or copy one disk, to another host.'

help_usage=(
	'blkmigrate copy [options] source host:target'
	'blkmigrate run | live | plan | preflight | prepare [options] vm --to host'
	'blkmigrate sync | cutover | verify | rollback | finish | purge [options] vm'
	'blkmigrate status [options] [vm]'
	'blkmigrate config [options]'
)

help_commands=(
	'copy; copy a device, volume or file; given again, only what has changed'
	'run; move a virtual machine: everything from plan to finish'
	'live; move it while it runs, with its memory'
	'plan; print the steps and all obstacles, and change nothing'
	'preflight; make the checks of plan alone, and change nothing'
	'prepare; make and check the plan, keep it, and make empty disks on the new host'
	'sync; copy while it runs, in passes'
	'cutover; shut it down, send the last changes, and start it on the new host'
	'verify; compare the digests of the last snapshot and of the new disk'
	'rollback; take it back: it runs on the old host, and is not defined on the new one'
	'finish; after the cutover: set autostart, remove snapshots and marks'
	'status; print how far it is, and the next command'
	'config; print the options that hold, and where each is from'
	'purge; remove the old disks and definition for good; before the cutover, the new ones'
)

plans='run live plan prepare'
sends='copy run live sync cutover'
help_options=(
	'live; --auto-converge; slow the guest down where it writes faster than is sent'
	'live; --backward; try it although libvirt or QEMU is older there'
	"$sends plan prepare; --bwlimit rate; send at most that many bytes a second, as 20M; @file has it"
	"copy run plan prepare sync cutover; --compress none | deflate | zstd | adapt; how the disks are compressed on the way (adapt)"
	'; --config file; read this configuration file, and not the usual ones'
	"$plans sync cutover verify rollback finish status purge; --connect uri; libvirt's URI on both hosts (qemu:///system)"
	'run cutover; --console; when it runs there, connect this terminal to its serial console'
	"$plans; --copy-media; copy the files that are in its CD-ROM drives"
	'copy; --create; create the target'
	'run cutover; --destroy; power it off if it does not shut down in time'
	"$plans; --dir folder; put the disks into files in that folder"
	"$plans; --disk disk; copy this disk, as vda, and only those named so"
	'run sync; --downtime seconds; make passes until one takes no longer than that (30)'
	'; --events fd | file; write what happens there, an object of JSON a line'
	'copy; --finish; copy nothing, remove snapshots and marks'
	"run plan prepare; --first-boot kernel=path[,initrd=path[,cmdline=text]]; boot it once with this kernel there"
	'; --from host; the old host, by ssh; this one is the default'
	"run sync cutover; --jobs number; disks that are copied at a time, 1 to 16 (2)"
	"copy run live prepare sync cutover rollback finish; --hooks folder; programs to run before and after each step (/etc/blkmigrate/hooks.d)"
	'; --json; print one object of JSON at the end, and progress as JSON'
	"$plans; --keep-media; leave media in the drives: the new host has them"
	'run plan prepare; --keep-memory; move its memory, too: it stands still, and does not boot'
	"copy run plan prepare sync cutover; --lanes number; connections for each disk, 1 to 64 (1)"
	'run plan prepare; --later disk; start without this disk, and plug it in while it runs'
	"copy run live sync cutover; --listen address; with tcp or --native: where the new host listens"
	"$plans; --map-disk disk=path; where a disk goes: a file, or /dev/group/name"
	"$plans; --map-net name=other; its bridge or network on the new host"
	'run plan prepare; --memory-dir folder; where the image of the memory is kept'
	"live; --native; use libvirt's ports instead of ssh"
	"run plan prepare; --new-uuid; give it another UUID there"
	'copy; --no-snapshot; read a volume itself, to which nothing writes'
	'copy; --overwrite; accept a target that blkmigrate has not made'
	'live; --parallel number; connections for the memory, 1 to 64'
	'run sync; --passes number; passes after the first, at most (5)'
	"$plans; --pool pool; put the disks into that libvirt pool"
	"copy run sync cutover; --port port[-last]; with tcp: the ports on which the new host listens (49152-49215)"
	'live; --post-copy; let it run there after one pass, and fetch the rest as it is used'
	"copy $plans; --preallocate; allocate the whole space of files at once"
	"copy $plans; --push; send programs that the new host lacks, for this time only"
	'run plan prepare sync; --quiesce; have the agent freeze file systems for the snapshots'
	"run plan prepare; --recreate-swap disk; make this swap space anew, with its UUID and label"
	"run plan prepare; --rename name; its name on the new host"
	'copy run sync; --retry number; how often to go on by itself when the connection breaks (3)'
	'copy run sync; --retry-wait seconds; wait so long before the first time, and longer each time (10)'
	'run cutover; --shutdown-timeout seconds; how long a guest may take to shut down (120)'
	"run plan prepare; --skip-disk disk; leave this disk on the old host"
	"copy run plan prepare; --size [disk=]size; make the new disk larger: as 40G, or by +1G"
	"copy run plan prepare; --snapshot-size size; how much may be written while a volume has its snapshot"
	'; --ssh-option option; an option for ssh, as Port=2222'
	'copy run sync cutover; --stall-limit seconds; end a program of the copy that was stopped for so long (300)'
	'run plan prepare; --start; start it there even if it was off'
	'; --state folder; where the state is, on both hosts (/var/lib/blkmigrate)'
	'live; --suspend; leave it paused on the new host'
	"run plan prepare; --table gpt | mbr; of a disk that is made of Xen's partitions (gpt)"
	'; --temp-key; log in with a key made for this run: a password is typed once for each host'
	'live; --timeout seconds[,suspend | ,post-copy]; give up then; or suspend it, or switch to post-copy'
	'; --to host; the new host, by ssh'
	'copy run sync cutover; --transport ssh | tcp; tcp sends without encryption, on a private network'
	"run sync; --trim; have the agent discard unused blocks before the first pass"
	"run live plan prepare; --tunnel name[=address,...]; from the commit on, send its traffic through that tunnel"
	'copy run sync cutover; --verify delta | full; full also compares the digests of both sides'
	"copy $plans; --vg group[/pool]; put the disks into volumes of that group; thin ones of that pool"
	"; -n, --dry-run; print the commands, and change nothing"
	'; -v, --verbose; print each command before it runs'
	'; -y, --yes; do not ask'
	'; -h, --help; print this text'
	'; -V, --version; print the version'
)

# preflight takes what plan takes.
help_like=([preflight]=plan)

help_examples=(
	'blkmigrate plan web --to new --vg ssd'
	'blkmigrate run web --to new --yes'
	'blkmigrate run web --to new --keep-memory'
	'blkmigrate live web --to new'
	'blkmigrate copy --create disk.img new:/srv/copy.img'
	'blkmigrate sync web'
	'blkmigrate cutover web --console'
	'blkmigrate rollback web'
	'blkmigrate status'
	'blkmigrate purge web'
)

# usage TEXT: say what is wrong.
usage() {
	set -- "${origin:+$origin: }$1"
	keep_reason "$1"
	wrong blkmigrate "blkmigrate command [options] vm --to host | source host:target" "$1"
}
