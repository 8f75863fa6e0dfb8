# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The steps begun and done, in from/ID/journal on the old host: one line for each,
# appended and flushed before anything else happens.  A line that was cut by a power failure lacks
# its last word, a dot, and counts as not written.

declare -A finished=() begun=()

# journal_read: fill begun and finished.  The journal counts as empty only if the host says so, having
# seen in the folder that there is none yet: if one were taken for empty by mistake, a machine that was
# shut down for the cutover would pass for one that was off before, and would never be started again.
journal_read() {
	local line path=${folder[old]}/from/$id state=''

	document old "$private/journal" on old bash -c "$give_journal" journal "$path" ||
		die "the journal on $(name_of old) cannot be read ($path/journal); nothing is done"
	begun=() finished=()
	while IFS= read -r line; do
		case $state,$line in
		,none | ,kept | kept,end) state=$line ;;
		kept,*) journal_line "$line" ;;
		*) break ;;
		esac
	done <"$private/journal"
	[[ $state == @(none|end) ]] || {
		begun=() finished=()
		die "$(name_of old) does not answer with the journal ($path/journal); nothing is done"
	}
}

# give_journal: print "none", or the journal between the lines "kept" and "end".
give_journal='
[ -d "$1" ] || { echo none; exit; }
list=$(ls -A -- "$1") || exit
case "
$list
" in
*"
journal
"*) echo kept && cat -- "$1/journal" && echo && echo end ;;
*) echo none ;;
esac'

# journal_line LINE: one that a loss of power has torn does not end as a whole one does.
journal_line() {
	[[ $1 == *' .' ]] || return 0
	[[ ! $1 =~ ^[0-9TZ:-]+\ note\  ]] || return 0
	[[ $1 =~ ^([0-9TZ:-]+)\ (begin|done|undo)\ ([A-Za-z0-9-]+)\ \.$ ]] ||
		die "the journal on $(name_of old) has a line that is not understood: $(printable "${1:0:200}")"
	case ${BASH_REMATCH[2]} in
	# A copy is begun anew for what has changed since.
	begin)
		begun[${BASH_REMATCH[3]}]=${BASH_REMATCH[1]}
		[ "${BASH_REMATCH[3]}" != copy ] || unset "finished[copy]"
		;;
	done) finished[${BASH_REMATCH[3]}]=${BASH_REMATCH[1]} ;;
	undo) unset "begun[${BASH_REMATCH[3]}]" "finished[${BASH_REMATCH[3]}]" ;;
	esac
}

# A file of random bytes, 1 MiB, which makes room when the disk with the journal is full.  It is
# removed, and the file system flushed so that its blocks are free, when a line cannot be written.
make_reserve='
umask 077
mkdir -p -m 700 "$1"
if [ "$(stat -c %s -- "$1/reserve" 2>/dev/null)" != 1048576 ]; then
	head -c 1048576 /dev/urandom >"$1/reserve.part" && sync "$1/reserve.part" &&
		mv -T "$1/reserve.part" "$1/reserve" || {
		rm -f "$1/reserve.part"
		exit 1
	}
fi
sync -f "$1"'
append_line='
append() {
	local lines=()

	{ [ ! -s "$1/journal" ] || { mapfile lines <"$1/journal" && [ "${lines[-1]}" != "${lines[-1]%
}" ]; } || echo >>"$1/journal"; } &&
		printf "%s\n" "$2" >>"$1/journal" && sync "$1/journal"
}
[ -d "$1" ] || mkdir -p -m 700 "$1" || exit
{ append "$@" && exit; } 2>/dev/null
rm "$1/reserve" 2>/dev/null && sync -f "$1"
append "$@"'

# keep_room HOST: there is room for what is to come: the journal, the commit.
keep_room() {
	$dry_run || guarded "$1" bash -c "$make_reserve" reserve "$(state_of "$1")" ||
		die "$(name_of "$1"): there is no room in $(state_of "$1"), or it is read-only; make room there, and repeat the command"
}

# use_room HOST: the moment has come for which it was kept.
use_room() {
	local status=0

	guarded "$1" bash -c 'if [ -e "$1/reserve" ]; then rm -f "$1/reserve" && sync -f "$1"; fi' reserve "$(state_of "$1")" || status=$?
	# Of a host that does not answer, what follows says that.
	[[ $status == @(0|255) ]] ||
		warn "$(name_of "$1"): $(state_of "$1")/reserve cannot be removed"
}

# Whether a line that cannot be written ends the program.  When a cutover is taken back the machine
# comes first: its steps can be repeated, and are by whoever finds less in the journal.
taking_back=false

# journal begin|done|undo|note WORD ...
journal() {
	local now status=0

	$dry_run && return
	[ "$1" != begin ] || run_hooks before "$2"
	TZ=UTC0 printf -v now '%(%FT%TZ)T' -1
	guarded old bash -c "$append_line" journal "${folder[old]}/from/$id" "$now $* ." || status=$?
	[ "$status" = 0 ] || ! $taking_back || [[ $status == @(75|255) ]] || {
		warn "the journal on $(name_of old) cannot be written ($* is missing from it); the machine comes first"
		status=0
	}
	[ "$status" = 0 ] ||
		die "the journal on $(name_of old) cannot be written; nothing more is done"
	case $1 in
	begin) begun[$2]=now ;;
	done) finished[$2]=now ;;
	undo) unset "begun[$2]" "finished[$2]" ;;
	note) return ;;
	esac
	changed=true
	event step step "$2" state "$1"
	[ "$1" != 'done' ] || run_hooks after "$2"
}

# step NAME COMMAND [ARGUMENT ...]: run it once in the life of a migration, and record it only if it
# succeeded.  It may have been killed at any point before, so it must be possible to run it again.
# The command is called plainly, so that errexit is on in it wherever it is on here.
step() {
	local name=$1 status

	shift
	[ -z "${finished[$name]:-}" ] || return 0
	journal begin "$name"
	"$@"
	status=$?
	[ "$status" = 0 ] || die "$name: this step of the migration failed (status $status)"
	journal 'done' "$name"
}
