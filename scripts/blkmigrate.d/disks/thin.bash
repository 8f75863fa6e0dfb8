# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Thin volumes: thin_delta lists the blocks that two of them do not share.  It reads a snapshot of
# the pool's metadata, which the kernel reserves for it.  A pool can have only one such reservation,
# and another program's is left alone.

# by_thin DISK OLDER VIEW: both are volumes of one pool.
by_thin() {
	local list

	list=$(state_of old)/$1.changes
	list_thin "$2" "$3" "$list" || return
	transfer "$1" "$(stamped "$1" blkdiff --changes "$list" "$3")"
}

# list_thin OLDER NEWER LIST
list_thin() {
	local each pool metadata ids=()

	ask old '/dev/[^ ]+ /dev/[^ ]+' bash -c "$thin_names" thin-names "$2" || return
	metadata=${answer#* } pool=${answer% *}
	for each in "$1" "$2"; do
		ids+=("\"\$(lvs --noheadings -o thin_id $(quote "$each"))\"")
	done
	perform old "dmsetup message $pool 0 reserve_metadata_snap;\
 thin_delta -m --thin1 ${ids[0]} --thin2 ${ids[1]} $metadata >$(quote "$3");\
 dmsetup message $pool 0 release_metadata_snap" "$thin_list" "$pool" "$metadata" "$@"
}

# The device-mapper names of a volume's pool, and of the pool's metadata.
thin_names='
set -e
read -r group pool < <(lvs --noheadings --separator " " -o vg_name,pool_lv "$1")
metadata=$(lvs -a --noheadings -o metadata_lv "$group/$pool" | tr -d "[] ")
pool=$(lvs --noheadings -o lv_dm_path "$group/$pool" | tr -d " ")
metadata=$(lvs -a --noheadings -o lv_dm_path "$group/$metadata" | tr -d " ")
echo "$pool-tpool $metadata"'

# This program recognizes its own reservation by the root that the kernel names, even after a run
# that was killed.
thin_list='
set -e
shopt -s inherit_errexit
pool=$1 metadata=$2 older=$3 newer=$4 list=$5
command -v thin_delta >/dev/null || { echo "thin_delta is missing: install thin-provisioning-tools" >&2; exit 1; }
reserved() {
	dmsetup status "$pool" | { read -r _ _ _ _ _ _ root _; echo "$root"; }
}
release() {
	dmsetup message "$pool" 0 release_metadata_snap && rm -f "$list.reserved"
}
root=$(reserved)
if [ "$root" != - ]; then
	[ "$(cat "$list.reserved" 2>/dev/null)" = "$root" ] || {
		echo "another program reads the metadata of $pool; if there is none: dmsetup message $pool 0 release_metadata_snap" >&2
		exit 1
	}
	release
fi
# A volume whose number cannot be read must not pass for number 0.
thin_id() {
	local said id

	said=$(lvs --noheadings -o thin_id "$1")
	read -r id <<<"$said"
	[[ $id =~ ^(0|[1-9][0-9]{0,9})$ ]] || { echo "$1: no thin volume, lvs says \"$id\"" >&2; exit 1; }
	echo "$id"
}
older_id=$(thin_id "$older")
newer_id=$(thin_id "$newer")
blockdev --flushbufs "$newer"
trap "" HUP INT TERM
dmsetup message "$pool" 0 reserve_metadata_snap
trap release EXIT
reserved >"$list.reserved"
trap "exit 1" HUP INT TERM
thin_delta -m --thin1 "$older_id" --thin2 "$newer_id" "$metadata" >"$list"'
