#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every call of a migration, answered in every odd way: t/blkmigrate/hostile.bats has some of them.
# KINDS in the environment takes some of the ways, FIRST and STEP some of the calls.

load ../helpers
load ../blkmigrate/migrate
load ../blkmigrate/hosts

setup() {
	hosts_begin
	cp old.img whole
	export -f blkmigrate migrate
	export root dir
	read -ra odd_answers <<<"${KINDS:-${odd_answers[*]}}"
}

# is_settled: the machine runs in one place, or in none with a line that says why; where the status
# is 0 it runs on new, from a whole copy.
is_settled() {
	local ours theirs

	ours=$(cat host/old/web.state 2>/dev/null) || true
	theirs=$(cat host/new/web.state 2>/dev/null) || true
	[ "$ours" != running ] || [ "$theirs" != running ] || return
	if [ "$odd_status" = 0 ]; then
		[ "$theirs" = running ] && cmp old.img there/old.img
	elif [ "$ours" != running ] && [ "$theirs" != running ]; then
		grep '^blkmigrate: ' said
	fi
}

purge() {
	blkmigrate purge web <<<web
}

# still_runs: on old, and nothing runs on new.
still_runs() {
	[ "$(cat host/old/web.state)" = running ] && cmp old.img whole && [ ! -e host/new/web.state ]
}

# is_back: the same, after a rollback that may have failed.
is_back() {
	[ "$(cat host/new/web.state 2>/dev/null)" != running ] && cmp old.img whole || return
	[ "$(cat host/old/web.state)" = running ] || { [ "$odd_status" != 0 ] && grep '^blkmigrate: ' said; }
}

# runs_there: on new, whose copy is whole; where the status is 0 what was to be removed is.
runs_there() {
	[ "$(cat host/new/web.state)" = running ] && cmp whole there/old.img && [ "$(cat host/old/web.state 2>/dev/null)" != running ] || return
	[ "$odd_status" != 0 ] || [ ! -e old.img ]
}

# sites: the calls in the file calls that are not in the file known, each with the number of its first
# one: what differs only in numbers, as tokens and times do, is one.
sites() {
	local numbers='s/[0-9a-f]*[0-9][0-9a-f]*/0/g'

	[ -e known ] || echo nothing >known
	awk '!/^(old|new) / { next } NR == FNR { seen[$0]; next } !($0 in seen) { print FNR } { seen[$0] }' \
		<(sed -E "$numbers" known) <(sed -E "$numbers" calls)
}

# begin_here: from now on each try begins with what there is now.  The images, and the mark of the new
# one, a link, stay the files that they are: a copy of one is another disk.
begin_here() {
	mkdir -p state kept
	tar -cf begin.tar host state
	cp -al old.img there kept
}

begin_again() {
	local image

	rm -rf host state there old.img
	tar -xf begin.tar
	cp -al kept/. .
	for image in old.img there/old.img; do
		[ ! -e "$image" ] || cmp -s whole "$image" || cat whole >"$image"
	done
}

# each_site CHECK COMMAND [ARGUMENT ...]: run it for each call site and each kind of answer to it.  What
# became of each is printed as a line of a table: the number of the call, the statuses, with a "!" where
# harm was done, and the call.
each_site() {
	local numbers number kind line bad=''

	begin_here
	"${@:2}"
	mapfile -t numbers < <(sites | awk -v first="${FIRST:-1}" -v step="${STEP:-1}" 'NR >= first && (NR - first) % step == 0')
	cp calls calls.first
	echo "# ${#numbers[@]} call sites, of $(wc -l <calls.first) calls: ${odd_answers[*]}" >&3
	for number in "${numbers[@]}"; do
		line=''
		for kind in "${odd_answers[@]}"; do
			begin_again
			if with_odd "$kind" "$number" "${@:2}" && "$1"; then
				line+=" $odd_status"
			else
				line+=" $odd_status!"
				bad=1
				cat said
			fi
		done
		echo "# $number |$line | $(sed -n "${number}p" calls.first | cut -c 1-100)" >&3
	done
	[ -z "$bad" ]
}

# knows COMMAND [ARGUMENT ...]: the calls that it makes are tried elsewhere.
knows() {
	"$@"
	cat calls >>known
}

# copied [OPTION ...]: it runs, and cutover is what is left to be done.
copied() {
	rm -rf state there/*
	machine_is running
	migrate prepare "$@"
	blkmigrate sync web
}

@test "prepare: whatever is answered, nothing of it is run or shown, and the machine runs on" {
	each_site still_runs migrate prepare
}

@test "sync: the same" {
	knows migrate prepare
	each_site still_runs blkmigrate sync web
}

@test "cutover: it runs in one place, or nowhere, and something says why" {
	copied
	each_site is_settled blkmigrate cutover web
}

@test "cutover with its memory: the same" {
	copied
	knows blkmigrate cutover web
	copied --keep-memory
	each_site is_settled blkmigrate cutover web
}

@test "status, of a migration that is under way" {
	migrate prepare
	each_site still_runs blkmigrate status web
}

@test "rollback of what is prepared" {
	migrate prepare
	each_site still_runs blkmigrate rollback web
}

@test "rollback of a cutover: it runs on old, or nowhere, and something says why" {
	export at_sync='[[ $(tail -n 1 "${!#}") != *" begin defined ." ]] || pkill -KILL -f "scripts/blkmigrate run --state $FAKE/state"'
	run -137 migrate run
	at_sync=''
	each_site is_back blkmigrate rollback web
}

@test "purge: it runs on, from a whole copy" {
	migrate run
	export -f purge
	each_site runs_there purge
}
