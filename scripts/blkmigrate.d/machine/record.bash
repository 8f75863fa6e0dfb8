# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the old host knows of the machine at one moment: its state, its definition and what runs, its
# snapshots, jobs and disks.  All of it is asked for at once, when the plan is made and each time
# that something relies on it.
#
# The answer is files in the private folder: PART.now for each part below, and PART.status, that of
# the command that was asked.

record='
boundary=$1 uri=$2 uuid=$3 all=$4
shift 4
part() {
	local name=$1 status=0

	shift
	printf "\n%s %s\n" "$boundary" "$name"
	"$@" 2>/dev/null || status=$?
	printf "\n%s %s %s\n" "$boundary" "$name" "$status"
}
ask() {
	virsh -q -c "$uri" "$@"
}
disk() {
	local path=$1 kind=$2 size identity said

	identity=$(identity_of "$path") || return
	if [ -b "$path" ]; then
		size=$(blockdev --getsize64 "$path") || return
	elif [ "$kind" = qcow2 ]; then
		said=$(qemu-img info -U --output=json -f qcow2 -- "$path") || return
		size=$(sed -n "s/^    \"virtual-size\": \([0-9]*\),*$/\1/p" <<<"$said")
		! grep -q "^    \"backing-filename\":" <<<"$said" || kind=overlay
		! grep -q "^    \"snapshots\": \[" <<<"$said" || kind=snapshots
	else
		size=$(stat -L -c %s -- "$path") || return
		[ -f "$path" ] || kind=other
	fi
	echo "$kind $size $identity"
}
if [ -n "$uri" ]; then
	part state ask domstate "$uuid"
	part info ask dominfo "$uuid"
	part source ask dumpxml --inactive --security-info "$uuid"
	part snapshots ask snapshot-list --name "$uuid"
	part checkpoints ask checkpoint-list --name "$uuid"
	if [ "$all" = all ]; then
		part live ask dumpxml --security-info "$uuid"
		part job ask domjobinfo "$uuid"
		for name; do
			[[ $name != *=* ]] || continue
			part "block-$name" ask blockjob "$uuid" "$name" --info --raw
		done
	fi
fi
while [ $# -ge 3 ]; do
	[[ $1 == disk=* ]] || { shift; continue; }
	part "disk-${1#disk=}" disk "$2" "$3"
	shift 3
done
part end true'

# ask_record all|less|disks: into files, of all that runs too, of what is defined, or of the disks alone.  A host that cannot be asked, or not to its end, ends the program.
ask_record() {
	local boundary disk part words=() which=$uri

	random_hex 16
	boundary=$random
	for disk in "${disks[@]}" "${shared[@]}"; do
		words+=("$disk")
	done
	for disk in "${disks[@]}" "${shared[@]}" "${swaps[@]}"; do
		words+=("disk=$disk" "${source[$disk]}" "${kind[$disk]}")
	done
	! is_xen && [ "$1" != disks ] || which=''
	rm -f "$private"/*.now "$private"/*.status
	document old "$private/record" on old bash -c "$identity_of$record" record \
		"$boundary" "$which" "$uuid" "$1" "${words[@]}" || die "$(name_of old) cannot be asked about $vm"
	awk -v boundary="$boundary" -v folder="$private" "$split_record" "$private/record"
	[ -e "$private/end.status" ] || die "$(name_of old) cannot be asked about $vm: its answer was cut"
	for part in source live; do
		! part "$part" || is_plain_xml "$private/$part.now" || die "$(name_of old): what libvirt tells of $vm is no XML as it writes it"
	done
}

# Each part gets an empty line at its end, which does no harm.
split_record='
$1 == boundary && $2 ~ /^[A-Za-z0-9-]+$/ {
	part = ""
	if ($3 ~ /^[0-9]+$/)
		print $3 >(folder "/" $2 ".status")
	else
		part = folder "/" $2 ".now"
	next
}
part != "" { print >part }'

# part NAME: fill $answer; false where the host said no.
part() {
	answer=''
	[ -e "$private/$1.status" ] && [ "$(<"$private/$1.status")" = 0 ] || return
	answer=$(<"$private/$1.now")
}

# --- two definitions --------------------------------------------------------------

# flatten FILE: as lines that can be compared.
flatten() {
	xsltproc --nonet "$here/machine/flat.xsl" "$1"
}

# settle FILE: without what libvirt adds while it runs.
settle() {
	xsltproc --nonet "$here/machine/settled.xsl" "$1" | xsltproc --nonet "$here/machine/flat.xsl" -
}

# differences FILE FILE WORD WORD: of two that were flattened, a line for each: KIND|PATH|TEXT.  KIND
# is changed, added or removed, or, of a whole device, plugged or unplugged; in the text the words
# tell the files apart.  Passwords are not shown.
differences() {
	awk -v first="$3" -v second="$4" "$find_differences" "$1" "$2" | tr -c '[:print:]\n' '?' | cut -c 1-300
}

find_differences='
function device(path) {
	return match(path, "^/devices/[a-z]+\\[[^]]*\\]") ? substr(path, 1, RLENGTH) : ""
}
function hidden(path) {
	return path ~ /@passw|qemu:|\/sysinfo|\/fw_cfg|\/launchSecurity|[sS]ecret/
}
function value(path, all) {
	return hidden(path) ? "***" : all[path]
}
function source(each, all,   path) {
	for (path in all)
		if (index(path, each "/source@") == 1 && all[path] ~ /^\//)
			return " (" all[path] ")"
	return ""
}
function name(path) {
	sub(/^\/(devices\/)?/, "", path)
	return path
}
function tell(kind, path, text) {
	print kind "|" path "|" name(path) text
}
{
	at = index($0, ": ")
	path = substr($0, 1, at - 1)
}
!((FILENAME == ARGV[1] ? 1 : 2, path) in seen) {
	seen[FILENAME == ARGV[1] ? 1 : 2, path] = 1
	if (!(path in known))
		order[++count] = path
	known[path] = 1
}
FILENAME == ARGV[1] { was[path] = substr($0, at + 2); had[device(path)] = 1; next }
{ is[path] = substr($0, at + 2); has[device(path)] = 1 }
END {
	for (i = 1; i <= count; i++) {
		path = order[i]
		each = device(path)
		if (each != "" && !((each in had) && (each in has))) {
			if (told[each]++)
				continue
			if (each in has)
				tell("plugged", each, source(each, is) ": " second ", and not " first)
			else
				tell("unplugged", each, source(each, was) ": " first ", and not " second)
		} else if (!(path in was))
			tell("added", path, ": " value(path, is) " " second ", nothing " first)
		else if (!(path in is))
			tell("removed", path, ": " value(path, was) " " first ", nothing " second)
		else if (was[path] != is[path])
			tell("changed", path, ": " value(path, was) " " first ", " value(path, is) " " second)
	}
}'
