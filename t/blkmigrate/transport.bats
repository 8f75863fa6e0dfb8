#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate over its own TCP connection, and with several disks at a time.

load ../helpers
load migrate

setup() {
	require nc
	migrate_begin
}

# listening: a process listens on one of the ports for transfers.
listening() {
	python3 -c '
import sys
rows = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
sys.exit(not any(row[3] == "0A" and 49152 <= int(row[1][-4:], 16) <= 49215 for row in rows))'
}

@test "over tcp a disk is copied, then its changes, with one warning" {
	run -0 --separate-stderr migrate copy -v --create --transport tcp old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr =~ 'new# nc -n -v -l 127.0.0.1 49'[0-9]+' | blkwrite --verify -v --id @' ]]
	[[ $stderr =~ 'old# blkread --id @'[^|]*' | blkzip --adapt | '[^|]*'blkmeter '[^|]*' | nc -n -N 127.0.0.1 49'[0-9]+ ]]
	[ "$(grep -c 'cross the network unencrypted' <<<"$stderr")" = 1 ]
	printf changed | dd of=old.img seek=3000000 oflag=seek_bytes conv=notrunc status=none

	run -0 --separate-stderr migrate copy --transport tcp --verify full old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr == *"new.img: 65536 bytes"* ]]
	run ! listening
}

@test "--port: the new host listens there and nowhere else, and what cannot be is refused" {
	run -0 --separate-stderr migrate copy -v --create --transport tcp --port 21873-21874 --lanes 2 old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr =~ 'new# nc -n -v -l 127.0.0.1 2187'[34]' | blkwrite ' ]]
	run -64 --separate-stderr migrate copy --create --transport tcp --port 21873 --lanes 2 old.img new:"$dir/new.img"
	[ "${stderr##*$'\n'}" = "blkmigrate: --lanes 2 needs as many ports, and --port 21873 has 1" ]
	run -64 --separate-stderr migrate copy --port 21873 old.img new:"$dir/new.img"
	[ "${stderr##*$'\n'}" = "blkmigrate: --port is for --transport tcp" ]
	for wrong in 0 65536 5-4 x 5-; do
		run -64 --separate-stderr migrate copy --transport tcp --port "$wrong" old.img new:"$dir/new.img"
		[ "$stderr" = "blkmigrate: --port is a port from 1 to 65535, or the first and the last of several, as 5000-5015" ]
	done
}

@test "a port that is taken is said; no more disks are copied at a time than there are ports" {
	nc -n -l 127.0.0.1 21875 >/dev/null &
	at_end kill $!
	wait_for 5 bash -c 'grep -q ":5573 .* 0A " /proc/net/tcp'

	run -2 --separate-stderr migrate copy --create --transport tcp --port 21875 old.img new:"$dir/new.img"

	[[ $stderr == *"blkmigrate: cannot listen: all ports from 21875 to 21875 are in use"* ]]
	[ "$(inside 'transport=tcp port_count=3 jobs=4; ports_ready; echo $jobs; lanes=2; ports_ready; echo $jobs')" = $'3\n1' ]
}

@test "driven from a third host, the stream goes from the one to the other" {
	run -0 --separate-stderr migrate copy -v --create --transport tcp --from new "$dir/old.img" new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr =~ 'old# ssh '[^|]*' new '\''blkread --id @'.*' | nc -n -N 127.0.0.1 49' ]]
}

@test "names of all kinds cross nc's shells as they are" {
	nasty=$'-it\'s "a" $(touch oops) `touch oops` PORT \xc3\xa4*\\;&|'
	mkdir -- "$nasty"
	mv -- old.img "$nasty/$nasty"

	run -0 migrate copy --create --transport tcp -- "$nasty/$nasty" new:"$dir/$nasty/copy $nasty"

	cmp -- "$nasty/$nasty" "$dir/$nasty/copy $nasty"
	[ ! -e oops ]
}

@test "over tcp --dry-run prints the pipes and touches nothing" {
	run -0 --separate-stderr migrate copy -n --create --transport tcp old.img new:"$dir/new.img"

	[[ $output == *$'\nnew# nc -n -v -l 127.0.0.1 49152 | blkwrite --verify -v --id @'* ]]
	[[ $output == *$'\nold# blkread --id @'*' | blkzip --adapt | blkmeter '*' | nc -n -N 127.0.0.1 49152'* ]]
	[ ! -e new.img ]
	[ -z "$(find state -type f 2>/dev/null)" ]
}

@test "the id is new for each stream, for its owner alone, and on no command line" {
	break_program blkwrite 'for word; do
			[[ $word != @* ]] || { stat -c %a "${word#@}" >>"'"$dir"'/modes"; cat "${word#@}" >>"'"$dir"'/ids"; }
		done
		ps -eo args >>"'"$dir"'/ps"
		exec "'"$BIN"'/blkwrite" "$@"'

	migrate copy --create --transport tcp old.img new:"$dir/new.img"
	migrate copy --transport tcp old.img new:"$dir/new.img"

	[ "$(sort -u ids | grep -cE '^[0-9a-f]{32}$')" = 2 ]
	[ "$(sort -u modes)" = 600 ]
	run ! grep -qFf ids ps
	[ "$(find state -name '*.id' -exec stat -c %a {} + | sort -u)" = 600 ]
}

@test "a stream with another id is refused, and nothing is touched" {
	migrate copy --create old.img new:"$dir/new.img"
	cp new.img before
	printf changed | dd of=old.img conv=notrunc status=none
	break_program blkdiff '[ "$1" != --id ] || shift 2
		exec "'"$BIN"'/blkdiff" "$@"'

	run -2 --separate-stderr migrate copy --transport tcp old.img new:"$dir/new.img"

	[[ $stderr == *'the stream has another id than --id says'* ]]
	[[ $stderr == *'the copy failed; the same command resumes it' ]]
	cmp before new.img
}

@test "the status of blkwrite decides, not that of nc" {
	break_program nc "$(command -v nc)"' "$@"
		exit 1'

	run -0 migrate copy --create --transport tcp old.img new:"$dir/new.img"
	cmp old.img new.img

	break_program blkwrite 'cat >/dev/null
		echo "blkwrite: it does not keep this" >&2
		exit 2'
	run -2 --separate-stderr migrate copy --transport tcp old.img new:"$dir/new.img"
	[[ $stderr == *'blkwrite: it does not keep this'*'the copy failed'* ]]
}

@test "a sender that does not come is not waited for, and nothing listens then" {
	break_program nc '[[ " $* " == *" -l "* || $1 == -h ]] || exit 1
		exec '"$(command -v nc)"' "$@"'

	run -2 --separate-stderr timeout 150 "$root/scripts/blkmigrate" copy --state "$dir/state" \
		--ssh-option "-F$config" --create --transport tcp old.img new:"$dir/new.img"

	[[ $stderr == *'the copy failed'* ]]
	wait_for 5 eval '! listening'
	[ -z "$(ls tmp)" ]
}

@test "killed over tcp, nothing listens or writes any more, and the same command resumes" {
	make_noise old.img 24M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--transport tcp --bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img
	sleep 1

	kill -KILL "$pid"

	wait_for 10 eval '! fuser -s state/lock/*.work'
	run ! listening
	run -0 migrate copy --transport tcp --verify full old.img new:"$dir/new.img"
	cmp old.img new.img
	[ -z "$(ls tmp)" ]
}

@test "TERM over tcp ends it and all that it has started" {
	make_noise old.img 32M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--transport tcp --bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img
	sleep 0.5

	kill -TERM "$pid"

	wait_for 10 gone "$pid"
	wait_for 10 eval '! fuser -s state/lock/*'
	run ! listening
	[ -z "$(ls tmp)" ]
}

@test "--listen says the address; one that the host has not is named" {
	run -0 --separate-stderr migrate copy -v --create --transport tcp --listen 127.0.0.5 old.img new:"$dir/new.img"
	[[ $stderr == *' nc -n -N 127.0.0.5 '* ]]
	cmp old.img new.img

	run -2 --separate-stderr migrate copy --transport tcp --listen 203.0.113.9 old.img new:"$dir/new.img"
	[[ $stderr == *'cannot listen: nc: Cannot assign requested address'* ]]
	[[ $stderr == *'new does not listen on 203.0.113.9'* ]]
	run -64 --separate-stderr migrate copy --transport tcp --listen 'a;b' old.img new:"$dir/new.img"
	[[ $stderr == *'--listen wants an address in numbers'* ]]
}

@test "an nc that is not known is said before anything is made" {
	break_program nc 'echo "BusyBox v1.35.0 multi-call binary." >&2
		exit 1'

	run -2 --separate-stderr migrate copy --create --transport tcp old.img new:"$dir/new.img"

	[[ $stderr == *'this host has no nc that is known here: install netcat-openbsd there' ]]
	[ ! -e new.img ]
}

@test "the traditional nc serves as well" {
	require nc.traditional
	break_program nc 'exec nc.traditional "$@"'

	run -0 --separate-stderr migrate copy -v --create --transport tcp old.img new:"$dir/new.img"

	[[ $stderr == *' nc -n -v -l -s 127.0.0.1 -p '* ]]
	cmp old.img new.img
}

# --- several disks ----------------------------------------------------------------

# with_jobs COMMAND: run it in a shell with the functions for several disks; the disks are words.
with_jobs() {
	cat >jobs.sh <<-'EOS'
		set -euo pipefail
		dry_run=false json=false rate='' transport=ssh
		declare -A made=() within=() address=([old]='' [new]=new)
		watchers=()
		say() { printf '%s\n' "$*" >&2; }
		warn() { say "blkmigrate: $*"; }
		driver_lives() { kill -0 $$; }
		for part in hosts/shown hosts/host hosts/session recipe/outcome hosts/transport hosts/tcp recipe/jobs recipe/rate; do
			. "$1/scripts/blkmigrate.d/$part.bash"
		done
		private=$2
		trap 'status=$?; end_workers; end_pipe; exit $status' EXIT
		. "$3"
	EOS
	printf '%s\n' "$1" >what.sh
	mkdir -p private
	bash jobs.sh "$root" "$dir/private" "$dir/what.sh"
}

@test "--jobs disks are under way at a time, and no more" {
	with_jobs 'work() { echo "begin $1"; sleep 0.5; echo "end $1"; }
		jobs=2
		made[b]=yes
		each_disk work a b c d
		[ -z "${made[b]:-}" ]
		jobs=1
		each_disk work e f' >log

	[ "$(grep -c begin log)" = 6 ]
	[ "$(head -n 2 log | sort | tr '\n' ' ')" = 'begin a begin b ' ]
	awk '/begin/ { n++ } /end/ { n-- } n > 2 { exit 1 }' log
	[ "$(tail -n 4 log | tr '\n' ' ')" = 'begin e end e begin f end f ' ]
}

@test "the rate is shared by those that are under way" {
	run -0 with_jobs 'rate=3M
		first() {
			case $1 in a) sleep 0.4 ;; b) sleep 0.8 ;; esac
			rate_words
			printf "%s\n" "${rate_option[@]}"
			cat "$private/rate"
		}
		each_disk first a b
		each_disk first c'

	[ "$output" = "-L
@$dir/private/rate
1572864
-L
@$dir/private/rate
3145728
-L
3M
3145728" ]
}

@test "a disk that fails ends the others, and the processes that they started" {
	SECONDS=0
	run -2 --separate-stderr with_jobs 'work() {
			[ "$1" != b ] || { sleep 0.3; say "b: it does not work"; exit 2; }
			run_pipe "sleep 47 | sleep 47"
			say "not reached"
		}
		jobs=3
		each_disk work a b c d'

	[ "$stderr" = 'b: it does not work
blkmigrate: the copy of a c was ended as well' ] || [ "$stderr" = 'b: it does not work
blkmigrate: the copy of c a was ended as well' ]
	[ "$SECONDS" -lt 5 ]
	[ -z "$(pgrep -f 'sleep 47' || true)" ]
}

@test "on a terminal each disk has a line, below the messages" {
	printf '%s\n' 'work() {
			printf "\r%s: half" "$1" >"$private/$1.bar"
			sleep 1.3
			say "$1: said"
			sleep 0.3
		}
		each_disk work vda vdb' >what
	with_jobs true

	run -0 script -qec "$(printf '%q ' bash jobs.sh "$root" "$dir/private" "$dir/what")" typescript </dev/null

	[[ $output == *$'vda: half\r\nvdb: half\r\n\e[2A\e[J'*': said'* ]]
	[[ ${output##*$'\e[J'} != *half* ]]
}

@test "in a log there is a line for each disk from time to time" {
	run -0 --separate-stderr with_jobs 'log_interval=0.4
		work() { printf "\r%s: half   " "$1" >"$private/$1.bar"; sleep 0.6; }
		each_disk work vda vdb'

	[ "$(sort <<<"$stderr")" = 'vda: half
vdb: half' ]
}

@test "a number of jobs and a rate that make no sense are refused" {
	for words in '--jobs 0' '--jobs 17' '--jobs two' '--bwlimit fast' '--bwlimit 1.5' '--transport udp'; do
		run -64 --separate-stderr migrate copy $words old.img new:"$dir/new.img"
		[[ $stderr == "blkmigrate: ${words% *} "* ]]
	done
	for rate in 1.5M 20MiB 8s; do
		run -0 migrate copy -n --bwlimit "$rate" --create old.img new:"$dir/new.img"
		[[ $output == *"blkmeter -N disk"*" -L $rate"* ]]
	done
}

# meter_takes RATE: whether blkmeter -L accepts it, by its error message.
meter_takes() {
	blkmeter -q -L "$1" </dev/null 2>/dev/null
}

@test "--bwlimit is read as blkmeter -L reads it, in every spelling" {
	whole='0 1 007 4096 999999999999 9223372036854775807 9223372036854775808 99999999999999999999'
	units=('' B s k K KB KiB kiB M MB MiB m mb mib Mi G GB GiB T TiB P PB E EB EiB Z b S bytes ' ' '%')
	spellings=(fast -1 +1 1. .5 1.5.5 0x10 '1 M' 1e6 '' 1.1234567890K 1.123456789K 7.999E 8E 7E 9007199254740991K
		9007199254740992K 9.3EB 9.2EB 9223372036854775.807KB 0.0000000009KB 1.1s 0.001953125s)
	for number in $whole 1.5 0.25 1.001 20.5 3.000 9007199254740991.9990234; do
		for unit in "${units[@]}"; do
			spellings+=("$number$unit")
		done
	done
	printf '%s\n' "${spellings[@]}" >spellings

	with_jobs 'while IFS= read -r text; do parse_size "$text" && echo "$parsed" || echo refused; done <spellings' >ours

	while IFS= read -r text && read -r said <&9; do
		meter_takes "$text" && takes=yes || takes=no
		echo "$text: $said, blkmeter: $takes"
		[ "$takes" = "$([ "$said" = refused ] && echo no || echo yes)" ]
	done <spellings 9<ours
	[ "$(grep -vc refused ours)" -gt 80 ]
	for pair in 20M=20971520 5MB=5000000 1000=1000 0=0 2K=2048 1.5M=1572864 20MiB=20971520 8s=4096 0.25k=256 1.001KB=1001 \
		9223372036854775807=9223372036854775807 7.5E=8646911284551352320; do
		[ "$(with_jobs "parse_size ${pair%=*}; echo \"\$parsed\"")" = "${pair#*=}" ]
	done
}
