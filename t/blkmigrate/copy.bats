#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate without libvirt: one disk to the second host, which is this machine by ssh.

load ../helpers
load migrate

setup() {
	migrate_begin
}

nasty=$'-it\'s "a" $(touch oops) `touch oops` \xc3\xa4*\\;&|'

# with_modules COMMAND ...: in a shell that has the functions of blkmigrate.
with_modules() {
	bash -c 'set -euo pipefail
		. "$1/scripts/blkmigrate.d/hosts/host.bash"
		shift
		"$@"' shell "$root" "$@"
}

@test "quote: any shell reads the words back as they were" {
	words=("$nasty" '' ' ' '~' '~root' '=ls' '-n' 'a=b' '%1' '{a,b}' '[a]' '!x' $'two\nlines' '#' 'plain')

	for shell in bash sh; do
		[ "$($shell -c "printf '<%s>' $(with_modules quote "${words[@]}")")" = "$(printf '<%s>' "${words[@]}")" ]
		[ "$(ssh -F "$config" new "$(with_modules quote $shell -c 'printf "<%s>" "$@"' sh "${words[@]}")")" = \
			"$(printf '<%s>' "${words[@]}")" ]
	done
	[ "$(with_modules quote /dev/vg/web --size=5 a:b)" = '/dev/vg/web --size=5 a:b' ]
}

@test "a file is copied to a file that is made, for its owner alone" {
	run -0 --separate-stderr migrate copy --create old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(stat -c %a new.img)" = 600 ]
	[[ $stderr == *"copied: old.img to new:$dir/new.img, 4194304 bytes"* ]]
}

@test "names of all kinds cross every shell as they are" {
	mkdir -- "$nasty"
	mv -- old.img "$nasty/$nasty"

	run -0 migrate copy --create --verify full -- "$nasty/$nasty" new:"$dir/$nasty/copy $nasty"
	run -0 migrate copy -- "$nasty/$nasty" new:"$dir/$nasty/copy $nasty"

	cmp -- "$nasty/$nasty" "$dir/$nasty/copy $nasty"
	[ ! -e oops ]
}

@test "a name that begins with a dash is no option" {
	mv old.img -- -n

	run -0 migrate copy --create -- -n new:"$dir/-v"

	cmp ./-n ./-v
}

@test "the second time only what has changed crosses" {
	migrate copy --create old.img new:"$dir/new.img"
	printf changed | dd of=old.img seek=3000000 oflag=seek_bytes conv=notrunc status=none

	run -0 --separate-stderr migrate copy old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr == *"new.img: 65536 bytes"* ]]
}

@test "--size: the copy is larger, its rest is zeros, and stays so when changes follow" {
	run -0 --separate-stderr migrate copy --create --size +2M old.img new:"$dir/new.img"
	cmp old.img <(head -c 4M new.img)
	cmp <(head -c 2M /dev/zero) <(tail -c 2M new.img)
	printf changed | dd of=old.img seek=3000000 oflag=seek_bytes conv=notrunc status=none

	run -0 --separate-stderr migrate copy --verify full old.img new:"$dir/new.img"

	[[ $stderr == *"new.img: 65536 bytes"* ]]
	[ "$(stat -c %s new.img)" = 6291456 ]
	cmp old.img <(head -c 4M new.img)
	cmp <(head -c 2M /dev/zero) <(tail -c 2M new.img)
	run -2 --separate-stderr migrate copy --create --size 3M old.img new:"$dir/small.img"
	[ "${stderr##*$'\n'}" = "blkmigrate: --size 3M is less than the 4194304 bytes that the disk has, and a disk cannot be made smaller" ]
	run -64 --separate-stderr migrate copy --create --size much old.img new:"$dir/small.img"
	[ "$stderr" = "blkmigrate: --size is SIZE, +SIZE, DISK=SIZE or DISK=+SIZE, as vda=40G" ]
	[ ! -e small.img ]
}

@test "--size: where the backup header of a GPT has to go is said" {
	require sfdisk
	printf 'label: gpt\nstart=2048, size=2048\n' | sfdisk -q old.img

	run -0 --separate-stderr migrate copy --create --size 5M old.img new:"$dir/new.img"

	[[ $stderr == *"new.img is larger than the disk by 1048576 bytes, and the backup header of its GPT is before its end: sgdisk -e "*"(or sfdisk --relocate gpt-bak-std "* ]]
	sfdisk -q --relocate gpt-bak-std new.img
	sfdisk -q --verify new.img
}

@test "--vg GROUP/POOL: a thin volume is made, and zeros are not written to it; a group without that pool is refused" {
	break_program vgs 'exit 0'
	break_program lvs 'case $* in *segtype,zero*) [ ! -e "'"$dir"'/pool" ] || cat "'"$dir"'/pool" ;; *) exit 5 ;; esac'

	run -2 --separate-stderr migrate copy --vg far/pool old.img new:web
	[ "${stderr##*$'\n'}" = "blkmigrate: new: far/pool is no thin pool: lvs far shows those that it has" ]
	run -0 --separate-stderr migrate copy -n --vg far/pool --size 1G old.img new:web
	[[ $output == *'new# lvcreate -q -q -y -V 1073741824b --thinpool pool -n web --addtag blkmigrate:'*' far'* ]]
	echo '  thin-pool|zero|1048576|50.00|4096' >pool
	[ "$(inside 'thin_pool=far/pool; look_at_pool; echo "$pool_zeroes $pool_free $group_free"; made[vda]=yes target_kind[vda]=lvm target_volume[vda]=far/web
		reads_as_zeros vda; pool_zeroes=no; ! reads_as_zeros vda')" = 'yes 524288 4096' ]
}

@test "--preallocate: every block of the copy stays allocated, in later passes too" {
	truncate -s 16M old.img
	dd if=/dev/urandom of=old.img bs=1M count=3 seek=2 conv=notrunc status=none

	migrate copy --create --preallocate old.img new:"$dir/new.img"
	[ "$(stat -c %b new.img)" -ge 32768 ]
	fallocate -p -o 0 -l 4M old.img
	migrate copy --preallocate old.img new:"$dir/new.img"

	cmp old.img new.img
	[ "$(stat -c %b new.img)" -ge 32768 ]
}

@test "a device is copied into a larger one, with --overwrite" {
	attach old.img
	old=$device
	attach 6M
	tail -c 2M "$backing" >tail

	run -2 --separate-stderr migrate copy "$old" new:"$device"
	[[ $stderr == *"$device is there already, and blkmigrate did not make it as a copy of this very disk; --overwrite accepts it" ]]
	run -0 migrate copy --overwrite --verify full "$old" new:"$device"

	cmp -n 4M old.img "$backing"
	cmp tail <(tail -c 2M "$backing")
}

@test "a file that blkmigrate did not make is left alone, by another migration's marks too" {
	echo precious >new.img
	ln new.img .new.img.blkmigrate-0123456789ab

	run -2 --separate-stderr migrate copy --create old.img new:"$dir/new.img"

	[ "$(cat new.img)" = precious ]
}

@test "a disk of the same name in another folder, or on another host, is another disk" {
	mkdir a b other
	make_image a/disk.img 1M 2
	make_image b/disk.img 1M 3
	printf '#!/bin/sh\n[ "$*" = -n ] && echo other || exec %s "$@"\n' "$(command -v uname)" >other/uname
	chmod +x other/uname
	(cd a && migrate copy --create disk.img new:"$dir/new.img")

	run -2 --separate-stderr bash -c "$(declare -f migrate); $(declare -p root dir config); cd b; migrate copy --create disk.img new:'$dir/new.img'"
	[[ $stderr == *"$dir/new.img is there already, and blkmigrate did not make it as a copy of this very disk"* ]]
	PATH=$dir/other:$PATH run -2 --separate-stderr migrate copy --create "$dir/a/disk.img" new:"$dir/new.img"
	[[ $stderr == *"$dir/new.img is there already, and blkmigrate did not make it as a copy of this very disk"* ]]

	cmp a/disk.img new.img
}

@test "the same disk is known by each of its names, and another file of that name is another disk" {
	ln -s old.img link.img
	migrate copy --create old.img new:"$dir/new.img"

	run -0 migrate copy "$dir/link.img" new:"$dir/../$(basename "$dir")/new.img"
	cp old.img other.img
	mv other.img old.img
	run -2 --separate-stderr migrate copy old.img new:"$dir/new.img"

	[[ $stderr == *'did not make it as a copy of this very disk; --overwrite accepts it' ]]
	run -0 migrate copy --overwrite old.img new:"$dir/new.img"
}

@test "a link that leads nowhere is something that is there" {
	ln -s "$dir/nowhere" new.img

	run -2 migrate copy --create old.img new:"$dir/new.img"

	[ ! -e nowhere ]
}

@test "nothing is made unless that was said, and never under /dev" {
	run -2 --separate-stderr migrate copy old.img new:"$dir/new.img"
	[[ $stderr == *"$dir/new.img is not there; --create makes it" ]]
	run -2 --separate-stderr migrate copy --create old.img new:/dev/blkmigrate-typo/web

	[[ $stderr == *"would lie under /dev"* ]]
	[ ! -e new.img ]
	[ ! -e /dev/blkmigrate-typo ]
}

@test "a target that is too small is refused before anything is touched" {
	attach 1M
	make_noise "$backing" 1M
	cp "$backing" before

	run -2 --separate-stderr migrate copy --overwrite old.img new:"$device"

	[[ $stderr == *"$device has 1048576 bytes, 4194304 are needed" ]]
	cmp before "$backing"
}

@test "--finish removes the mark, and then no run overwrites the copy" {
	migrate copy --create old.img new:"$dir/new.img"
	[ "$(find . -name '.new.img.*' | wc -l)" = 1 ]

	run -0 migrate copy --finish old.img new:"$dir/new.img"

	[ "$(find . -name '.new.img.*' | wc -l)" = 0 ]
	run -2 migrate copy old.img new:"$dir/new.img"
}

@test "--dry-run prints the pipe and touches nothing; the pipe works as it is printed" {
	run -0 --separate-stderr migrate copy -n --create old.img new:"$dir/new.img"

	[ ! -e new.img ]
	[ -z "$(find state -type f 2>/dev/null)" ]
	pipe=$(grep '^old# blkread' <<<"$output")
	[[ $pipe == *'| blkzip --adapt | blkmeter '*'| ssh '*' new '*'blkwrite --verify'* ]]
	truncate -s 4M new.img
	bash -o pipefail -c "${pipe#old# }"
	cmp old.img new.img
}

@test "killed in the middle of the data, the same command ends the remains and resumes" {
	make_noise old.img 8M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img
	sleep 1
	kill -KILL "$pid"

	run -0 migrate copy --verify full old.img new:"$dir/new.img"

	cmp old.img new.img
	[ -z "$(pgrep -f "blkread $dir" || true)" ]
	[ -z "$(ls tmp)" ]
}

@test "it ends if somebody removes its private folder" {
	break_program flock 'rm -rf "$TMPDIR"/blkmigrate.*
		sleep 3'

	run -2 --separate-stderr timeout 20 "$root/scripts/blkmigrate" copy --state "$dir/state" \
		--ssh-option "-F$config" --create old.img new:"$dir/new.img"

	[[ $stderr == *"blkmigrate: $TMPDIR/blkmigrate."*' is gone: something else removes files there'* ]]
}

@test "TERM ends it and all that it has started" {
	make_noise old.img 32M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img
	sleep 0.5

	kill -TERM "$pid"

	wait_for 10 gone "$pid"
	wait_for 10 eval '! fuser -s state/lock/*'
	[ -z "$(ls tmp)" ]
}

@test "a command of a run that has been replaced does nothing" {
	mkdir -p state/lock
	touch state/lock/k.work
	echo mine >state/lock/k.token

	run -75 --separate-stderr bash -c '. "$1/scripts/blkmigrate.d/hosts/session.bash"
		bash -c "$guard" guard state/lock/k yours quiet touch done' shell "$root"

	[[ $stderr == *"another run of blkmigrate has taken over"* ]]
	[ ! -e 'done' ]
	bash -c '. "$1/scripts/blkmigrate.d/hosts/session.bash"
		bash -c "$guard" guard state/lock/k mine quiet touch done' shell "$root" | grep -x "done"
	[ -e 'done' ]
}

@test "a login banner does no harm" {
	echo 'You are being watched.' >banner
	echo "Banner $dir/banner" >>ssh/sshd_config
	sed -i '/^LogLevel/d' ssh/config
	kill -HUP "$sshd"
	wait_for 5 ssh -F "$config" new true

	run -0 --separate-stderr migrate copy --create old.img new:"$dir/new.img"

	[[ $stderr == *'You are being watched.'* ]]
	cmp old.img new.img
}

@test "a host whose key is not known is not trusted, whatever the options say" {
	: >ssh/known

	run -2 --separate-stderr migrate copy --ssh-option StrictHostKeyChecking=no \
		--create old.img new:"$dir/new.img"

	[[ $stderr == *"new does not answer by ssh"* ]]
	[ ! -e new.img ]
}

@test "a difference that --verify full finds is sent again" {
	migrate copy --create old.img new:"$dir/new.img"
	break_program blkdiff '[ ! -e mended ] || exec "'"$BIN"'/blkdiff" "$@"
		touch mended
		cat >/dev/null
		"'"$BIN"'/blkdiff" --map <("'"$BIN"'/blksum" --map old.img) old.img'
	flip_bit new.img 10000000

	run -0 --separate-stderr migrate copy --verify full old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr == *'the digests differ; sending the differences again'*'disk: both sides are blk128:'* ]]
}

@test "--verify full compares what the medium of the target has, not its cache" {
	full_medium
	make_noise noise.img 12M
	lose_writes noise.img "$mounted/new.img"
	break_program blkdiff '[ ! -e mended ] || exec "'"$BIN"'/blkdiff" "$@"
		touch mended
		cat >/dev/null
		"'"$BIN"'/blkdiff" --map <("'"$BIN"'/blksum" --map noise.img) noise.img'

	run -0 --separate-stderr migrate copy --overwrite --verify full noise.img new:"$mounted/new.img"

	[[ $stderr == *'the digests differ; sending the differences again'*'disk: both sides are blk128:'* ]]
	cmp noise.img <(on_medium "$mounted/new.img")
}

@test "a source that is not there, a target that is a folder" {
	run -2 --separate-stderr migrate copy --create none.img new:"$dir/new.img"
	[[ $stderr == 'blkmigrate: this host: none.img: not there' ]]
	run -2 --separate-stderr migrate copy --create old.img new:"$dir"
	[[ $stderr == *"$dir is there already"* || $stderr == *"$dir is neither"* ]]
}

@test "without a terminal there is no console, and a kernel has a path" {
	run -64 --separate-stderr "$root/scripts/blkmigrate" run --console web --to new </dev/null
	[ "$stderr" = 'blkmigrate: --console wants a terminal' ]
	run -64 --separate-stderr "$root/scripts/blkmigrate" run --first-boot initrd=/boot/initrd.img web --to new

	[ "$stderr" = 'blkmigrate: --first-boot is kernel=PATH,initrd=PATH,cmdline=TEXT, in this order' ]
}

@test "wrong words are a usage error" {
	for words in '' 'copy' 'copy a' 'copy a b' 'copy a :b' 'copy a b:' 'copy --none a b:c' 'copy a b:c d' 'fly'; do
		run -64 --separate-stderr "$root/scripts/blkmigrate" $words
		[[ $stderr == 'blkmigrate: '*$'\nusage: blkmigrate '* ]]
	done
}

# --- the manual -------------------------------------------------------------------

manual() {
	mandoc -Tascii -O width=500 "$root/scripts/blkmigrate.1" | col -bx
}

# words: white space made single blanks.
words() {
	tr -s ' \n\t' ' ' | sed 's/^ //; s/ $//'
}

@test "the manual describes the options that the program takes, and no others" {
	sed -n '/^\.It Fl/p' "$root/scripts/blkmigrate.1" | grep -oE 'Fl -?[a-z-]+|, -[a-z-]+' |
		sed 's/^Fl //; s/^, //; s/^-*/--/' | grep -vxE -- '--[a-z]' | sort -u >described
	sed -n '/^flag_sets=/,/^)/p; /^value_goes_to+=/,/^)/p' "$root/scripts/blkmigrate.d/recipe/options.bash" | grep -oE -- '\[--[a-z][a-z-]+' |
		tr -d '[' | cat - <(echo --ssh-option) | sort -u >taken

	[ "$(wc -l <taken)" -gt 20 ]
	diff described taken
}

@test "mandoc has nothing to say about the manual" {
	require mandoc

	run -0 mandoc -Tlint -Wwarning "$root/scripts/blkmigrate.1"

	[ -z "$output" ]
}

@test "the manual's examples of copying run as they are printed" {
	manual | awk '/^EXAMPLES/ { inside = 1 } inside && /^ +[$] / { sub(/^ +[$] /, ""); print }' >commands
	[ "$(wc -l <commands)" = 3 ]
	mv old.img disk.img
	sed -i "s|new:/srv/|--state '$dir/state' --ssh-option '-F$config' new:$dir/|" commands
	PATH=$root/scripts:$PATH

	run -0 bash -ex commands

	cmp disk.img copy.img
	[ -z "$(find . -name '.copy.img.*')" ]
}

@test "it is installed with all that it needs, and taken away" {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$root" BIN="$BIN" -o all install \
		DESTDIR="$dir/root" PREFIX=/usr 3>&-

	"$dir/root/usr/bin/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--create old.img new:"$dir/new.img"

	cmp old.img new.img
	[ -s root/usr/share/man/man1/blkmigrate.1 ]
	diff -r -x version "$root/scripts/blkmigrate.d" root/usr/share/blkmigrate
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$root" BIN="$BIN" uninstall \
		DESTDIR="$dir/root" PREFIX=/usr 3>&-
	[ -z "$(find root -type f)" ]
}
