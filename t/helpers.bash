# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every *.bats file loads this: `load ../helpers`.
#
# Each test runs in a fresh folder, $dir, which is also the working directory, with
# the programs of $BIN (bin/ by default) first in PATH.  What a test sets up is
# registered with at_end and taken down in reverse order whatever became of the test.
# A file that needs its own setup or teardown calls test_begin or test_end in it.
#
# Helpers that give something set a variable ($device, $folder, $pid, $port), so they
# are called plainly, never as $(helper).

# Read for each test: nothing here starts a process.
cd "${BASH_SOURCE[0]%/*}/.." || exit
root=$PWD
cd "$OLDPWD" || exit
if ! declare -F bats_require_minimum_version >/dev/null; then
	# shellcheck source=t/old-bats.bash
	. "$root/t/old-bats.bash"
fi
bats_require_minimum_version 1.5.0

case ${BIN:=$root/bin} in
/*) ;;
*) BIN=$root/$BIN ;;
esac
export BIN
export LC_ALL=C
# Programs that scripts/deps installs come before a person's own: a python3 of pyenv takes a
# second to start.
export PATH=$BIN:/usr/bin:/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PYTHONDONTWRITEBYTECODE=1

# A make that a test runs must not take itself for a child of this one.
unset MAKEFLAGS MFLAGS MAKELEVEL

# A test that hangs is a failed test; every wait in here is shorter than this.
: "${BATS_TEST_TIMEOUT:=300}"
export BATS_TEST_TIMEOUT

setup() {
	test_begin
}

teardown() {
	test_end
}

test_begin() {
	dir=${BATS_TEST_TMPDIR:-$(mktemp -d "${TMPDIR:-/tmp}/blktest.XXXXXX")}
	: >"$dir/.end"
	cd "$dir" || return
}

test_end() {
	local lines i

	[ -n "${dir:-}" ] || return 0
	cd /
	mapfile -t lines <"$dir/.end"
	for ((i = ${#lines[@]}; i > 0; i--)); do
		eval "${lines[i - 1]}" || true
	done
	rm -rf --one-file-system "$dir"
}

# at_end COMMAND [ARGUMENT ...]: run it when the test is over, the last one first.
at_end() {
	printf '%q ' "$@" >>"$dir/.end"
	echo >>"$dir/.end"
}

# require TOOL ...: skip, saying which is missing.  In CI a skip is a failure.
require() {
	local tool

	for tool; do
		type -P "$tool" >/dev/null || skip "needs $tool"
	done
}

require_root() {
	[ "$(id -u)" = 0 ] || skip "$1 need root"
}

# every N FILE ...: each Nth of them, in $some; all of them where THOROUGH is set, fewer where a
# sanitizer makes each program start slowly.
every() {
	local i step=$1

	[ -z "${SANITIZER:-}" ] || step=$(($1 * 4))
	[ -z "${THOROUGH:-}" ] || step=1
	some=()
	for ((i = 2; i <= $#; i += step)); do
		some+=("${!i}")
	done
}

# wait_for SECONDS COMMAND [ARGUMENT ...]: until it succeeds; false when time is up.  The seconds are
# enough on a machine that does nothing else; $PATIENCE, where tests may take hours, multiplies them.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * ${PATIENCE:-1} * 1000000)) began pause

	shift
	began=${EPOCHREALTIME/./}
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		# Spend at most half of the time looking; the event itself needs the other half.
		pause=$((${EPOCHREALTIME/./} - began + 50000))
		sleep "$((pause / 1000000)).$(printf %06d $((pause % 1000000)))"
		began=${EPOCHREALTIME/./}
	done
}

# gone PID ...: true if all of the processes have ended.  Tests ask often: no program is started.
gone() {
	local process state

	for process; do
		# The name of the program may have blanks and parentheses in it.
		state=''
		IFS= read -rd '' state 2>/dev/null <"/proc/$process/stat" || [ -n "$state" ] || continue
		case ${state##*) } in
		Z* | X*) ;;
		*) return 1 ;;
		esac
	done
}

# background COMMAND [ARGUMENT ...]: start it, with $pid set, in a process group of its
# own, which is killed at the end.  The third descriptor is bats' own: what keeps it open
# keeps bats waiting.
background() {
	set -m
	"$@" 3>&- &
	pid=$!
	set +m
	at_end stop "$pid"
}

# group_gone PID: no process of that group runs any more; zombies do not count.
group_gone() {
	! pgrep -g "$1" -r D,R,S,T,t >/dev/null
}

# stop PID: TERM to its group, then KILL after two seconds.
stop() {
	kill -- "-$1" 2>/dev/null || return 0
	kill -CONT -- "-$1" 2>/dev/null || true
	wait_for 2 gone "$1" || true
	kill -KILL -- "-$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# bytes SIZE: "4M" as a number.
bytes() {
	local units=KMGT

	case $1 in
	'' | *[!0-9]?* | *[!0-9KMGT] | [!1-9]*) numfmt --from=iec "$1" ;;
	*[KMGT])
		units=${units%"${1: -1}"*}
		echo $((${1%?} << 10 * (${#units} + 1)))
		;;
	*) echo "$1" ;;
	esac
}

# --- data -------------------------------------------------------------------------

# make_image FILE [SIZE [SEED]]: a sparse file with what disks have: text, noise that
# does not deflate, written zeros, holes, blocks that are zero but for a few bytes, and
# a last block of which one byte is set.  The same arguments make the same bytes.
make_image() {
	from_store "$1" "image-${2:-4M}-${3:-1}" write_image "$(bytes "${2:-4M}")" "${3:-1}"
}

# from_store FILE NAME COMMAND [ARGUMENT ...]: what the command writes to the file that is its first
# argument.  It is kept for the other tests of the same bats file, which get a copy.
from_store() {
	local file=$1 kept=${BATS_FILE_TMPDIR:-}/.made/$2

	shift 2
	if [ -z "${BATS_FILE_TMPDIR:-}" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then
		"$1" "$file" "${@:2}"
		return
	fi
	if [ ! -e "$kept" ]; then
		mkdir -p "${kept%/*}"
		"$1" "$kept.$BASHPID" "${@:2}" && mv "$kept.$BASHPID" "$kept" || return
	fi
	copy_extents "$kept" "$file"
}

# copy_extents FROM TO: with holes where FROM has some and nowhere else; cp makes holes of written
# zeros as well.
copy_extents() {
	perl -e '
		open(my $from, "<", $ARGV[0]) && open(my $to, ">", $ARGV[1]) or die "$ARGV[1]: $!\n";
		my ($size, $end) = (-s $from, 0);
		truncate($to, $size) or die "$ARGV[1]: $!\n";
		while ($end < $size && defined(my $at = sysseek($from, $end, 3))) {
			$end = sysseek($from, $at, 4);
			sysseek($from, $at, 0);
			sysseek($to, $at, 0);
			for (my $done; $at < $end; $at += $done) {
				$done = sysread($from, my $bytes, $end - $at);
				$done && syswrite($to, $bytes) == $done or die "$ARGV[1]: $!\n";
			}
		}' "$@"
}

# write_image FILE BYTES SEED
write_image() {
	python3 - "$@" <<'EOP'
import random, sys
name, size, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
noise = random.Random(seed)
words = [bytes(noise.choices(b"abcdefghijklmnopqrstuvwxyz", k=noise.randrange(2, 9)))
         for _ in range(500)]

def text(length):
    return b" ".join(noise.choices(words, k=length // 3 + 1))[:length]

def speck(length):
    block = bytearray(length)
    block[noise.randrange(length)] = 1
    return bytes(block)

kinds = [text, None, noise.randbytes, bytes, speck, None, text, noise.randbytes]
with open(name, "wb") as out:
    out.truncate(size)
    at, turn = 0, 0
    while at < size:
        length = min(noise.choice([4096, 65536, 131072, 300000, 524288]), size - at)
        kind = kinds[turn % len(kinds)]
        if kind:
            out.seek(at)
            out.write(kind(length))
        at, turn = at + length, turn + 1
    if size:
        out.seek(size - 1)
        out.write(b"\1")
EOP
}

# make_noise FILE SIZE [SEED]: dense bytes that do not deflate.
make_noise() {
	local size

	size=$(bytes "$2")
	if [ "$size" -gt 33554432 ]; then
		write_noise "$1" "$size" "${3:-1}"
	else
		from_store "$1" "noise-$size-${3:-1}" write_noise "$size" "${3:-1}"
	fi
}

# write_noise FILE BYTES SEED
write_noise() {
	python3 -c '
import random, sys
noise, left = random.Random(int(sys.argv[3])), int(sys.argv[2])
with open(sys.argv[1], "wb") as out:
    while left:
        out.write(noise.randbytes(min(left, 1 << 20)))
        left -= min(left, 1 << 20)' "$@"
}

# flip_bit FILE BIT: invert one bit; bit 0 is the lowest of byte 0.
flip_bit() {
	perl -e '
		my ($name, $bit) = @ARGV;
		open(my $file, "+<", $name) or die "$name: $!\n";
		sysseek($file, $bit >> 3, 0);
		sysread($file, my $byte, 1) == 1 or die "$name: no bit $bit\n";
		sysseek($file, $bit >> 3, 0);
		syswrite($file, chr(ord($byte) ^ 1 << ($bit & 7))) == 1 or die "$name: $!\n";' "$1" "$2"
}

# patch_bytes FILE OFFSET HEX: overwrite bytes in place.
patch_bytes() {
	perl -e '
		my ($name, $at, $bytes) = ($ARGV[0], $ARGV[1], pack("H*", $ARGV[2]));
		open(my $file, "+<", $name) or die "$name: $!\n";
		sysseek($file, $at, 0);
		syswrite($file, $bytes) == length($bytes) or die "$name: $!\n";' "$1" "$2" "$3"
}

# cut_file FILE LENGTH: keep only the first LENGTH bytes.
cut_file() {
	truncate -s "$2" "$1"
}

# is_zero FILE OFFSET LENGTH: all bytes there are zero.
is_zero() {
	cmp -s -n "$3" -i "$2:0" "$1" /dev/zero
}

# --- devices ----------------------------------------------------------------------

# attach FILE|SIZE [SECTOR]: a loop device over the file, or over a new sparse one,
# in $device; the file in $backing.
attach() {
	require_root "loop devices"
	[ -e /dev/loop-control ] || skip "needs /dev/loop-control"
	case $1 in
	*/* | *.*) backing=$1 ;;
	*)
		if [ -e "$1" ]; then
			backing=$1
		else
			backing=$(mktemp "$dir/disk.XXXXXX")
			truncate -s "$1" "$backing"
		fi
		;;
	esac
	backing=$(realpath "$backing")
	device=$(losetup --find --show --sector-size "${2:-512}" "$backing")
	at_end detach "$device" "$backing"
	# A read-only flag set by blockdev --setro outlives the file that was attached then.
	blockdev --setrw "$device"
}

# detach DEVICE FILE: unless it is attached to something else by now, or to nothing.
detach() {
	case $(losetup -n -O BACK-FILE "$1" 2>/dev/null) in
	"$2" | "$2 (deleted)") losetup -d "$1" ;;
	esac
}

# add_partitions DEVICE: the nodes of its partitions.  Those of an earlier use of the same loop device
# may still be there.
add_partitions() {
	partx -d "$1" 2>/dev/null || true
	partx -a "$1"
	at_end partx -d "$1"
}

# break_after OFFSET: everything of $device from there on cannot be read any more.
break_after() {
	truncate -s "$1" "$backing"
	blockdev --flushbufs "$device"
}

# mount_tmpfs SIZE: a small filesystem, in $folder.
mount_tmpfs() {
	require_root "mounts"
	folder=$(mktemp -d "$dir/tmpfs.XXXXXX")
	mount -t tmpfs -o "size=$1" none "$folder"
	at_end umount "$folder"
}

# no_cache_note: standard input without the note that only a cache was read.  It must be there where
# $dir is on a file system in memory, as /tmp is on Debian 13, and nowhere else may it be; tests of
# other things look at what else was said.  t/filters/evidence.bats is about the note.
no_cache_note() {
	if in_memory; then
		grep -v ': only a cache was read, not the medium: its file system is in memory' || true
	else
		cat
	fi
}

in_memory() {
	case $(stat -f -c %T "$dir") in
	tmpfs | ramfs) true ;;
	*) false ;;
	esac
}

# read_back: what blkwrite -v says of a target in $dir that --verify has read back.
read_back() {
	if in_memory; then
		echo "read back from a cache only"
	else
		echo verified
	fi
}

# on_disk: from here on the working directory is on a file system that has a medium: it stays $dir,
# or where that is in memory becomes one of 200 MiB on a loop device.
on_disk() {
	in_memory || return 0
	require mkfs.ext4
	require_root "mounts"
	truncate -s 200M "$dir/on-disk.img"
	attach "$dir/on-disk.img"
	mkfs.ext4 -q -m 0 "$device"
	mkdir "$dir/on-disk"
	mount "$device" "$dir/on-disk"
	# A loop device over a file in it lets go a moment after it was detached.
	at_end wait_for 10 umount "$dir/on-disk"
	cd "$dir/on-disk" || return
}

# full_medium: a file system, in $mounted, on a medium that takes about 4 MiB more; then the write-back
# of buffered writes fails.  make_room: the medium is full no more.
full_medium() {
	require mkfs.ext4
	require_root "mounts"
	folder=$dir/small
	mkdir "$folder"
	mount -t tmpfs -o size=32M none "$folder"
	# A loop device lets go of its file a moment after it was detached.
	at_end wait_for 10 umount "$folder"
	truncate -s 24M "$folder/disk"
	attach "$folder/disk"
	mkfs.ext4 -q -m 0 "$device"
	mounted=$dir/mounted
	mkdir "$mounted"
	mount "$device" "$mounted"
	at_end umount "$mounted"
	sync -f "$mounted"
	dd if=/dev/zero of="$folder/filler" bs=1M 2>dd.err || true
	truncate -s -4M "$folder/filler"
}

make_room() {
	rm "$folder/filler"
}

# on_medium FILE: its bytes, past the page cache.
on_medium() {
	dd if="$1" iflag=direct bs=1M status=none
}

# lose_writes FROM TO: copy a file of 12 MiB, whose later part does not reach the medium; the cache
# has it.  Afterwards there is room.
lose_writes() {
	run -1 dd if="$1" of="$2" bs=1M conv=fsync status=none
	make_room
	cmp "$1" "$2"
	run -1 cmp -s "$1" <(on_medium "$2")
}

# attach_faulty FILE FAULT ...: a loop device, $device, over the bytes of FILE, with
#
#	read-error=OFFSET	EIO when the sector at OFFSET is read
#	write-error=OFFSET	EIO when the sector at OFFSET is written
#	write-full=OFFSET	ENOSPC when anything from OFFSET on is written
#	flush-error		EIO when it is flushed
#	stall=OFFSET		reads and writes of the sector at OFFSET wait while the
#				file $dir/stall is there
#
# $faulty is the same without the loop device, as a regular file.
attach_faulty() {
	local image=$1 fault at touches
	local reads='' writes='' flush='exit 0'

	require nbdkit nbdfuse
	require_root "faulty devices"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	image=$(realpath "$image")
	shift
	for fault; do
		at=$(bytes "${fault#*=}" 2>/dev/null) || at=0
		touches="[ \$4 -lt $((at + 512)) ] && [ \$((\$4 + \$3)) -gt $at ]"
		case $fault in
		read-error=*) reads+="if $touches; then echo EIO >&2; exit 1; fi;" ;;
		write-error=*) writes+="if $touches; then echo EIO >&2; exit 1; fi;" ;;
		write-full=*) writes+="if [ \$((\$4 + \$3)) -gt $at ]; then echo ENOSPC >&2; exit 1; fi;" ;;
		flush-error) flush='echo EIO >&2; exit 1' ;;
		stall=*)
			touches="if $touches; then while [ -e '$dir/stall' ]; do sleep 0.1; done; fi;"
			reads+=$touches
			writes+=$touches
			;;
		*)
			echo "attach_faulty: what is $fault?" >&2
			return 1
			;;
		esac
	done
	faulty=$(mktemp "$dir/faulty.XXXXXX")
	background nbdfuse "$faulty" --command nbdkit -s eval \
		get_size="stat -L -c %s '$image'" can_write='exit 0' can_flush='exit 0' \
		pread="$reads dd if='$image' iflag=skip_bytes,count_bytes,fullblock bs=1M skip=\$4 count=\$3 status=none" \
		pwrite="$writes dd of='$image' iflag=fullblock oflag=seek_bytes conv=notrunc bs=1M seek=\$4 status=none" \
		flush="$flush"
	# Unmounted, nbdfuse ends, and then nbdkit, which runs rm for its folder in /tmp: what stop
	# sends would end that rm.
	at_end wait_for 5 group_gone "$pid"
	at_end umount "$faulty"
	at_end rm -f "$dir/stall"
	wait_for 10 test -s "$faulty"
	attach "$faulty"
}

# inject FILE CALLS FAULT COMMAND [ARGUMENT ...]: run the command with a fault in those
# system calls of it that concern FILE ("" for any): error=EIO:when=4+2, retval=1000,
# delay_enter=300000, signal=KILL:when=3 (see strace(1)).
inject() {
	local path=() file=$1 calls=$2 fault=$3

	require strace
	shift 3
	[ -z "$file" ] || path=(-P "$file")
	strace -qq -f -o /dev/null "${path[@]}" -e "trace=$calls" -e "inject=$calls:$fault" "$@"
}

# LeakSanitizer does not work in a traced process.
strace() {
	ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} command strace "$@"
}

# qemu_lock FILE: hold the lock that a running QEMU holds on its image; killed at the
# end, or by stop "$pid".
qemu_lock() {
	background python3 -c '
import fcntl, os, struct, sys, time
image = os.open(sys.argv[1], os.O_RDWR)
for start in 101, 201:
    lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, start, 1, 0)
    fcntl.fcntl(image, getattr(fcntl, "F_OFD_SETLK", 37), lock)
open(sys.argv[2], "w").close()
time.sleep(600)' "$1" "$dir/.locked"
	wait_for 10 test -e "$dir/.locked"
}

# --- hosts ------------------------------------------------------------------------

# start_sshd: a second host, "new", on this machine: `ssh -F "$config" new COMMAND` runs
# with the programs under test in its PATH.  Keys and configuration lie in $dir; nobody's
# ~/.ssh is used.  $sshd is the daemon's process id.
start_sshd() {
	local try

	require ssh sshd ssh-keygen
	make_keys
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	for try in 1 2 3 4 5 6 7 8; do
		port=$((20000 + RANDOM % 12000))
		write_sshd_config >"$dir/ssh/sshd_config"
		write_ssh_config >"$dir/ssh/config"
		background "$(command -v sshd)" -D -e -f "$dir/ssh/sshd_config" 2>"$dir/ssh/log"
		sshd=$pid
		config=$dir/ssh/config
		if wait_for 5 sshd_answers_or_ended && ! gone "$sshd"; then
			return
		fi
		stop "$sshd"
	done
	cat "$dir/ssh/log" >&2
	return 1
}

# make_keys: $dir/ssh with the keys of host and user, the same ones in all tests of a bats file.
make_keys() {
	local keys=${BATS_FILE_TMPDIR:-$dir}/.keys

	if [ ! -e "$keys" ]; then
		mkdir -m 700 "$keys.new"
		ssh-keygen -q -t ed25519 -N '' -f "$keys.new/host"
		ssh-keygen -q -t ed25519 -N '' -f "$keys.new/user"
		mv "$keys.new" "$keys"
	fi
	mkdir -p "$dir/ssh"
	cp -a "$keys/." "$dir/ssh"
}

sshd_answers_or_ended() {
	gone "$sshd" || grep -q 'Server listening' "$dir/ssh/log"
}

# SHLVL is there because bash as a first shell under sshd runs the user's ~/.bashrc.
write_sshd_config() {
	cat <<-EOC
		ListenAddress 127.0.0.1
		Port $port
		HostKey $dir/ssh/host
		AuthorizedKeysFile $dir/ssh/user.pub
		PidFile none
		StrictModes no
		UsePAM no
		PermitRootLogin prohibit-password
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitUserRC no
		PrintMotd no
		MaxStartups 100
		SetEnv PATH=$PATH LC_ALL=C SHLVL=1
	EOC
}

write_ssh_config() {
	printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d ' ' -f 1,2 "$dir/ssh/host.pub")" >"$dir/ssh/known"
	cat <<-EOC
		Host new
		HostName 127.0.0.1
		Port $port
		User $(id -un)
		IdentityFile $dir/ssh/user
		IdentitiesOnly yes
		IdentityAgent none
		KexAlgorithms curve25519-sha256
		UserKnownHostsFile $dir/ssh/known
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
		BatchMode yes
		LogLevel ERROR
		ServerAliveInterval 2
		ServerAliveCountMax 2
		ConnectTimeout 5
	EOC
}

# free_port: a free port of 127.0.0.1, in $port.
free_port() {
	port=$(perl -MSocket -e '
		socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "$!\n";
		bind($socket, sockaddr_in(0, INADDR_LOOPBACK)) or die "$!\n";
		print((sockaddr_in(getsockname($socket)))[0]);')
}
