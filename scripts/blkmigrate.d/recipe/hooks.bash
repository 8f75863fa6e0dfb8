# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Hooks: programs of the administrator, in a folder on the host where blkmigrate runs, before and after
# each step that the journal has.

hooks_folder=/etc/blkmigrate/hooks.d
# How long one may take.
hook_seconds=60

# run_hooks before|after STEP: in the order of their names.  Until the machine is down, or its memory
# moves, one that fails ends this program; then the machine comes first.
run_hooks() {
	local file why

	[ -d "$hooks_folder" ] || return 0
	for file in "$hooks_folder"/*; do
		[[ -f $file && -x $file ]] || continue
		why=''
		if ! is_safe_hook "$file"; then
			why="others may write to it, or to its folder (chown, chmod go-w)"
		else
			run_hook "$file" "$@" || why="status $?$(head -n 1 "$private/hook" | sed 's/^/: /')"
		fi
		[ -n "$why" ] || continue
		why="the hook $file failed $1 the step $2: $why"
		! hooks_may_stop || die "$why"
		warn "$why"
	done
}

hooks_may_stop() {
	! $taking_back && ! $moved && [ -z "${begun[down]:-}${begun[started]:-}${finished[committed]:-}" ]
}

# is_safe_hook FILE: it runs with the rights of this program.
is_safe_hook() {
	local each seen

	for each in "$1" "${1%/*}"; do
		seen=$(stat -L -c '%u %a' -- "$each") && [[ $seen =~ ^(0|$EUID)\ [0-7]*[0145][0145]$ ]] || return
	done
}

# run_hook FILE WHEN STEP: what it prints is kept in a file: nobody waits for what it leaves running.
run_hook() {
	env BLKMIGRATE_WHEN="$2" BLKMIGRATE_STEP="$3" BLKMIGRATE_COMMAND="$command" BLKMIGRATE_VM="$vm" \
		BLKMIGRATE_UUID="$uuid" BLKMIGRATE_ID="$id" BLKMIGRATE_FROM="${address[old]}" BLKMIGRATE_TO="${address[new]}" \
		timeout -k 5 "$hook_seconds" "$1" </dev/null >"$private/hook" 2>&1 9>&-
}
