# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --transport tcp: nc listens on the new host, on one address, for one connection, and only while
# blkwrite runs behind it, for each lane on a port of its own; and blkwrite takes only the stream whose id, made for this transfer, is
# in a file on both hosts. blkwrite says whether the data arrived.

listen=''
declare -A netcat=()

# Ports that libvirt uses for migrations, so a firewall may let them through already.
port_first=49152 port_count=64 ports_wanted=''

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

# ports_ready: each lane of each disk that is copied at a time has a port.
ports_ready() {
	[ "$transport" = tcp ] || {
		[ -z "$ports_wanted" ] || usage_error "--port is for --transport tcp"
		return 0
	}
	[ "$port_count" -ge "${lanes:-1}" ] ||
		usage_error "--lanes $lanes needs as many ports, and --port $ports_wanted has $port_count"
	[ $((jobs * ${lanes:-1})) -le "$port_count" ] || jobs=$((port_count / ${lanes:-1}))
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

# receive: run on the new host: for each lane find a free port and listen there; print the ports in a
# line.  When the last blkwrite ends, or the run that started this sends no more lines, end all of
# blkwrite and nc.
receive='
first=$1 count=$2 listen=$3 fifo=$4 lanes=$5 said="" status=0 worst=0 ports=() writers=() listeners=()
shift 5
in_use() {
	grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:[0-9A-F]+ 0A " /proc/net/tcp /proc/net/tcp6
} 2>/dev/null
listens() {
	local listener says

	# nc may write there as long as it lives.
	exec {says}< <(eval "exec ${listen//PORT/$1}" 2>&1 >&7 </dev/null)
	listener=$!
	read -r -t 10 said <&"$says" || true
	if [[ $said == [Ll]istening* ]]; then
		listeners+=("$listener")
		return 0
	fi
	kill "$listener"
	return 1
} 2>/dev/null
start_lane() {
	local start=$RANDOM try port

	rm -f "$fifo"
	mkfifo "$fifo" || exit 2
	"$@" <"$fifo" &
	writers+=($!)
	exec 7>"$fifo"
	rm "$fifo"
	for ((try = 0; try < count; try++)); do
		port=$((first + (start + try) % count))
		! in_use "$port" && listens "$port" && break
	done
	if [ "$try" = "$count" ]; then
		kill "${writers[@]}" "${listeners[@]}"
		echo "blkmigrate: cannot listen: ${said:-all ports from $first to $((first + count - 1)) are in use}" >&2
		exit 2
	fi
	exec 7>&-
	ports+=("$port")
}
for ((lane = 0; lane < lanes; lane++)); do
	start_lane "$@"
done
exec 5<&0
{
	while read -r -t 20 line <&5; do
		:
	done
	kill "${writers[@]}" "${listeners[@]}"
} >/dev/null 2>&1 &
watcher=$!
echo "${ports[*]}"
for writer in "${writers[@]}"; do
	status=0
	wait "$writer" || status=$?
	[ "$status" -le "$worst" ] || worst=$status
done
kill "$watcher" "${listeners[@]}" 2>/dev/null
exit "$worst"'

transfer_tcp() {
	local disk=$1 part=$2 input=${3:-} ports=()

	need_netcat
	part="$(compressed "$part") | $(meter "$disk")"
	input=${input:+$input | }
	if $dry_run; then
		mapfile -t ports < <(seq "$port_first" $((port_first + ${lanes:-1} - 1)))
		show_tcp "$disk" "$part" "$input" "${ports[@]}"
		return
	fi
	stamp "$disk"
	listen_for "$disk" || return
	show_tcp "$disk" "$part" "$input" "${ports_there[@]}"
	input=${input:+${input% | } 2>&6 | }
	part=$(held old "$part | $(to_ports "${ports_there[@]}")")
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

# show_tcp DISK PART INPUT PORT ...
show_tcp() {
	local disk=$1 part=$2 input=$3 port

	shift 3
	show old "(umask 077; head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n') >$(quote "$(id_file old "$disk")") # and the same on the new host"
	for port; do
		show new "$(listening "$port") | $(receiver "$disk")"
	done
	show old "$input$(ssh_text old "$part | $(to_ports "$@")")"
}

# stamp DISK: put an id for the next stream into a file on both hosts.
stamp() {
	local secret host

	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	for host in old new; do
		put "$host" "$(id_file "$host" "$1")" <<<"$secret"
	done
}

# listen_for DISK: start its receiver; set $ports_there to where it listens, a port for each lane, and
# $listener to the process that keeps it.
ports_there=()
listen_for() {
	local fifo=$private/$1.port words=() line=''

	rm -f "$fifo"
	mkfifo "$fifo" || return
	eval "words=($(receiver "$1"))"
	feed_alone new bash -c "$guard" guard "${lock[new]}" "$token" loud bash -c "$receive" receive \
		"$port_first" "$port_count" "$(listening PORT)" "$(state_of new)/$1.pipe" "${lanes:-1}" "${words[@]}" < <(beats) >"$fifo" 2> >(relay >&2) &
	listener=$!
	read -r -n 1000 line <"$fifo" || line=''
	read -r -a ports_there <<<"$line"
	[[ ! $line =~ ^[1-9][0-9]{0,4}(\ [1-9][0-9]{0,4})*$ ]] || [ "${#ports_there[@]}" != "${lanes:-1}" ] || return 0
	[ -z "$line" ] || kill "$listener" 2>/dev/null || true
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
	[ "$status" != 255 ] || line_broke
	return "$status"
}

# leave_time PID: the sender failed, perhaps before it was connected; give the receiver some seconds
# to say what it saw.
leave_time() {
	local tenths

	for ((tenths = 0; tenths < 50; tenths++)); do
		kill -0 "$1" 2>/dev/null || return 0
		nap 0.1
	done
	end_pipe
}
