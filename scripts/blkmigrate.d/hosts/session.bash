# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One run at a time: how a second run of this program, or what is left of a first one, is kept from
# working on the same migration, and how commands that change something are run.
#
# lock[HOST] is a path there: PATH.lock is held while a run lives, PATH.token names the run whose
# commands may start, and PATH.work is held while each of them runs.
#
# Taking a cutover back needs a token of its own, and must work although the disk with these files is
# full or read-only: the token is written in place, and if that fails, to a file in /run, which then
# counts.

declare -A lock=()
token=''

# spare: that file.
spare='
[ "$EUID" = 0 ] && spare=/run || spare=/run/user/$EUID
spare=$spare/blkmigrate/${lock//\//%}.token
'

# take: from now on only commands with this token may start, so that late ones, of another run or of
# a connection that broke, do nothing.  Before that, commands that still run get time to end, and
# are then killed.
take='
take() {
	'"$spare"'
	[ -e "$lock.work" ] || : >"$lock.work"
	exec 9<"$lock.work"
	if ! flock -w 10 9; then
		end_commands
		flock -w 10 9 || { echo "stuck: a command of an earlier run does not end (fuser $lock.work)"; exit 1; }
	fi
	if [ -n "$former" ] && [ "$(cat "$spare" 2>/dev/null || cat "$lock.token")" != "$former" ]; then
		echo "another run of blkmigrate has taken over"
		exit 75
	fi
	write_token || { echo "the token cannot be written: $lock.token"; exit 1; }
	flock -u 9
	exec 9<&-
}
write_token() {
	local now=""

	{ printf "%s\n" "$token" 1<>"$lock.token"; } 2>/dev/null || true
	{ read -r now <"$lock.token"; } 2>/dev/null || true
	if [ "$now" = "$token" ]; then
		rm -f "$spare"
	else
		mkdir -p -m 700 "${spare%/*}" && printf "%s\n" "$token" >"$spare"
	fi
}
end_commands() {
	local process file

	for process in /proc/[0-9]*; do
		[ "${process#/proc/}" != $$ ] || continue
		for file in "$process"/fd/*; do
			if [ "$file" -ef "$lock.work" ]; then
				end_tree "${process#/proc/}"
				break
			fi
		done 2>/dev/null
	done
}
end_tree() {
	local file line

	kill -STOP "$1" || true
	for file in /proc/[0-9]*/stat; do
		read -r line <"$file" || continue
		line=${line##*) }
		line=${line#* }
		[ "${line%% *}" != "$1" ] || { file=${file#/proc/} && end_tree "${file%/stat}"; }
	done
	kill -KILL "$1" || true
} 2>/dev/null'

# hold: hold the migration on a host, for as long as lines come in.
hold='
set -eu
lock=$1 token=$2 who=$3 former=""
mkdir -p -m 700 "$(dirname "$lock")"
[ -e "$lock.lock" ] || : >"$lock.lock"
exec 8<"$lock.lock"
if ! flock -w 25 8; then
	echo "busy: $(cat "$lock.who")"
	exit 1
fi
{ printf "%s\n" "$who" >"$lock.who"; } 2>/dev/null || true
take
echo held
while read -r -t 20 line; do
	:
done'

# guard: run a command, if its token is still the current one.  The lock stays with this shell: tools
# of LVM close what they do not know, and a daemon that a command leaves behind must not hold it.  A
# script of bash needs no other shell than a subshell of this one, with errexit as it sets it.  A quiet
# command's output is dropped, and "done" said after its success: what a host answers that did not run
# it is something else.
guard='
lock=$1 status=0
exec 9<"$lock.work" || exit 75
flock -s 9
'"$spare"'
read -r token <"$lock.token"
[ ! -e "$spare" ] || read -r token <"$spare"
if [ "$token" != "$2" ]; then
	echo "blkmigrate: another run of blkmigrate has taken over; this one ends" >&2
	exit 75
fi
unset spare token
[ "$3" = loud ] || exec 7>&1 >/dev/null
how=$3
shift 3
if [ "$1,$2" = bash,-c ]; then
	script=$3
	shift 4
	(
		exec 9<&- 7>&-
		unset lock status how
		eval "$script"
	)
	status=$?
else
	"$@" 9<&- 7>&- || status=$?
fi
[ "$status" != 0 ] || [ "$how" = loud ] || echo done >&7
exit "$status"'

# session_open KEY: from here on, this run alone works on KEY, on both hosts.
session_open() {
	local host

	random_hex 16
	token=$random
	for host in old new; do
		lock[$host]=${folder[$host]}/lock/$host-$1
		$dry_run || session_hold "$host"
	done
	if [ ${#keyed[@]} -gt 0 ]; then
		keep_keys &
		keeper=$!
	fi
}

# session_renew: commands that were sent but not answered will do nothing any more, on either host.
session_renew() {
	local host former=$token

	! $dry_run || return 0
	random_hex 16
	token=$random
	for host in old new; do
		answer=$(brief on "$host" bash -c "$take"'
			lock=$1 former=$2 token=$3
			take' renew "${lock[$host]}" "$former" "$token") ||
			die "$(name_of "$host") cannot be told to drop earlier commands; nothing is started anywhere${answer:+: ${answer:0:200}}"
	done
}

session_hold() {
	local host=$1 said=$private/$1.said

	: >"$said"
	beats | feed_alone "$host" bash -c "$take$hold" hold "${lock[$host]}" "$token" \
		"$(id -un)@$(uname -n), process $$, since $(date '+%F %T')" >"$said" 2>"$said.err" &
	holders+=($!)
	until [ -s "$said" ]; do
		[ -e "$said" ] || die "$private is gone: something else removes files there (TMPDIR names another place)"
		kill -0 $! 2>/dev/null || break
		nap 0.05
	done
	# Of a longer answer cat cannot write all.
	answer=$(brief cat "$said") || true
	case $answer in
	held) ;;
	"busy: "*) die "another ${0##*/} is at work on this, on $(name_of "$host"): ${answer:6:200}" ;;
	*) die "cannot lock on $(name_of "$host"): ${answer:0:200} $(head -c 2000 "$said.err")" ;;
	esac
}

holders=()

# Like feed, over a connection of its own.
feed_alone() {
	local host=$1

	shift
	if [ -z "${address[$host]}" ]; then
		"$@"
	else
		bash -c "exec $(ssh_text "$host" "$(quote "$@")")"
	fi
}

# The signal that came.  The terminal, or the reader of the log, may have gone with it: from then on
# nothing that is said ends what must be taken back.
signal=''

# take_signal NAME: the trap for it.
take_signal() {
	signal=$1
	exit $((128 + $(kill -l "$1")))
}

# while_wanted: run a command that reads for hours and prints little, and end it when no more lines
# come in: nothing else tells it that this program has ended.
while_wanted='
"$@" </dev/null 5<&- &
work=$!
exec 5<&0
{
	while read -r -t 20 line <&5; do
		:
	done
	kill "$work"
} >/dev/null 2>&1 &
watcher=$!
status=0
wait "$work" || status=$?
kill "$watcher" 2>/dev/null
exit "$status"'

# far_begin HOST FILE COMMAND [ARGUMENT ...]: run it there in the background; FILE gets what it prints, and
# $far one more process to wait for.
far=()
far_begin() {
	local host=$1 file=$2

	shift 2
	brief feed "$host" bash -c "$while_wanted" while-wanted "$@" < <(beats) >"$file" &
	far+=($!)
}

# end_far: of what still runs.
end_far() {
	local each

	for each in "${far[@]}"; do
		end_family "$each"
	done
	far=()
}

# end_family PID: a process and all that it has started, at once, so that none reports how another
# ended; what they still write to the terminal is written when this returns.
end_family() {
	local family=("$1") each try

	for ((each = 0; each < ${#family[@]}; each++)); do
		# What is stopped starts nothing more.
		kill -STOP "${family[each]}" 2>/dev/null || true
		# shellcheck disable=SC2207
		family+=($(pgrep -P "${family[each]}" || true))
	done
	kill "${family[@]}" 2>/dev/null || true
	kill -CONT "${family[@]}" 2>/dev/null || true
	for ((try = 0; try < 40; try++)); do
		some_live "${family[@]:1}" || break
		nap 0.05
	done
	wait "$1" 2>/dev/null || true
}

# some_live PID ...: one that has ended, but whose parent does not know it yet, does not count.
some_live() {
	local each line

	for each; do
		read -r line <"/proc/$each/stat" || continue
		[[ ${line##*) } == Z* ]] || return 0
	done
	return 1
} 2>/dev/null

beats() {
	while driver_lives; do
		echo beat 2>/dev/null || return 0
		nap 3
	done
	# It was killed, and its folder may hold a definition with passwords.
	[ ${#keyed[@]} -gt 0 ] || rm -rf --one-file-system "$private"
}

# nap SECONDS: wait, without a program: nobody ever writes into this pipe.
exec {silence}<> <(:)
nap() {
	read -r -t "$1" -u "$silence" || true
}

# driver_lives: for background processes: whether this program lives; a zombie does not.
driver_lives() {
	local state

	read -r _ _ state _ <"/proc/$$/stat" && [ "$state" != Z ]
} 2>/dev/null

# guarded HOST COMMAND [ARGUMENT ...]: run a command there that changes something.  What it prints is
# dropped; guarded_loud gives it to the caller, and guarded_feed gives it this one's standard input.
# Status 255, too, where the host answers something else than that it was done.
guarded() {
	was_done "$1" on "$1" bash -c "$guard" guard "${lock[$1]}" "$token" quiet "${@:2}"
}

guarded_feed() {
	was_done "$1" feed "$1" bash -c "$guard" guard "${lock[$1]}" "$token" quiet "${@:2}"
}

guarded_loud() {
	on "$1" bash -c "$guard" guard "${lock[$1]}" "$token" loud "${@:2}"
}

# was_done HOST COMMAND [ARGUMENT ...]
was_done() {
	local said status=0

	said=$(brief "${@:2}") || status=$?
	[ "$status" != 0 ] || [ "$said" = 'done' ] || {
		warn "$(name_of "$1") says \"$(printable "${said:0:200}")\" where it was to do something: whether it was done is not known"
		status=255
	}
	return "$status"
}

# act HOST COMMAND [ARGUMENT ...]: the same, but show it with --verbose; a dry run only shows it.
act() {
	quote_words "${@:2}"
	show "$1" "$quoted"
	$dry_run || guarded "$@"
}

# perform HOST TEXT SCRIPT [ARGUMENT ...]: run a script there; TEXT, its essence, is shown.
perform() {
	local host=$1

	show "$host" "$2"
	$dry_run || guarded "$host" bash -c "$3" blkmigrate "${@:4}"
}

# session_close: release both hosts.
session_close() {
	local host

	for host in "${holders[@]}" "${watchers[@]}"; do
		pkill -TERM -P "$host" 2>/dev/null || true
		kill "$host" 2>/dev/null || true
	done
	[ -n "$private" ] || return 0
	keys_end
	hang_up old
	hang_up new
	rm -rf --one-file-system "$private"
}
