#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The Ansible collection: the module, and the playbook that empties a host, between two hosts with
# stand-ins for ssh and libvirt.

load ../helpers
load ../blkmigrate/hosts

setup() {
	hosts_begin
	# Ansible asks ssh what it can; that is no host.
	sed -i '2i [[ " $* " == *" -- "* ]] || exit 0' programs/ssh
	require ansible-playbook ansible-doc ansible-galaxy
	export LC_ALL=C.UTF-8 HOME=$dir ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_NOCOLOR=1 ANSIBLE_COLLECTIONS_PATH=$dir/collections
	mkdir -p collections/ansible_collections/blk
	cp -r "$root/scripts/ansible" collections/ansible_collections/blk/filters
	echo 'old ansible_connection=local' >inventory
	cat >options.json <<-EOO
		{"old": "old", "new": "new", "options": {"from": "old", "state": "$dir/state", "dir": "$dir/there", "shutdown-timeout": 5}}
	EOO
	PATH=$root/scripts:$PATH
	# The playbook asks libvirt on the old host by itself.
	export HOST=old at_virsh='list --all --name' then_virsh='printf "%s\n" *.xml | sed "s/\.xml$//"; exit'
	rm -f host/old/*
	for name in a b c 'd [x]'; do
		make_image "$name.img" 1M
		define "$name"
	done
}

# define NAME: a machine that runs, with one disk.
define() {
	local sum uuid

	sum=$(md5sum <<<"$1")
	uuid=${sum:0:8}-${sum:8:4}-${sum:12:4}-${sum:16:4}-${sum:20:12}
	cat >"host/old/$1.xml" <<-EOX
		<domain type='qemu'><name>$1</name><uuid>$uuid</uuid><memory>1024</memory>
		<os><type arch='x86_64' machine='pc'>hvm</type></os>
		<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
		<source file='$dir/$1.img'/><target dev='vda'/></disk></devices></domain>
	EOX
	echo running >"host/old/$1.state"
}

# play NAME [OPTION ...]: a playbook of the collection, or a file.
play() {
	ansible-playbook -i inventory -e @options.json "${@:2}" "$1"
}

# modules STATE ...: of machine a, one after the other; with "check" before it in check mode. The result
# of each is in result.N, from 1 on.
modules() {
	local number=0 each

	printf -- '- hosts: old\n  gather_facts: false\n  tasks:\n' >play.yml
	for each; do
		number=$((number + 1))
		cat >>play.yml <<-EOP
			|    - blk.filters.blkmigrate: {name: a, to: new, options: "{{ options }}", state: ${each#check }}
			|      register: result
			|      ignore_errors: true
			|      check_mode: $([[ $each == check\ * ]] && echo true || echo false)
			|    - ansible.builtin.copy: {content: "{{ result | to_json }}", dest: "$dir/result.$number"}
		EOP
	done
	sed -i 's/^|//' play.yml
	play play.yml
}

# is NUMBER FILTER VALUE: of a result.
is() {
	echo "$1: $2 is $(jq -c "$2" "result.$1")"
	[ "$(jq -c "$2" "result.$1")" = "$3" ]
}

@test "the collection is one that Ansible takes, and its module is explained" {
	run -0 ansible-galaxy collection build --output-path built "$root/scripts/ansible"
	run -0 ansible-galaxy collection install --offline -p fresh built/*.tar.gz
	run -0 ansible-doc blk.filters.blkmigrate
	[[ $output == *'Move it while it runs, with its memory.'* ]]
	run -0 play blk.filters.empty --syntax-check
}

@test "the module: check mode is the plan; each state is reached once; a refusal says why" {
	modules 'check moved' prepared copied prepared copied checked back 'check moved' moved moved copied back

	is 1 '[.changed, .stage, .outcome.plan.disks[0].disk, .outcome.command]' '[true,"none","vda","plan"]'
	is 2 '[.changed, .stage, .outcome.command]' '[true,"prepared","prepare"]'
	is 3 '[.changed, .stage, .outcome.command]' '[true,"copied","sync"]'
	for number in 4 5 6 7; do
		is "$number" '[.changed, .stage]' '[false,"copied"]'
	done
	is 8 '[.changed, .stage]' '[true,"copied"]'
	is 9 '[.changed, .stage]' '[true,"moved"]'
	[ "$(cat host/new/a.state) $(cat host/old/a.state)" = 'running shut off' ]
	is 10 '[.changed, .stage]' '[false,"moved"]'
	is 11 '[.changed, .stage]' '[false,"moved"]'
	is 12 '[.failed, .changed, .rc, .outcome.result]' '[true,false,3,"refused"]'
}

@test "the playbook empties a host: one that fails stays, the others move, and the same command goes on" {
	echo precious >there/b.img

	run play blk.filters.empty --check
	echo "$output"
	[ ! -e state ]
	[[ $output == *'is there already on new'* ]]
	run -2 play blk.filters.empty -e rate=100000000
	echo "$output"

	[ "$(cat host/new/*.state | paste -s -d ' ')" = 'running running running' ]
	[ "$(cat host/old/b.state)" = running ]
	[ "$(cat there/b.img)" = precious ]
	for name in a c 'd [x]'; do
		cmp "$name.img" "there/$name.img"
	done
	rm there/b.img
	run -0 play blk.filters.empty
	echo "$output"
	[ "$(cat host/new/b.state)" = running ]
	run -0 play blk.filters.empty
	[[ $output == *'changed=0'* ]]
	[[ $output != *'changed=1'* ]]
}
