#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkzip on block streams: what it changes, what it lets through, what it refuses.

load ../helpers

# make_stream FILE [SIZE]: the stream of an image, which is left in image.
make_stream() {
	make_image image "${2:-2M}"
	blkread image >"$1"
}

# small_stream FILE: one of a few hundred bytes.
small_stream() {
	seq 1 20 | head -c 40 >image
	blkread image >"$1"
}

# refused TEXT FILE: a test calls the stream broken, in one line that has the text.
refused() {
	run -2 --separate-stderr blkzip -t "$2"
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "blkzip: $2: "*"$1"* ]]
}

@test "a stream comes back byte for byte, from every level and number of threads" {
	make_stream plain

	for options in "" -1 -2 -3 -4 -5 -6 -7 -8 -9 --adapt "--adapt -1" "-j 1" "-9j 7" "-j 64"; do
		# shellcheck disable=SC2086
		blkzip $options <plain >packed
		blkzip -d <packed | cmp - plain
		blkzip -d -j 1 packed | cmp - plain
	done
}

@test "a compressed stream is smaller, and noise in it is stored" {
	make_stream plain
	make_noise noise 1M
	blkread noise >noise.plain

	blkzip <plain >packed
	blkzip -9 <plain >small
	blkzip <noise.plain >noise.packed

	[ "$(stat -c %s packed)" -lt $(($(stat -c %s plain) * 3 / 4)) ]
	[ "$(stat -c %s small)" -lt "$(stat -c %s packed)" ]
	cmp noise.plain noise.packed
}

@test "compressing twice is compressing once" {
	make_stream plain
	blkzip <plain >packed

	blkzip <packed | cmp - packed
	blkzip -9 <packed | cmp - packed
	blkzip --store <packed | cmp - packed
	blkzip --adapt <packed | cmp - packed
}

@test "--store passes a stream on as it is, and so does -d a plain one" {
	make_stream plain

	blkzip --store <plain | cmp - plain
	blkzip -d <plain | cmp - plain
}

@test "the device, its digest and the number of records are those of the plain stream" {
	make_stream plain

	blkzip <plain | blkwrite --create copy
	blkzip <plain | blkzip -d | blkwrite --create copy2

	cmp image copy
	cmp image copy2
	[ "$(blkzip <plain | blksum | cut -d ' ' -f 1)" = "$(blksum image | cut -d ' ' -f 1)" ]
}

@test "testing a whole stream says nothing" {
	make_stream plain
	blkzip <plain >packed
	blksum --map image >map
	blkzip <map >map.packed

	for file in plain packed map map.packed; do
		run -0 --separate-stderr blkzip -t $file
		[ -z "$output$stderr" ]
		run -0 --separate-stderr sh -c "blkzip -t <$file"
		[ -z "$output$stderr" ]
	done
}

@test "a map comes back byte for byte" {
	make_image image 2M
	yes | head -c 8M >>image
	blksum --map image >map

	blkzip <map >packed

	[ "$(stat -c %s packed)" -lt "$(stat -c %s map)" ]
	blkzip -d <packed | cmp - map
}

@test "a flipped bit is found wherever it is, and the output never looks complete" {
	small_stream plain

	python3 - <<-'EOP'
	import os, subprocess
	data = open("plain", "rb").read()
	def run(input, *options):
	    return subprocess.run(["blkzip", *options], input=input, capture_output=True)
	for bit in range(0, 8 * len(data), 21 if os.environ.get("SANITIZER") else 5):
	    bad = bytearray(data)
	    bad[bit // 8] ^= 1 << bit % 8
	    test = run(bad, "-t")
	    assert test.returncode == 2 and test.stderr.count(b"\n") == 1, (bit, test)
	    if bit < 64 or bit % 25:
	        continue
	    packed = run(bad)
	    assert packed.returncode == 2 and packed.stderr.count(b"\n") == 1, (bit, packed)
	    assert run(packed.stdout, "-t").returncode == 2, bit
	EOP
}

@test "a cut is found wherever it is, and the output says why it ends" {
	small_stream plain

	python3 - <<-'EOP'
	import subprocess
	data = open("plain", "rb").read()
	def run(input, *options):
	    return subprocess.run(["blkzip", *options], input=input, capture_output=True)
	for cut in range(8, len(data), 3):
	    packed = run(data[:cut])
	    assert packed.returncode == 2 and packed.stderr.count(b"\n") == 1, (cut, packed)
	    if cut < 128:
	        assert packed.stdout == b"", cut
	        continue
	    again = run(packed.stdout, "-t")
	    assert again.returncode == 2, cut
	    text = b"the sending side gave up: blkzip: standard input: stream byte %d" % cut
	    assert text in again.stderr, (cut, again)
	EOP
}

@test "a wrong payload is named by the byte of the stream and of the device" {
	seq 1 200000 | head -c 600000 >image
	blkread image >plain
	blkzip <plain >packed
	flip_bit plain $((8 * (128 + 64 + 262144 + 64 + 1000)))
	second=$((128 + 64 + $(od -An -tu4 -j $((128 + 32)) -N 4 packed)))
	flip_bit packed $((8 * (second + 64 + 1000)))

	refused "stream byte 262336, device byte 262144: DATA record with a wrong checksum" plain
	refused "stream byte $second, device byte 262144: DATA record with a wrong checksum" packed
	for option in -1 -d; do
		for file in plain packed; do
			run -2 --separate-stderr sh -c "blkzip $option <$file >out"
			[[ $stderr == *", device byte 262144: DATA record with a wrong checksum" ]]
			refused "the sending side gave up: $stderr" out
		done
	done
}

@test "bytes behind the END record are refused" {
	make_stream plain
	cp plain garbage
	echo >>garbage
	cat plain plain >twice

	refused "stream byte $(stat -c %s plain): bytes behind the END record" garbage
	refused "bytes behind the END record" twice
	run -2 --separate-stderr sh -c 'blkzip <garbage >out'
	refused "the sending side gave up" out
}

@test "an ABORT record is passed on with its text, through any number of stages" {
	make_stream plain
	cut_file plain 100000
	blkzip <plain >aborted 2>message || true

	run -2 --separate-stderr sh -c 'blkzip -9 <aborted | blkzip -d | blkzip >out'

	[[ $(cat message) == "blkzip: standard input: stream byte 100000, device byte "*": the stream was cut: end of file before its END record" ]]
	[[ $stderr == *"the sending side gave up: $(cat message)"* ]]
	run -2 --separate-stderr sh -c 'blkwrite --create copy <out'
	[[ $stderr == *"$(cat message)"* ]]
}

@test "nothing is written after a broken header" {
	make_stream plain
	python3 - <<-'EOP'
	data = open("plain", "rb").read()
	open("zeros", "wb").write(data[:8] + bytes(120) + data[128:])
	EOP

	run -2 --separate-stderr sh -c 'blkzip <zeros >out'

	[ "$stderr" = "blkzip: standard input: stream byte 0: header with a wrong checksum" ]
	[ ! -s out ]
}

@test "a silent peer after the END record does not hold it up" {
	make_stream plain

	mkfifo in
	background sh -c 'exec blkzip <in >packed'
	zip=$pid
	exec 7>in

	cat plain >&7

	wait_for 10 gone "$zip"
	wait "$zip"
	exec 7>&-
	blkzip -t packed
}

@test "with -r a stream is bytes like others" {
	make_stream plain

	blkzip -r <plain >packed

	gzip -dc <packed | cmp - plain
	blkzip -d <packed | cmp - plain
	run -2 --separate-stderr blkzip -dr plain
	[ "$stderr" = "blkzip: plain: at byte 0: neither gzip nor a block stream" ]
	run -2 --separate-stderr blkzip -tr plain
	blkzip -tr packed
}

@test "a full disk, a closed output and a closed input are reported" {
	make_stream plain

	for option in -1 -d --store; do
		run -2 --separate-stderr sh -c "blkzip $option <plain >/dev/full"
		[ "$stderr" = "blkzip: standard output: No space left on device" ]
		run -2 --separate-stderr sh -c "blkzip $option <plain >&-"
		[ "$stderr" = "blkzip: standard output: Bad file descriptor" ]
	done
	run -2 --separate-stderr sh -c 'blkzip -t <&-'
	[[ $stderr == *"Bad file descriptor" ]]
}

@test "a stream is not written to a terminal" {
	require script
	make_stream plain

	for option in "" -d --store; do
		run script -qec "blkzip $option plain 2>err" /dev/null
		[ "$status" = 2 ]
		grep -q "is not written to a terminal" err
	done
	run script -qec 'blkzip -t plain' /dev/null
	[ "$status" = 0 ]
}

@test "it ends when its reader does, while it waits for input" {
	make_stream plain
	mkfifo in out
	background sh -c 'blkzip <in >out; echo $? >status'
	exec 7>in 8<out
	head -c 1000 plain >&7

	exec 8<&-

	wait_for 2 test -s status
	exec 7>&-
	[ "$(cat status)" = 141 ]
}

@test "it dies by the signal it gets, and its output does not look complete" {
	make_stream plain

	for signal in TERM INT HUP KILL; do
		rm -f in out status pid
		mkfifo in
		background python3 -c '
import os, subprocess, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
with open("in", "rb") as i, open("out", "wb") as o:
    code = subprocess.Popen(["blkzip"], stdin=i, stdout=o)
    open("pid.new", "w").write(str(code.pid))
    os.rename("pid.new", "pid")
    status = code.wait()
open("status", "w").write(str(status))'
		exec 7>in
		head -c 1000000 plain >&7
		wait_for 10 test -s out
		wait_for 10 test -s pid

		kill -$signal "$(cat pid)"

		wait_for 2 test -s status
		exec 7>&-
		[ "$(cat status)" = "-$(kill -l $signal)" ]
		run -2 --separate-stderr blkzip -t out
	done
}

@test "SIGUSR1 prints how far it is" {
	make_stream plain
	mkfifo in
	background sh -c 'exec blkzip <in >out 2>err'
	exec 7>in
	head -c 1000000 plain >&7
	wait_for 10 test -s out

	kill -USR1 "$pid"

	wait_for 5 test -s err
	exec 7>&-
	grep -q "blkzip compressing" err
}

@test "memory does not grow with the stream" {
	make_image image 16M
	truncate -s 1T image
	limit=32
	[ -z "${SANITIZER:-}" ] || limit=512
	python3 -c '
import resource, subprocess, sys
read = subprocess.Popen(["blkread", "image"], stdout=subprocess.PIPE)
subprocess.run(["blkzip", "-j", "3"], stdin=read.stdout, stdout=open("packed", "wb"), check=True)
read.stdout.close()
assert read.wait() == 0
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
assert used < int(sys.argv[1]) << 10, used' "$limit"

	blkzip -t packed
}

@test "--adapt between pipes passes a stream on unchanged, and stops where it is broken" {
	make_stream plain 8M
	blkzip <plain >packed
	small_stream small

	cat plain | blkzip --adapt | cat >out
	blkzip -d <out | cmp - plain
	cat packed | blkzip --adapt | cat | cmp - packed
	python3 - <<-'EOP'
	import subprocess
	data = open("small", "rb").read()
	def run(input, *options):
	    return subprocess.run(["blkzip", *options], input=input, capture_output=True)
	assert run(data, "--adapt").stdout == data
	for cut in range(8, len(data), 7):
	    passed = run(data[:cut], "--adapt")
	    assert passed.returncode == 2 and passed.stderr.count(b"\n") == 1, (cut, passed)
	    assert run(passed.stdout, "-t").returncode == 2, cut
	for bit in range(64, 8 * len(data), 45):
	    bad = bytearray(data)
	    bad[bit // 8] ^= 1 << bit % 8
	    passed = run(bad, "--adapt")
	    assert passed.returncode in (0, 2), (bit, passed)
	    assert run(passed.stdout, "-t").returncode == 2, bit
	large = open("plain", "rb").read()[:300000]
	passed = run(large, "--adapt")
	assert b"stream byte 300000, " in passed.stderr, passed.stderr
	assert run(passed.stdout, "-t").returncode == 2
	EOP
}

@test "--adapt compresses for a slow reader, and stores for one that is quick" {
	seq 1 4000000 | head -c 24M >image
	blkread image >plain
	slow='
import sys, time
total = 0
while part := sys.stdin.buffer.raw.read(65536):
    sys.stdout.buffer.write(part)
    time.sleep(0.005)'

	blkzip --adapt <plain | python3 -c "$slow" >slow

	blkzip -d <slow | cmp - plain
	[ "$(stat -c %s slow)" -lt $((20 << 20)) ]
}

# --- what users of gzip and pigz expect ------------------------------------------

@test "--single makes one member, which every decoder reads whole, on any number of threads" {
	make_image image 5M
	: >empty
	head -c 1000 image >small

	for file in image small empty; do
		for options in "" -9 "-j 1" "-j 8" --store; do
			# shellcheck disable=SC2086
			blkzip --single $options <"$file" >single.gz
			gunzip -c single.gz | cmp - "$file"
			blkzip -d single.gz | cmp - "$file"
			python3 -c 'import sys, zlib
d = zlib.decompressobj(31)
out = d.decompress(open("single.gz", "rb").read())
assert d.eof and not d.unused_data
sys.stdout.buffer.write(out)' | cmp - "$file"
		done
	done
	blkzip --single image >single.gz
	[ "$(gzip -l single.gz | awk 'NR == 2 { print $2 }')" = 5242880 ]
	[ "$(stat -c %s single.gz)" -lt 4500000 ]
	# Without it the same decoder stops after the first member.
	blkzip image >many.gz
	[ "$(python3 -c 'import zlib
print(len(zlib.decompressobj(31).decompress(open("many.gz", "rb").read())))')" = 262144 ]
}

@test "--single is noticed to be cut, and goes with raw bytes and compression alone" {
	make_image image 2M
	blkread image >stream

	blkzip --single image | head -c -9 >cut
	run -1 gunzip -c cut
	run -2 --separate-stderr bash -c "blkzip -d cut >out"
	run -2 --separate-stderr bash -c "blkzip --single stream >out"
	[ "$stderr" = "blkzip: stream: a block stream, which has no members: --single goes with raw bytes (-r takes the stream for such)" ]
	blkzip -r --single stream | gunzip | cmp - stream
	for option in -d -t -l --adapt; do
		run -2 --separate-stderr bash -c "blkzip --single $option image >out"
		[ "$stderr" = "blkzip: --single compresses, at one level: it goes with neither --adapt, -d, -l nor -t" ]
	done
}

@test "-l tells the truth of many members, of others' files and of streams" {
	make_image image 5M
	blkread image | blkzip >stream.blk
	blkzip image >image.gz
	{ gzip -c image; gzip -c image; } >two.gz

	run -0 blkzip -l image.gz
	[ "${lines[0]}" = "$(gzip -l image.gz | head -n 1)" ]
	read -r packed plain ratio name <<<"${lines[1]}"
	[ "$packed $plain $name" = "$(stat -c %s image.gz) 5242880 image" ]
	[[ $ratio =~ ^-?[0-9.]+%$ ]]
	read -r packed plain ratio name < <(blkzip -l two.gz | tail -n 1)
	[ "$packed $plain $name" = "$(stat -c %s two.gz) 10485760 two" ]
	read -r packed plain ratio name < <(blkzip -l <stream.blk | tail -n 1)
	[ "$packed $plain $name" = "$(stat -c %s stream.blk) 5242880 stdout" ]
	gzip -c image >one.gz
	[ "$(blkzip -l one.gz | awk 'NR == 2 { print $1, $2, $4 }')" = "$(gzip -l one.gz | awk 'NR == 2 { print $1, $2, $4 }')" ]
	head -c 100000 image.gz >cut.gz
	run -2 --separate-stderr blkzip -l cut.gz
	[ -z "$output" ]
	run -2 --separate-stderr bash -c "blkzip -l image.gz >/dev/full"
}

@test "gzip's and pigz's letters for what is done anyway are taken" {
	make_image image 1M

	blkzip -k -f -q -n -p 2 -c image >image.gz
	gunzip -c image.gz | cmp - image
	blkzip --keep --force --quiet --no-name --processes 2 -d image.gz | cmp - image
	[ -e image ] && [ -e image.gz ]
	run -2 --separate-stderr blkzip -p 0 image
	run -0 script -qec "blkzip -f image >/dev/tty" /dev/null
}

@test "the manual's examples work as they are printed" {
	require mandoc col
	start_sshd
	make_image image 3M
	mv image disk.img
	mandoc -Tascii "$root/filters/blkzip.1" | col -bx | sed -n '/^EXAMPLES/,/^DIAGNOSTICS/s/^ *\$ //p' >examples
	[ "$(wc -l <examples)" = 6 ]

	{
		echo "set -eo pipefail"
		echo "ssh() { command ssh -F '$config' \"\$1\" \"cd '$dir' && \$(printf '%s ' \"\${@:2}\")\"; }"
		cat examples
	} >script
	bash script

	for copy in copy.img copy2.img copy3.img copy4.img; do
		cmp disk.img $copy
	done
}

# Bit 0 of the features that a stream requires.
needs_zstd() {
	[ "$(od -An -tu1 -j 16 -N 1 "$1" | tr -d ' ')" = 1 ]
}

require_zstd() {
	seq 1 200000 >image
	blkread image >stream
	blkzip -m zstd <stream >zstd.blk || {
		echo "blkzip was built without zstd: libzstd-dev is missing"
		return 1
	}
}

@test "-m zstd makes a stream that says so, is small, and is taken by every filter" {
	require_zstd

	needs_zstd zstd.blk
	[ "$(stat -c %s zstd.blk)" -lt "$(($(stat -c %s stream) / 3))" ]
	blkzip -t <zstd.blk
	blkmeter -q <zstd.blk | blkwrite --create copy
	cmp image copy
	[ "$(blksum <zstd.blk)" = "$(blksum <image | sed 's/  .*/  -/')" ]
}

@test "-d takes zstd out, and the need of it" {
	require_zstd

	blkzip -d <zstd.blk | cmp - stream
}

@test "deflate and zstd may stand in one stream, and both pass another blkzip" {
	require_zstd
	blkzip -1 <zstd.blk | cmp - zstd.blk
	blkzip -1 <stream | blkzip -m zstd >both
	needs_zstd both
	blkzip -d <both | cmp - stream
}

@test "--adapt -m zstd brings the image over, whatever it chooses" {
	require_zstd

	blkread image | blkzip --adapt -m zstd | blkwrite --create copy
	cmp image copy
}

@test "a map is compressed with zstd, and compared" {
	require_zstd
	blksum --map image | blkzip -m zstd -9 >map
	needs_zstd map

	blkdiff --map map image | blkzip -d >delta
	blkwrite image <delta
}

@test "raw bytes are not compressed with zstd, and nothing is written" {
	run -2 --separate-stderr blkzip -m zstd <<<"raw bytes"

	[ -z "$output" ]
	[ "$stderr" = "blkzip: standard input: not a block stream; only that is compressed with zstd, raw bytes become gzip" ]
}

@test "a method that there is not is refused, and named are those that there are" {
	run -2 --separate-stderr blkzip -m lzma <<<"raw bytes"

	[ "$stderr" = "blkzip: lzma: the methods are deflate and zstd" ]
}

@test "a zstd stream that is cut or changed is refused, and nothing looks like a disk" {
	require_zstd
	size=$(stat -c %s zstd.blk)
	head -c $((size - 100)) zstd.blk >cut

	run -2 --separate-stderr blkwrite --create copy <cut
	[[ $stderr == *"stream byte "*"the stream was cut"* ]]
	cmp -n 1M copy /dev/zero

	for at in 16 200 $((size / 2)); do
		cp zstd.blk changed
		printf '\xa5' | dd of=changed bs=1 seek="$at" conv=notrunc status=none
		run -2 --separate-stderr blkzip -t <changed
		[[ $stderr == *"checksum"* ]]
	done
}

@test "--adapt begins with level 1: data that fits into the pipe at once is deflated too" {
	yes 'a line of a log that deflates' | head -c 4M >text

	blkread text | blkzip --adapt >stream
	blkzip -r --adapt <text >gzip

	[ "$(stat -c %s stream)" -lt 400000 ]
	[ "$(stat -c %s gzip)" -lt 400000 ]
}

@test "all processors are used where more are possible than a fixed set has room for" {
	require strace
	make_stream stream 64K

	strace -f -qq -o all -e trace=clone,clone3,sched_getaffinity blkzip -t stream
	strace -f -qq -o large -e trace=clone,clone3,sched_getaffinity \
		-e inject=sched_getaffinity:error=EINVAL:when=1 blkzip -t stream

	grep -q 'EINVAL.*INJECTED' large
	# A call that another thread interrupts has two lines; only the first has a parenthesis.
	[ "$(grep -cE 'clone3?\(' large)" = "$(grep -cE 'clone3?\(' all)" ]
}
