# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --temp-key: a password must be typed only once for each host.  All later connections log in with a
# key made for this run, which is valid for commands only, from this address only, and for two
# hours, extended while this program lives.

temp_key=false key_mark='' keeper=''
declare -A keyed=()

# key_login HOST: make the first connection, which may ask for a password, and leave the key there;
# false if there is no connection.
key_login() {
	local host=$1 each

	[ -n "${address[$host]}" ] && [ -z "${keyed[$host]:-}" ] || return 0
	if [ ! -S "$private/$host" ]; then
		asking_ssh
		"${ssh[@]}" -o ControlMaster=yes -o "ControlPath=$private/$host" -o ControlPersist=60 \
			-- "${address[$host]}" true || return
	fi
	! $dry_run || return 0
	make_key
	keyed[$host]=yes
	ask_lines "$host" 'blkmigrate-temp-key:[0-9a-f-]+:[0-9]+:[0-9]+' bash -c "$edit_keys" edit-keys "$key_mark" "$(public_key)" ||
		die "$(name_of "$host"): no key can be put into ~/.ssh/authorized_keys"
	for each in "${answers[@]}"; do
		! is_left_over "$each" || key_take "$host" "$each" ||
			die "$(name_of "$host"): the key of a run that was killed cannot be taken from ~/.ssh/authorized_keys"
	done
}

make_key() {
	[ -z "$key_mark" ] || return 0
	key_mark=$(mark_of_process $$) || die "/proc cannot be read"
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$private/key" </dev/null || die "no key can be made in $private"
}

# mark_of_process PID: print the comment that identifies its key; no other process ever had the
# same.
mark_of_process() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
	read -r -a stat <<<"${stat##*) }"
	printf '%s:%s:%s\n' "$(key_marks)" "$1" "${stat[19]}"
}

# key_marks: print the beginning of all marks that this host makes until it boots again.
key_marks() {
	printf 'blkmigrate-temp-key:%s\n' "$(</proc/sys/kernel/random/boot_id)"
}

# is_left_over MARK: whether it belongs to a run on this host that was killed.
is_left_over() {
	local process=${1%:*}

	[[ $1 == "$(key_marks):"* ]] && [ "$(mark_of_process "${process##*:}")" != "$1" ]
}

# edit_keys: in ~/.ssh/authorized_keys replace the line with that mark, or remove it if no key is
# given; remove those that have expired; print the marks of the others.
edit_keys='
set -e
umask 077
mark=$1 key=$2 now=$(date +%Y%m%d%H%M)
mkdir -p ~/.ssh
exec 7<~/.ssh
flock -w 10 7
file=$(realpath -m ~/.ssh/authorized_keys)
touch "$file"
cp -p "$file" "$file.part"
while IFS= read -r line || [ -n "$line" ]; do
	case $line in
	*" $mark") continue ;;
	*" blkmigrate-temp-key:"*)
		expiry=${line#*expiry-time=\"}
		[ "${expiry%%\"*}" \> "$now" ] || continue
		echo "${line##* }"
		;;
	esac
	printf "%s\n" "$line" >&8
done <"$file" 8>"$file.part"
if [ -n "$key" ]; then
	from=${SSH_CONNECTION%% *}
	printf "restrict,from=\"%s\",expiry-time=\"%s\" %s %s\n" "${from#::ffff:}" \
		"$(date -d "2 hours" +%Y%m%d%H%M)" "$key" "$mark" >>"$file.part"
fi
sync "$file.part"
mv "$file.part" "$file"'

public_key() {
	local key

	key=$(<"$private/key.pub")
	printf '%s\n' "${key%% }"
}

# key_put HOST: put the key there again, with a new time.
key_put() {
	on "$1" bash -c "$edit_keys" edit-keys "$key_mark" "$(public_key)" >/dev/null
}

key_take() {
	on "$1" bash -c "$edit_keys" edit-keys "$2" '' >/dev/null
}

# keep_keys: extend them until the program ends; if it was killed, remove them then.
keep_keys() {
	local host seconds=0

	while sleep 3 && driver_lives; do
		seconds=$((seconds + 3))
		[ $((seconds % 1800)) = 0 ] || continue
		for host in "${!keyed[@]}"; do
			key_put "$host" 2>/dev/null || true
		done
	done
	keys_end
	rm -rf --one-file-system "$private"
}

# keys_end: remove them.
keys_end() {
	local host

	if [ -n "$keeper" ]; then
		pkill -TERM -P "$keeper" 2>/dev/null || true
		kill "$keeper" 2>/dev/null || true
	fi
	for host in "${!keyed[@]}"; do
		key_take "$host" "$key_mark" ||
			warn "$(name_of "$host"): the temporary key is still in ~/.ssh/authorized_keys, for two hours at most ($key_mark)"
	done
	keyed=()
}
