#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How the old host lists the changes between two thin volumes, with scripted programs of LVM.

load ../helpers

# fake NAME TEXT: a program.
fake() {
	printf '#!/bin/bash\n%s\n' "$2" >"bin/$1"
	chmod +x "bin/$1"
}

setup() {
	test_begin
	mkdir bin
	fake dmsetup 'echo "dmsetup $*" >>calls
		[ "$1" != status ] || echo "0 8192 thin-pool 1 10/4161 5/64 - rw discard_passdown"'
	fake blockdev :
	fake thin_delta 'echo "thin_delta $*" >>calls; echo "<superblock/>"'
	fake lvs 'case ${!#} in *older) echo "  3" ;; *newer) echo "  7" ;; esac'
	. "$root/scripts/blkmigrate.d/disks/thin.bash"
}

list() {
	PATH=$dir/bin:$PATH bash -c "$thin_list" thin-list pool metadata vg/older vg/newer list
}

@test "thin volumes are compared by the numbers that LVM has for them" {
	list

	grep -qx 'thin_delta -m --thin1 3 --thin2 7 metadata' calls
	[ "$(tail -n 1 calls)" = 'dmsetup message pool 0 release_metadata_snap' ]
	[ "$(cat list)" = '<superblock/>' ]
}

@test "a volume whose number cannot be read is not number 0: nothing is reserved or compared" {
	for answer in 'exit 5' 'echo' 'echo none' 'echo -1' 'echo 1 2' 'echo "a[\$(touch oops)]"' 'kill -9 $$'; do
		for which in older newer; do
			fake lvs "case \${!#} in *$which) $answer ;; *) echo 1 ;; esac"
			rm -f calls list

			run ! list

			echo "$answer: $output"
			run ! grep -q 'reserve\|thin_delta' calls
			[ ! -s list ]
		done
	done
	[ ! -e oops ]
}
