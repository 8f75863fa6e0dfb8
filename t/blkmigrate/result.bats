#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What programs that call blkmigrate hold: the object of --json, the lines of --events, the exit status.

load ../helpers
load hosts

setup() {
	hosts_begin
}

# object STATUS WORD COMMAND ...: standard output is one object that fits the schema, and says so;
# standard error is in the file said.
object() {
	local status=0

	"${@:3}" >object 2>said || status=$?
	cat said object
	[ "$status" = "$1" ]
	[ "$(wc -l <object)" = 1 ]
	fits object
	[ "$(jq -r .result object) $(jq .status object)" = "$2 $1" ]
}

fits() {
	"$BATS_TEST_DIRNAME/fits-schema" "$root/scripts/blkmigrate.d/recipe/result.schema.json" <"$1"
}

# member FILTER VALUE: of the object.
member() {
	echo "$1 is $(jq -c "$1" object)"
	[ "$(jq -c "$1" object)" = "$2" ]
}

@test "each step tells what it came to; a step that is given twice changes nothing" {
	object 0 'done' migrate preflight --json
	member '[.changed, .stage, .plan.disks[0].size, .plan.disks[0].becomes]' '[false,"none",4194304,"copied"]'
	object 0 'done' migrate prepare --json
	member '[.changed, .stage]' '[true,"prepared"]'
	object 0 'done' migrate sync --json --events events
	member '[.changed, .stage]' '[true,"copied"]'
	# All of it, with the digest, and not by a map.
	grep -qF 'old.img: 4194304 bytes' said
	grep -qF "$(blksum old.img | cut -d ' ' -f 1)" said
	fits events
	[ "$(jq -c 'select(.event == "disk") | [.disk, .state]' events | paste -s -d ' ')" = '["vda","begin"] ["vda","done"]' ]
	[ "$(head -n 1 events | jq -r .event) $(tail -n 1 events | jq -r .event)" = 'begin end' ]
	cmp <(tail -n 1 events) object
	# No snapshot, so nothing to compare: that is not equal.
	object 2 failed migrate verify --json
	member .compared '[]'
	object 0 'done' migrate cutover --json --events 7 7>events
	member '[.changed, .stage]' '[true,"moved"]'
	fits events
	[ "$(jq -r 'select(.event == "step" and .state == "begin").step' events | paste -s -d ' ')" = 'quiet down fenced delta firmware defined started committed' ]
	object 0 'done' migrate run --json
	member '[.changed, .stage]' '[false,"moved"]'
	object 0 'done' blkmigrate status --json
	member '.migrations[0] | [.vm, .stage, .old, .fenced, .new, .committed]' '["web","moved","shut off",true,"running",true]'
	object 3 refused migrate rollback --json
	object 0 'done' migrate purge --json <<<web
	member '[.changed, .stage]' '[true,"none"]'
}

@test "a target of prepare that was written to since is compared, and not taken for empty" {
	run -0 migrate prepare
	dd if=/dev/urandom of=there/old.img bs=4096 count=1 seek=9 conv=notrunc status=none

	run -0 --separate-stderr migrate sync

	[[ $stderr != *'4194304 bytes'* ]]
	cmp old.img there/old.img
}

@test "usage, a refusal, a cutover that was taken back have statuses of their own" {
	object 64 usage blkmigrate plan --json --jobs 99 web
	member .message '"--jobs wants a number from 1 to 16"'
	echo precious >there/old.img
	object 3 refused migrate run --json
	member '[.changed, (.problems | length), (.problems[0].what | contains("is there already on new"))]' '[false,1,true]'
	rm there/old.img

	at_virsh='define*domain.xml' then_virsh='exit 1'
	export at_virsh then_virsh
	object 4 taken-back migrate run --json
	member '[.changed, .stage, .problems]' '[true,"copied",[]]'
	[ "$(cat host/old/web.state)" = running ]
}

@test "where nobody can tell where the machine is, a person is needed" {
	run -0 migrate prepare
	run -0 migrate sync
	# The new host is gone once the machine has been shut down.
	odd='[[ $HOST != new || ! -e $FAKE/gone ]] || exit 255'
	sed -i "/^shift 2/a $odd" programs/ssh
	at_virsh='define*domain.xml' then_virsh='touch $FAKE/gone; exit 1'
	export at_virsh then_virsh
	object 5 needs-person migrate cutover --json
	object 5 needs-person migrate run --json
	member '[.stage, .changed]' '["cutover",false]'
	[ "$(cat host/old/web.state)" = 'shut off' ]
}

@test "a commit whose answer is lost was perhaps made" {
	run -0 migrate prepare
	run -0 migrate sync
	sed -i "/^shift 2/a [[ \$HOST != new || ! -e $dir/gone ]] || exit 255" programs/ssh
	sed -i "/^shift 2/a [[ \$* != *'/commit'* || \$* != *mv* ]] || { bash -c \"\$*\"; touch $dir/gone; exit 255; }" programs/ssh
	object 6 perhaps-committed migrate cutover --json
	object 6 perhaps-committed migrate run --json
	member .stage '"perhaps-committed"'
	object 0 'done' blkmigrate status --json
	member '.migrations[0] | [.stage, .committed]' '["perhaps-committed",null]'
}

@test "names of all kinds make good JSON" {
	name=$'a "b" \\ \e[31m \xc3\xa4\xc2\x9b \xff\t'
	run -3 blkmigrate status --json "$name"
	blkmigrate status --json "$name" >object 2>said || true

	fits object
	[[ $(jq -r .message object) == *$'a "b" \\ \e[31m'* ]]
}

@test "a reader of events that has gone, and one who cannot be written to" {
	run -0 blkmigrate status --events 7 7> >(exec true)
	run -64 blkmigrate status --events 9
	run -64 blkmigrate status --events /nonexistent/file
}
