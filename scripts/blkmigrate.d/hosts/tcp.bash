# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --transport tcp: nc listens on the new host, on one address, for one connection, and only while
# blkwrite runs behind it; and blkwrite takes only the stream whose id, made for this transfer, is
# in a file on both hosts. blkwrite says whether the data arrived.

listen=''
declare -A netcat=()

# Ports that libvirt uses for migrations, so a firewall may let them through already.
port_first=49152 port_count=64

# tcp_ready: find out which nc both hosts have, and where the new one listens.
tcp_ready() {
	local host

	[ "$transport" = tcp ] || return 0
	for host in old new; do
		ask "$host" "$any_text" sh -c 'nc -h 2>&1 || true' nc -h || answer=''
		netcat_kind "$host" "$answer"
		[ -n "${netcat[$host]}" ] ||
			problem "$(name_of "$host") has no nc that is known here" "install netcat-openbsd there"
	done
	if [ -z "$listen" ]; then
		ask new '([0-9A-Fa-f.:]+(%[A-Za-z0-9._-]+)?)?' sh -c 'set -- ${SSH_CONNECTION:-}; echo "${3:-}"' address ||
			answer=''
		listen=${answer#::ffff:}
		[ -n "$listen" ] || die "$(name_of new) does not say which address it was reached at: --listen ADDRESS"
	fi
	warn "the disks cross the network unencrypted: whoever can listen on the way can read them, and whoever can change packets can change them (--transport ssh prevents both)"
}

# need_netcat: die if it is missing; without a preflight nothing has said so before.
need_netcat() {
	local host

	[ "$transport" = tcp ] || return 0
	for host in old new; do
		[ -n "${netcat[$host]}" ] || die "$(name_of "$host") has no nc that is known here: install netcat-openbsd there"
	done
}

# netcat_kind HOST HELP: fill netcat[HOST] from what nc -h prints.
netcat_kind() {
	netcat[$1]=''
	if [[ $2 == *'OpenBSD netcat'* || $2 == *[[:space:]]-N[[:space:]]* ]]; then
		netcat[$1]=openbsd
	elif [[ $2 == *'-q secs'* && $2 == *'-s addr'* ]]; then
		netcat[$1]=traditional
	fi
}

# sender PORT: print the last command of a pipe on the old host.
sender() {
	case ${netcat[old]} in
	openbsd) quote nc -n -N "$listen" "$1" ;;
	traditional) quote nc -n -q 0 "$listen" "$1" ;;
	esac
}

# listening PORT: print the first command of the pipe on the new host.
listening() {
	case ${netcat[new]} in
	openbsd) quote nc -n -v -l "$listen" "$1" ;;
	traditional) quote nc -n -v -l -s "$listen" -p "$1" ;;
	esac
}

# receive: run on the new host: find a free port, listen there, and print it.  When blkwrite ends,
# or the run that started this sends no more lines, end blkwrite and nc.
receive='
first=$1 count=$2 listen=$3 fifo=$4 said="" listener="" status=0
shift 4
in_use() {
	grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:[0-9A-F]+ 0A " /proc/net/tcp /proc/net/tcp6
} 2>/dev/null
listens() {
	exec 6< <(eval "exec ${listen//PORT/$1}" 2>&1 >&7 </dev/null)
	listener=$!
	read -r -t 10 said <&6 || true
	[[ $said != [Ll]istening* ]] || return 0
	kill "$listener"
	return 1
} 2>/dev/null
rm -f "$fifo"
mkfifo "$fifo" || exit 2
"$@" <"$fifo" &
writer=$!
exec 7>"$fifo"
rm "$fifo"
start=$RANDOM
for ((try = 0; try < count; try++)); do
	port=$((first + (start + try) % count))
	! in_use "$port" && listens "$port" && break
done
if [ "$try" = "$count" ]; then
	kill "$writer"
	echo "blkmigrate: cannot listen: ${said:-all ports from $first on are in use}" >&2
	exit 2
fi
exec 7>&- 5<&0
{
	while read -r -t 20 line <&5; do
		:
	done
	kill "$writer" "$listener"
} >/dev/null 2>&1 &
watcher=$!
echo "$port"
wait "$writer" || status=$?
kill "$watcher" "$listener" 2>/dev/null
exit "$status"'

transfer_tcp() {
	local disk=$1 part=$2 input=${3:-}

	need_netcat
	part="$part | blkzip --adapt | $(meter "$disk")"
	input=${input:+$input | }
	if $dry_run; then
		show_tcp "$disk" "$port_first" "$part" "$input"
		return
	fi
	stamp "$disk"
	listen_for "$disk" || return
	show_tcp "$disk" "$port" "$part" "$input"
	input=${input:+${input% | } 2>&6 | }
	part=$(held old "$part | $(sender "$port")")
	if [ -n "$drawer" ] && meter_is_far; then
		pipe_start "$input$(ssh_text old "$part 3>&1") 2>&6 >$(quote "$private/$disk.bar")"
	elif meter_is_far && [ -t 2 ]; then
		# Its line is drawn by carriage returns.
		pipe_start "$input$(ssh_text old "$part") 2>&6" $'\r'
	elif meter_is_far; then
		pipe_start "$input$(ssh_text old "$part") 2>&6"
	else
		pipe_start "$input$(ssh_text old "$part")"
	fi
	tcp_verdict
}

# show_tcp DISK PORT PART INPUT
show_tcp() {
	show old "(umask 077; head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n') >$(quote "$(id_file old "$1")") # and the same on the new host"
	show new "$(listening "$2") | $(receiver "$1")"
	show old "$4$(ssh_text old "$3 | $(sender "$2")")"
}

# stamp DISK: put an id for the next stream into a file on both hosts.
stamp() {
	local secret host

	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	for host in old new; do
		put "$host" "$(id_file "$host" "$1")" <<<"$secret"
	done
}

# listen_for DISK: start its receiver; set $port to where it listens, and $listener to the process
# that keeps it.
port=''
listen_for() {
	local fifo=$private/$1.port words=()

	rm -f "$fifo"
	mkfifo "$fifo" || return
	eval "words=($(receiver "$1"))"
	feed_alone new bash -c "$guard" guard "${lock[new]}" "$token" bash -c "$receive" receive \
		"$port_first" "$port_count" "$(listening PORT)" "$(state_of new)/$1.pipe" "${words[@]}" < <(beats) >"$fifo" 2> >(relay >&2) &
	listener=$!
	read -r port <"$fifo" || port=''
	[[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || return 0
	[ -z "$port" ] || kill "$listener" 2>/dev/null || true
	wait "$listener" || true
	listener=''
	warn "$(name_of new) does not listen on $listen"
	return 1
}

# tcp_verdict: the status is blkwrite's.
tcp_verdict() {
	local status=0 ended=''

	wait -n -p ended "$pipe" "$listener" || status=$?
	if [ "$ended" = "$pipe" ]; then
		pipe=''
		wait "$relayer" || true
		[ "$status" = 0 ] || leave_time "$listener"
		status=0
		wait "$listener" || status=$?
	elif [ "$status" = 0 ]; then
		wait "$pipe" || true
	else
		listener=''
		end_pipe
	fi
	pipe='' listener=''
	return "$status"
}

# leave_time PID: the sender failed, perhaps before it was connected; give the receiver some seconds
# to say what it saw.
leave_time() {
	local tenths

	for ((tenths = 0; tenths < 50; tenths++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	end_pipe
}
