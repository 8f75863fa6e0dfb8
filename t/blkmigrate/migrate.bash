# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate to a second host, "new", which is this machine by ssh: `load migrate` after
# helpers; setup is migrate_begin.

migrate_begin() {
	test_begin
	start_sshd
	make_image old.img 4M
	mkdir tmp
	export TMPDIR=$dir/tmp
}

# migrate COMMAND [ARGUMENT ...]: with this test's hosts and state.
migrate() {
	"$root/scripts/blkmigrate" "$1" --state "$dir/state" --ssh-option "-F$config" "${@:2}"
}

# break_program NAME TEXT: the program is found first, on both hosts, and does that.
break_program() {
	mkdir -p "$dir/broken"
	printf '#!/bin/bash\n%s\n' "$2" >"$dir/broken/$1"
	chmod +x "$dir/broken/$1"
	PATH=$dir/broken:$PATH
	sed -i "s|^SetEnv PATH=|&$dir/broken:|" "$dir/ssh/sshd_config"
	kill -HUP "$sshd"
	wait_for 5 ssh -F "$config" new true
}

# inside CODE [ARGUMENT ...]: run the code inside blkmigrate instead of a command; both hosts are this one.
inside() {
	[ -e blkmigrate.d ] || ln -s "$root/scripts/blkmigrate.d" .
	touch lock.work
	echo mine >lock.token
	{
		sed '$d' "$root/scripts/blkmigrate"
		echo 'command=plan vm=web uuid=1-2-3 was_running=running id=0123456789ab
			make_private
			lock=([old]=$PWD/lock [new]=$PWD/lock) token=mine folder=([old]=$PWD/state [new]=$PWD/state)'
		echo "$1"
	} >driver
	bash driver "${@:2}"
}
