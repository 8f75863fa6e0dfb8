# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Commands of README and of the manual, run as printed, on two hosts: this one, and "new", which
# ssh reaches and where /dev/vg/web is another volume; see cases.bash.

printed_cases() {
	start_hosts
	try "README: a volume that is in use, by its snapshot" readme_snapshot
	try "blkdiff.1: pass after pass" manual_passes
	try "blkdiff.1: thin_delta" manual_thin_delta
	try "blkdiff.1: era_invalidate" manual_era_invalidate
}

# One sshd for all cases, in a mount namespace of its own, with one key for everything.
start_hosts() {
	hosts=/run/hosts
	mkdir -p $hosts/bin $hosts/real-dev /run/sshd
	chmod 700 $hosts
	ssh-keygen -q -t ed25519 -N '' -f $hosts/key
	printf 'new %s\n' "$(cut -d ' ' -f 1,2 $hosts/key.pub)" >$hosts/known
	cat >$hosts/sshd_config <<-EOC
		ListenAddress 127.0.0.1
		HostKey $hosts/key
		AuthorizedKeysFile $hosts/key.pub
		PidFile none
		StrictModes no
		UsePAM no
		SetEnv PATH=$PATH SHLVL=1
	EOC
	cat >$hosts/ssh_config <<-EOC
		Host new
		HostName 127.0.0.1
		HostKeyAlias new
		IdentityFile $hosts/key
		UserKnownHostsFile $hosts/known
		ControlMaster auto
		ControlPersist yes
		ControlPath $hosts/control
	EOC
	printf '#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' $hosts/ssh_config >$hosts/bin/ssh
	printf '#!/bin/sh\nkill "$(cat %s/writer)"\nsleep 1\n' $hosts >$hosts/bin/virsh
	chmod +x $hosts/bin/*
	PATH=$hosts/bin:$PATH
	export hosts
	export -f serve_new
	unshare --mount --propagation private bash -c serve_new &
	wait_for 60 ssh new true
}

# Here /dev is a folder of symlinks, so that it can have a volume group of its own.
serve_new() {
	local node

	mount --rbind /dev $hosts/real-dev
	mount -t tmpfs none /dev
	for node in "$hosts"/real-dev/*; do
		ln -s "$node" /dev/
	done
	rm -f /dev/vg
	mkdir /dev/vg
	ln -s $hosts/real-dev/mapper/vg-target /dev/vg/web
	exec /usr/sbin/sshd -D -e -f $hosts/sshd_config 2>$hosts/log
}

# printed FILE PATTERN: run the only block of commands of README or of a manual that has it.
printed() {
	awk -v pattern="$2" '
		/^```$/ || /^\.Bd/ || /^\.Ed/ {
			if (index(block, pattern)) {
				printf "%s", block
				found++
			}
			block = ""
			next
		}
		sub(/^(old)?# /, "") || block != "" {
			gsub(/\\e/, "\\")
			block = block $0 "\n"
		}
		END { exit found != 1 }' "$lab/../../$1" >commands
	bash -ex -o pipefail commands
}

# The target is larger: LVM rounds up to its larger extents.
make_web() {
	make_volume web 17M
	origin=$volume
	dd if="$before" of="$origin" bs=1M oflag=direct status=none
	make_target 20M
}

write_to_web() {
	scribble -n 0 -s 16 -p 20 "$origin" &
	writer=$!
	echo $writer >$hosts/writer
}

readme_snapshot() {
	make_web
	write_to_web

	printed README.md 'lvcreate -s'

	same "$origin" "$target" 17M
}

manual_passes() {
	make_web
	write_to_web

	printed filters/blkdiff.1 'lvremove -y vg/web-0'
	same /dev/vg/web-1 "$target" 17M
	stop "$writer"
	printed filters/blkdiff.1 'blkdiff --snapshot /dev/vg/web-1 |'

	same "$origin" "$target" 17M
}

manual_thin_delta() {
	make_thin_pool
	lvcreate -q -y -Wn -V 16M -T vg/pool -n web
	origin=/dev/vg/web
	dd if="$before" of="$origin" bs=1M oflag=direct status=none
	lvcreate -q -y -s -n web-old vg/web
	lvchange -q -ay -K vg/web-old
	make_target
	copy /dev/vg/web-old "$target"
	scribble -n 60 "$origin"
	blkdiscard -o 12M -l 1M "$origin"
	sync

	printed filters/blkdiff.1 reserve_metadata_snap

	same "$origin" "$target"
	less_than_half web.list "$origin"
}

manual_era_invalidate() {
	make_era
	scribble -n 60 "$origin"

	printed filters/blkdiff.1 take_metadata_snap

	same "$origin" "$target"
	less_than_half web.list "$origin"
}
