#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later

load ../helpers

# A stream of an image of 2M, in stream; its image in image.
make_stream() {
	make_image image 2M
	blkread image >stream
}

# trickle FILE BYTES SECONDS: write a piece every so many seconds, for tests that watch the meter.
trickle() {
	local at size

	size=$(stat -c %s "$1")
	for ((at = 0; at < size; at += $2)); do
		tail -c +$((at + 1)) "$1" | head -c "$2"
		sleep "$3"
	done
}

# cpu_ticks PID: the time that it used, in hundredths of a second.
cpu_ticks() {
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# last_json FILE KEY: print its value on the last line.
last_json() {
	tail -n 1 "$1" | jq -r ".$2"
}

# --- bytes --------------------------------------------------------------------------

@test "bytes pass unchanged, be they a stream or not, between files, pipes and a ring" {
	local file

	make_stream
	make_noise noise 3M
	: >nothing

	for file in stream noise nothing; do
		blkmeter <$file >out
		cmp $file out
		cat $file | blkmeter >out
		cmp $file out
		blkmeter <$file | cat >out
		cmp $file out
		cat $file | blkmeter | cat >out
		cmp $file out
		cat $file | blkmeter -B 4K | cat >out
		cmp $file out
		blkmeter -B 1M <$file >out
		cmp $file out
		cat $file | blkmeter --raw -L 100M | cat >out
		cmp $file out
		: >out
		cat $file | blkmeter >>out
		cmp $file out
	done
}

@test "bytes pass unchanged from a socket to a socket" {
	make_stream

	python3 - <<-'EOP'
		import socket, subprocess, threading
		given, taken = socket.socketpair(), socket.socketpair()
		meter = subprocess.Popen(["blkmeter"], stdin=given[1], stdout=taken[1])
		given[1].close(), taken[1].close()
		data = open("stream", "rb").read()
		threading.Thread(target=lambda: (given[0].sendall(data), given[0].close())).start()
		with open("out", "wb") as out:
		    while piece := taken[0].recv(100000):
		        out.write(piece)
		assert meter.wait() == 0
	EOP

	cmp stream out
}

@test "a broken stream passes unchanged, is reported once, and is an error" {
	make_stream
	patch_bytes stream 150 ff

	run -2 --separate-stderr bash -c 'cat stream | blkmeter >out'

	cmp stream out
	[ "$stderr" = "blkmeter: standard input: stream byte 128, device byte 0: record header with \
a wrong checksum; the rest is passed on as plain bytes" ]
}

@test "a stream that is cut anywhere passes up to the cut, and is an error" {
	local size length

	make_image image 131000
	blkread image >stream
	size=$(stat -c %s stream)

	for length in $(seq 1 31 400) $(seq 401 9999 "$size") $(seq $((size - 140)) 17 $((size - 1))); do
		head -c "$length" stream >part
		run -2 --separate-stderr bash -c 'cat part | blkmeter >out'
		cmp part out
		[[ $stderr = "blkmeter: standard input: stream byte $length, device byte "*": the stream \
was cut: end of file before its END record" ]]
	done
}

@test "bytes behind the end pass, are reported, and are an error" {
	make_stream
	cp stream more
	printf 'x\n' >>more

	run -2 --separate-stderr bash -c 'cat more | blkmeter >out'

	cmp more out
	[ "$stderr" = "blkmeter: standard input: stream byte $(stat -c %s stream), device byte 2097152: \
bytes behind the last record" ]
}

@test "a stream that its sender gave up passes, and says why" {
	attach 4M
	make_noise "$backing" 4M
	break_after 2M

	run -2 --separate-stderr bash -c "blkread --direct never $device 2>/dev/null | tee sent | blkmeter >out"

	cmp sent out
	[[ $stderr = "blkmeter: standard input: stream byte "*": the sending side gave up: "*"$device"* ]]
}

@test "a stream of an unknown version passes as plain bytes, and is no error" {
	printf '\x89BLK\r\n\x1a\n' >new
	head -c 100000 /dev/zero >>new

	run -2 --separate-stderr blkmeter <new
	[[ $stderr = *"header with a wrong checksum"* ]]

	run -0 --separate-stderr bash -c 'blkmeter --raw <new >out'
	cmp new out
}

@test "a compressed stream is metered by its uncompressed size" {
	make_stream

	blkzip <stream | blkmeter --json 2>json | blkzip -t

	[ "$(last_json json state)" = "done" ]
	[ "$(last_json json position)" = 2097152 ]
	[ "$(last_json json wire_bytes)" -lt 2000000 ]
}

# --- ends ----------------------------------------------------------------------------

@test "after the end of a stream a silent peer is not waited for" {
	make_stream
	mkfifo pipe
	background bash -c 'exec >pipe; cat stream; exec sleep 60'

	run -0 timeout 10 bash -c 'blkmeter <pipe >out'

	cmp stream out
}

@test "a reader that leaves after the stream's end is no error" {
	make_stream
	mkfifo pipe
	background bash -c 'exec >pipe; cat stream; exec sleep 60'

	run -0 bash -c 'blkmeter <pipe | head -c '"$(stat -c %s stream)"' >out; exit ${PIPESTATUS[0]}'

	cmp stream out
}

@test "it dies by SIGPIPE when its reader goes while it waits for input" {
	local way

	mkfifo pipe
	for way in '' '-B 1M' '-L 1M'; do
		background bash -c 'exec >pipe; head -c 100000 /dev/zero; exec sleep 60'
		run -0 timeout 10 bash -c "blkmeter $way <pipe | sleep 0.2; echo \${PIPESTATUS[0]}"
		[ "$output" = 141 ]
		stop "$pid"
	done
}

@test "it dies by SIGPIPE when its reader goes while it is held back" {
	run -0 timeout 10 bash -c 'blkmeter -L 1 </dev/zero | sleep 0.3; echo ${PIPESTATUS[0]}'

	[ "$output" = 141 ]
}

@test "it says a broken pipe where SIGPIPE is ignored" {
	run -2 --separate-stderr timeout 10 bash -c \
		'trap "" PIPE; blkmeter </dev/zero | true; exit ${PIPESTATUS[0]}'

	[ "$stderr" = "blkmeter: standard output: Broken pipe" ]
}

@test "a writer that dies in the middle of a stream is a cut" {
	make_stream
	mkfifo pipe
	background bash -c 'exec >pipe; head -c 100000 stream; exec sleep 60'
	bash -c "sleep 0.3; kill -KILL $pid" 3>&- &

	run -2 --separate-stderr timeout 10 bash -c 'blkmeter <pipe >out'

	[[ $stderr = *"stream byte 100000, "*"the stream was cut"* ]]
}

@test "a full disk is an error, reported of standard output" {
	make_stream

	run -2 --separate-stderr bash -c 'cat stream | blkmeter >/dev/full'
	[ "$stderr" = "blkmeter: standard output: No space left on device" ]
	run -2 --separate-stderr bash -c 'blkmeter -B 64K <stream >/dev/full'
	[ "$stderr" = "blkmeter: standard output: No space left on device" ]
}

@test "an input that cannot be read is an error, reported of standard input" {
	local way

	for way in '' '-B 64K' '--raw'; do
		run -2 --separate-stderr bash -c "blkmeter $way </ | cat; exit \${PIPESTATUS[0]}"
		[ "$stderr" = "blkmeter: standard input: Is a directory" ]
	done
}

@test "it uses no processor time while no bytes come or go" {
	local way name n=0 idle=()

	for way in '' '-B 1M' '-L 10M --json -i 0.5' '--watchdog 60'; do
		mkfifo "in$n" "out$n"
		background bash -c "exec sleep 60 >in$n"
		background bash -c "exec sleep 60 <out$n"
		background bash -c "exec blkmeter $way <in$n >out$n 2>/dev/null"
		idle+=("$pid $way")
		n=$((n + 1))
	done
	for way in '' '-B 64K'; do
		mkfifo "out$n"
		background bash -c "exec sleep 60 <out$n"
		background bash -c "exec blkmeter $way </dev/zero >out$n"
		idle+=("$pid $way")
		n=$((n + 1))
	done
	sleep 1
	for way in "${idle[@]}"; do
		cpu_ticks "${way%% *}"
	done >before
	sleep 1
	for way in "${idle[@]}"; do
		cpu_ticks "${way%% *}"
	done >after
	printf '%s\n' "${idle[@]}" | paste before after - | while read -r before after name; do
		echo "$name: $((after - before))"
		[ $((after - before)) -le 5 ]
	done
}

@test "INT, TERM and HUP end it by that signal" {
	local signal way

	mkfifo pipe
	for signal in INT TERM HUP; do
		for way in '' '-B 1M' '-L 1'; do
			# A shell without job control has INT ignored in the background.
			run -0 --separate-stderr timeout 10 bash -c "env --default-signal blkmeter $way <>pipe >out &
				sleep 0.2; kill -$signal \$!; wait \$!; echo \$?"
			[ "$output" = $((128 + $(kill -l $signal))) ]
		done
	done
}

@test "signals that its parent ignores it ignores" {
	make_stream

	run -0 bash -c 'trap "" HUP; trickle() { head -c 1000 stream; sleep 0.5; tail -c +1001 stream; }
		trickle | { blkmeter >out & sleep 0.2; kill -HUP $!; wait $!; }'

	cmp stream out
}

@test "the watchdog ends a stalled transfer, whichever side stalls" {
	local way

	mkfifo pipe
	for way in '' '-B 64K'; do
		run -2 --separate-stderr timeout 10 bash -c \
			"exec 9<>pipe; head -c 1000 /dev/zero >pipe; blkmeter $way --watchdog 0.5 <pipe >out"
		[ "$stderr" = "blkmeter: no byte has moved for 0.5 seconds, after 1000 bytes" ]
		run -2 --separate-stderr timeout 10 bash -c \
			"exec 9<>pipe; blkmeter $way --watchdog 0.5 </dev/zero >pipe"
		[[ $stderr = "blkmeter: no byte has moved for 0.5 seconds, after "*" bytes" ]]
		rm pipe
		mkfifo pipe
	done
}

@test "the watchdog leaves a moving transfer alone" {
	make_noise noise 6

	trickle noise 1 0.3 | blkmeter --watchdog 1 >out

	cmp noise out
}

# --- rate and buffer -------------------------------------------------------------------

# How exactly is a matter of t/unit/test-throttle.c and t/long/blkmeter.bats: a machine that
# is busy with something else may be late.
@test "-L holds its rate" {
	timeout 2 blkmeter --json -i 0.5 -L 20M </dev/zero 2>json | cat >/dev/null || true

	jq -se '.[-1].wire_bytes / .[-1].elapsed / 20971520 | ., (. > 0.5 and . < 1.01)' json
}

@test "-L holds its rate for a stream and through a ring" {
	local way

	make_noise image 4M
	blkread image >stream
	for way in '' '-B 1M'; do
		# shellcheck disable=SC2086
		blkmeter --json $way -L 4M <stream 2>json >out
		jq -se '.[-1].wire_bytes / .[-1].elapsed / 4194304 | ., (. > 0.5 and . < 1.01)' json
	done
}

@test "-L @FILE follows what the file says, and keeps the rate while it says nothing" {
	echo 1M >rate
	background blkmeter --json -i 0.2 -L @rate </dev/zero 2>json >/dev/null
	wait_for 10 test -s json

	echo 50M >rate
	wait_for 10 eval 'jq -se ".[-1].wire_rate > 20e6" json'
	echo nonsense >rate
	wait_for 10 grep -q "rate: nonsense: not a rate (20M, 500K: bytes a second); the rate stays 52428800 bytes a second" json
	sleep 2
	[ "$(grep -c nonsense json)" = 1 ]
	kill -0 "$pid"
}

@test "a rate that cannot be read is refused at the start" {
	run -2 --separate-stderr blkmeter -L @missing </dev/null
	[ "$stderr" = "blkmeter: missing: No such file or directory" ]
	run -2 --separate-stderr blkmeter -L fast </dev/null
	[ "$stderr" = "blkmeter: -L fast: not a rate (20M, 500K: bytes a second)" ]
}

# ahead PID: how much the cat that this shell runs has read.
ahead() {
	awk '/^rchar/ { print $2 }' "/proc/$(pgrep -P "$1" cat)/io"
}

@test "-B takes in ahead of a reader that is slow, and no more than it says" {
	make_noise noise 9M
	mkfifo out
	background bash -c 'exec sleep 60 <out'
	background bash -c 'cat noise | blkmeter -B 2M >out'

	wait_for 10 eval '[ "$(ahead "$pid")" -ge $((3 << 20)) ]'
	sleep 0.5

	# The ring, a pipe of at most 1M on each side, and the buffers of cat and blkmeter.
	[ "$(ahead "$pid")" -le $((5 << 20)) ]
}

# --- what it shows ----------------------------------------------------------------------

@test "it is silent where standard error is no terminal" {
	make_stream

	run -0 --separate-stderr bash -c 'trickle() { head -c 1000 stream; sleep 1.3; tail -c +1001 stream; }
		trickle | blkmeter -i 0.2 >out'

	[ -z "$stderr" ]
}

@test "-f draws anyway, and sums up" {
	make_stream

	trickle stream 400000 0.2 | blkmeter -f -i 0.2 -N web >out 2>line

	tr '\r' '\n' <line | grep -Eq '^web: +[0-9.]+ [KM]iB of 2.0 MiB +[0-9]+% \[=*>? *\] +[0-9.]+ [KM]iB/s .*ETA 0:00:0[0-9] *$'
	tail -n 1 line | grep -Eq 'web: 2.0 MiB \(2097152 bytes\) in [0-9.]+ s, [0-9.]+ .iB/s, wire [0-9.]+ .iB(, <?[0-9]+% holes)?$'
}

@test "-q is silent on a terminal too" {
	make_stream

	run -0 --separate-stderr bash -c 'blkmeter -qf -i 0.1 -L 2M <stream >out'

	[ -z "$stderr" ]
}

@test "-n prints whole percent, and -nb bytes" {
	make_noise noise 1000000

	blkmeter -n -s 1000000 -i 0.2 -L 2M <noise >out 2>percent
	blkmeter -nb -s 1000000 -i 0.2 -L 2M <noise >out 2>bytes

	[ "$(tail -n 1 percent)" = 100 ]
	[ "$(wc -l <percent)" -ge 2 ]
	sort -nc percent
	[ "$(tail -n 1 bytes)" = 1000000 ]
	sort -nc bytes
}

@test "--json prints an object a line, and last how it ended" {
	make_stream

	blkmeter --json -N 'a "name"' -i 0.2 -L 4M <stream >out 2>json

	jq -se 'length > 1 and all(.name == "a \"name\"" and .kind == "image" and .size == 2097152)
		and (.[:-1] | all(.state == "running")) and .[-1].state == "done"
		and .[-1].percent == 100 and .[-1].eta == 0
		and .[-1].position == 2097152 and .[-1].data_bytes + .[-1].zero_bytes == 2097152
		and .[-1].wire_bytes == '"$(stat -c %s stream)" json
}

@test "the last JSON object counts no byte that nobody took" {
	local name fields=.position,.wire_bytes,.data_bytes,.zero_bytes

	make_stream
	truncate -s 1T hole
	blkread hole >holes
	seq 1 9 >plain
	for name in stream holes plain; do
		run -2 bash -c "cat $name | blkmeter --json 2>json >/dev/full"
		[ "$(grep '^{' json | tail -n 1 | jq "[$fields] | map(. // 0) | add")" = 0 ]
		run -2 bash -c "blkmeter --json <$name 2>json >/dev/full"
		[ "$(grep '^{' json | tail -n 1 | jq "[$fields] | map(. // 0) | add")" = 0 ]
		run -2 bash -c "cat $name | blkmeter -nb 2>numbers >/dev/full"
		[ "$(grep -c '^0$' numbers)" -ge 1 ]
	done
}

@test "the last JSON object names each way to end" {
	make_stream
	mkfifo pipe

	run -2 bash -c 'head -c 5000 stream | blkmeter --json 2>json'
	[ "$(last_json json state)" = cut ]
	run -2 bash -c '(cat stream; echo) | blkmeter --json 2>json'
	[ "$(last_json json state)" = broken ]
	run -2 bash -c 'blkmeter --json <stream 2>json >/dev/full'
	[ "$(grep "^{" json | jq -r .state)" = failed ]
	run -141 bash -c 'blkmeter --json </dev/zero 2>json | true; exit ${PIPESTATUS[0]}'
	[ "$(last_json json state)" = failed ]
	background bash -c 'exec sleep 60 >pipe'
	run -2 bash -c 'blkmeter --json --watchdog 0.3 <pipe 2>json'
	[ "$(grep "^{" json | jq -r .state)" = stalled ]
	run -143 bash -c 'blkmeter --json <pipe 2>json & sleep 0.3; kill $!; wait $!'
	[ "$(last_json json state)" = interrupted ]
}

@test "USR1 prints a line whatever standard error is" {
	make_stream

	trickle stream 400000 0.3 | {
		blkmeter >out 2>line &
		pid=$!
		sleep 0.5
		kill -USR1 "$pid"
		wait "$pid"
	}

	[ "$(wc -l <line)" = 1 ]
	grep -Eq '^blkmeter: +[0-9.]+ .iB of 2.0 MiB +[0-9]+% ' line
	cmp stream out
}

@test "a display that nobody reads neither ends nor holds up the transfer" {
	make_noise noise 2M

	run -0 bash -c '{ blkmeter -f -i 0.1 -L 4M <noise 2>&1 >out; echo $? >status; } | true'
	[ "$(cat status)" = 0 ]
	cmp noise out
	mkfifo line
	run -0 timeout 20 bash -c 'exec 9<>line; timeout 1 cat /dev/zero >&9
		blkmeter --json -i 0.1 -L 4M <noise >out 2>&9'
	cmp noise out
}

@test "the letters of pv are taken" {
	make_stream

	blkmeter -ptrb -e -a -s 2M <stream >out
	cmp stream out
	blkmeter --progress --timer --eta --rate --average-rate --bytes --quiet --force \
		--interval 2 --size 1G --name x --rate-limit 1G --buffer-size 1M <stream >out
	cmp stream out
}

@test "files are passed one after the other, as pv passes them, and their sizes are the total" {
	make_noise first 300K
	make_noise second 700K
	: >empty
	make_stream

	for options in "" "-B 64K"; do
		# shellcheck disable=SC2086
		blkmeter $options -n first empty second 2>numbers >out
		cat first second | cmp - out
		[ "$(tail -n 1 numbers)" = 100 ]
		# shellcheck disable=SC2086
		blkmeter $options first - second <empty | cmp - <(cat first second)
		# shellcheck disable=SC2086
		cat second | blkmeter $options first - | cmp - <(cat first second)
	done
	[ "$(blkmeter -q stream | blksum)" = "$(blksum <stream)" ]
	run -2 --separate-stderr blkmeter first missing second
	[ -z "$output" ]
	[ "$stderr" = "blkmeter: missing: No such file or directory" ]
	run -2 --separate-stderr eval "blkmeter stream first >out"
	[[ $stderr == "blkmeter: stream: stream byte "*": bytes behind the last record" ]]
	run -2 --separate-stderr eval "blkmeter first / >out"
	[ "$stderr" = "blkmeter: /: Is a directory" ]
}

@test "the size of a file on standard input is known" {
	make_noise noise 2M

	blkmeter -n <noise 2>numbers | cmp - noise
	[ "$(tail -n 1 numbers)" = 100 ]
	{ head -c 1M >half; blkmeter --json 2>json >out; } <noise
	[ "$(last_json json size)" = 1048576 ]
	[ "$(last_json json percent)" = 100 ]
	cat noise | blkmeter --json 2>json >out
	[ "$(last_json json size)" = null ]
	blkmeter -s 4M --json <noise 2>json >out
	[ "$(last_json json percent)" = 50 ]
}

@test "-n -t prints the time before each number, as pv does" {
	make_noise noise 1M

	blkmeter -n -t -i 0.1 -L 4M <noise 2>numbers >out
	[ "$(grep -vcE '^[0-9]+\.[0-9]{4} [0-9]+$' numbers)" = 0 ]
	grep -qE '^[0-9.]+ 100$' numbers
	blkmeter -n -b -t <noise 2>numbers >out
	grep -qE '^[0-9.]+ 1048576$' numbers
}

@test "pv's letters that are not there are refused with what serves instead" {
	for letter in "-F %p" "-d 1" "-R 1" -l -0 -E "-S" -I "-P file" -A -T -X -K; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr blkmeter $letter 1 </dev/null
		echo "$stderr"
		[[ ${stderr_lines[0]} == "blkmeter: ${letter%% *}: "?????* ]]
	done
}

@test "-w sets the width of the line, whatever the terminal says" {
	make_noise noise 2M

	for columns in 30 60 120; do
		COLUMNS=80 blkmeter -f -i 0.1 -L 4M -w "$columns" <noise 2>line >out
		tr '\r' '\n' <line | grep ETA | awk -v most="$columns" 'length > most { print; bad = 1 } END { exit bad }'
		tr '\r' '\n' <line | grep -q ETA
	done
}

@test "-W counts no time before the first byte, and -D shows nothing for so long" {
	make_noise noise 64K

	{ sleep 2; cat noise; } | blkmeter -W --json -i 0.1 2>json >out
	[ "$(grep -c . json)" -le 5 ]
	[ "$(last_json json elapsed | cut -d . -f 1)" = 0 ]
	{ sleep 1; cat noise; } | blkmeter -D 100 -f -i 0.1 2>line >out
	! grep -q '%' line
}

@test "the time in which it is stopped counts neither in the rate nor in the time" {
	mkfifo pipe
	background bash -c 'exec blkmeter --json -i 0.2 <pipe >out 2>json'
	exec 8>pipe
	head -c 64K /dev/zero >&8
	wait_for 10 test -s json
	kill -STOP "$pid"
	sleep 6
	kill -CONT "$pid"
	head -c 64K /dev/zero >&8
	exec 8>&-
	wait "$pid"

	cat json
	[ "$(last_json json elapsed | cut -d . -f 1)" -lt 5 ]
}

@test "options that make no sense are refused with the usage or a reason" {
	local line

	while IFS= read -r line; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr blkmeter $line </dev/null
		[ "${#stderr_lines[@]}" -le 3 ]
		[[ $stderr = "blkmeter: -"* || $stderr = "blkmeter: missing: "* || $stderr = *"option"* ]]
		[ -z "$output" ]
	done <<-'EOC'
		-s 12abc
		-s -1
		-B 1
		-B 9E
		-i 0
		-i 1e3
		-i 4000
		-i nan
		--watchdog 0
		--watchdog x
		-n --json
		-w 0
		-w x
		-D 0
		missing
		-Z
		--nonsense
	EOC
}

@test "JSON stays JSON whatever the name, and a name that is too long is refused" {
	long=$(printf 'x%.0s' {1..1000})
	odd=$(printf '\377"\\%.0s' {1..341} | head -c 1024)

	for name in "$long" "$odd" $'"\\\xff'; do
		blkmeter --json -N "$name" </dev/null 2>json
		jq -e .state json
	done
	blkmeter --json -N "$long" </dev/null 2>json
	[ "$(last_json json name)" = "$long" ]

	run -2 --separate-stderr blkmeter -N "$long$long" </dev/null
	[ "$stderr" = "blkmeter: -N: a name of at most 1024 bytes" ]
	for name in $'two\nlines' $'a\033[31m' $'end\177'; do
		run -2 --separate-stderr blkmeter -q -N "$name" </dev/null
		[ "${stderr%%$'\n'*}" = "blkmeter: -N: a name of printable characters" ]
	done
}
