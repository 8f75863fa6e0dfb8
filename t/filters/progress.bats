#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a person at a terminal sees of a pipeline.

load ../helpers

# on_terminal COLUMNS COMMAND: run it by bash with a terminal of its own as standard
# error; what was drawn is in drawn, each redraw on a line of its own (the lines that
# end begin with "|").  $status is the command's.  Keys, seconds apart, may follow.
on_terminal() {
	status=0
	python3 - "$@" <<-'EOP' || status=$?
		import fcntl, os, pty, struct, sys, termios, threading, time
		columns, command, keys = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
		pid, terminal = pty.fork()
		if pid == 0:
		    time.sleep(0.1)
		    os.execvp("bash", ["bash", "-c", command])
		def size(columns):
		    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
		size(columns)
		def press():
		    for key in keys:
		        seconds, what = key.split(":")
		        time.sleep(float(seconds))
		        if what.isdigit():
		            size(int(what))
		        else:
		            os.write(terminal, bytes.fromhex(what[1:]))
		threading.Thread(target=press, daemon=True).start()
		drawn = b""
		try:
		    while piece := os.read(terminal, 4096):
		        drawn += piece
		except OSError:
		    pass
		with open("drawn", "w") as out:
		    for line in drawn.decode().replace("\r\n", "\n|").split("\r"):
		        out.write(line + "\n")
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
	EOP
}

@test "blkmeter draws one line that fits the terminal, and sums up on the next" {
	local columns

	make_noise image 4M
	blkread image >stream
	for columns in 20 40 80 120 300; do
		on_terminal $columns 'blkmeter -N web -i 0.2 -L 6M <stream >out'
		[ "$status" = 0 ]
		cmp stream out
		grep -q '[0-9]%' drawn
		[ "$(grep -c '^|' drawn)" -le 1 ]
		grep -q '^web: 4.0 MiB (4194304 bytes) in ' drawn
		[ "$(grep '%' drawn | awk '{ sub(/ +$/, ""); print length }' | sort -n | tail -n 1)" -lt $columns ]
	done
}

@test "the line follows the terminal when that becomes narrower" {
	make_noise image 6M
	blkread image >stream

	on_terminal 120 'blkmeter -i 0.2 -L 4M <stream >out' 0.8:40

	[ "$(grep '%' drawn | head -n 1 | awk '{ print length }')" -gt 80 ]
	[ "$(grep '%' drawn | tail -n 1 | awk '{ sub(/ +$/, ""); print length }')" -lt 40 ]
}

@test "an interrupted line ends, and the pipeline dies by the signal" {
	on_terminal 80 'blkmeter -i 0.2 -L 4M </dev/zero >/dev/null' 1:x03

	[ "$status" -ne 0 ]
	tail -n 1 drawn | grep -q '^|'
	[ "$(grep -c 'MiB/s' drawn)" -ge 2 ]
}

@test "of the filters on a terminal only one draws, and that is blkmeter" {
	make_noise image 10M

	on_terminal 80 'blkread image | blkmeter -i 0.5 -L 2M | blkwrite --create target'

	[ "$status" = 0 ]
	cmp image target
	[ "$(grep -c '%' drawn)" -ge 5 ]
	sed '/bytes) in /,$d' drawn >meanwhile
	run -1 grep 'blkread\|blkwrite' meanwhile
}

@test "without blkmeter a filter that takes long shows its own progress" {
	make_noise image 8M

	on_terminal 80 'blkread image | blkmeter -q -L 2M >out'

	[ "$status" = 0 ]
	grep -q 'blkread reading: .*[0-9]%' drawn
}

@test "a transfer of less than two seconds shows nothing" {
	make_noise image 2M

	on_terminal 80 'blkread image | blkwrite --create target'

	[ "$status" = 0 ]
	[ "$(tr -d '\n|' <drawn)" = '' ]
}

@test "a pipeline in the background draws nothing" {
	on_terminal 80 'set -m; timeout 2 blkmeter -i 0.2 -L 4M </dev/zero >/dev/null & sleep 1.5; kill $!; wait'

	run -1 grep 'MiB/s' drawn
}

@test "a warning gets its own line" {
	make_noise image 4M
	blkread image >stream
	patch_bytes stream $((128 + 8 * (64 + 262144) + 10)) ff

	on_terminal 80 'blkmeter -i 0.2 -L 3M <stream >out'

	[ "$status" = 2 ]
	grep -q '^|*blkmeter: standard input: stream byte .*: record header with a wrong checksum; the rest' drawn
}

@test "a terminal that is stopped stops no transfer" {
	make_noise noise 3M

	# Control-S, and never Control-Q: the last line waits, the bytes do not.
	on_terminal 80 'blkmeter -i 0.1 -L 2M <noise | { cat >out; echo >whole; } & sleep 4; test -e whole; kill $!; exit' 0.5:x13 6:x11

	cmp noise out
	[ -e whole ]
}

# stuck HOW SIGNAL COMMAND [ARGUMENT ...]: a standard error that takes no bytes, a full pipe
# or a terminal stopped by Ctrl-S; the signal after a second must end the command by itself
# within two.  Its standard input is the file "input" and then nothing, without an end.
stuck() {
	python3 - "$@" <<-'EOP'
		import os, pty, signal, subprocess, sys, termios, time
		how, number, command = sys.argv[1], getattr(signal, "SIG" + sys.argv[2]), sys.argv[3:]
		read, error = pty.openpty() if how == "terminal" else os.pipe()
		if how == "terminal":
		    termios.tcflow(error, termios.TCOOFF)
		else:
		    os.set_blocking(error, False)
		    try:
		        while True:
		            os.write(error, bytes(4096))
		    except BlockingIOError:
		        os.set_blocking(error, True)
		filter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=error)
		with open("input", "rb") as data:
		    try:
		        filter.stdin.write(data.read())
		        filter.stdin.flush()
		    except BrokenPipeError:
		        pass
		time.sleep(1)
		assert filter.poll() is None, filter.returncode
		filter.send_signal(number)
		try:
		    status = filter.wait(2)
		except subprocess.TimeoutExpired:
		    filter.kill()
		    filter.wait()
		    sys.exit(f"{command}: still there 2 s after {number}")
		assert status == -number, status
	EOP
}

# all_stuck: each line of standard input is the arguments of one stuck; side by side.
all_stuck() {
	local words pids=() pid

	while read -ra words; do
		stuck "${words[@]}" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

@test "a signal ends a filter whose standard error takes no bytes" {
	local how signal

	make_image image 4M
	blkread image >stream
	head -c 60000 stream >input
	truncate -s 4M target.{pipe,terminal}.{TERM,INT,HUP}
	for how in pipe terminal; do
		for signal in TERM INT HUP; do
			echo $how $signal blkmeter --json -i 0.1
			echo $how $signal blkwrite --progress target.$how.$signal
		done
		echo $how TERM blkmeter -f -i 0.1
		echo $how TERM blkmeter --watchdog 0.5
		echo $how TERM blkzip
		echo $how TERM blksum -
	done >cases

	all_stuck <cases
}

@test "a signal ends a filter that waits with its last words for standard error" {
	local how

	make_image image 4M
	blkread image >stream
	flip_bit stream 9000
	head -c 60000 stream >input
	truncate -s 4M target.{pipe,terminal}
	for how in pipe terminal; do
		echo $how TERM blkwrite target.$how
		echo $how TERM blkmeter
		echo $how TERM blkzip -t
		echo $how TERM blksum -
		echo $how TERM blkread none
		echo $how TERM blkdiff none image
	done >cases

	all_stuck <cases
}
