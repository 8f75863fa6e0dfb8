# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two hosts, "old" and "new", behind a stand-in for ssh, with a stand-in for libvirt: `load hosts`
# after helpers; setup is hosts_begin.  Both are this machine, in $dir/host/old and $dir/host/new is
# what libvirt knows there.  The machine web has one disk, old.img, and is told to copy it to there/.
#
# What virsh and sync are told is in $dir/log; sync does nothing else, but on $dir/medium.  Where virsh is told what
# $at_virsh matches, a pattern of the shell, it does $then_virsh first.
#
# The calls of ssh are kept in $dir/calls, a line each.  Where their number comes to $odd_call, ssh does $odd
# instead, a command; it has the command that it was to run there as $1. With $odd_at_all that is done at each call.  A host does not answer while
# $dir/HOST.down exists.

hosts_begin() {
	test_begin
	require xsltproc xmllint blkid sfdisk flock
	make_image old.img 4M
	mkdir -p tmp programs there host/{old,new}
	export TMPDIR=$dir/tmp FAKE=$dir odd='' odd_call=0 odd_at_all='' at_virsh='' then_virsh='' at_sync=''
	fake_ssh >programs/ssh
	fake_virsh >programs/virsh
	fake_sync >programs/sync
	chmod +x programs/*
	PATH=$dir/programs:$PATH
	machine_is running
}

# machine_is STATE: web is defined on the old host, and on no other.
machine_is() {
	rm -rf host/*/* state/* there/*
	cat >host/old/web.xml <<-EOX
		<domain type='qemu'><name>web</name><uuid>$web</uuid><memory>1024</memory>
		<os><type arch='x86_64' machine='pc'>hvm</type></os>
		<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
		<source file='$dir/old.img'/><target dev='vda'/></disk></devices></domain>
	EOX
	echo "$1" >host/old/web.state
}
web=e8cd958e-6645-5478-bdcf-1cd19353ac12

# blkmigrate COMMAND [OPTION ...]: between them.
blkmigrate() {
	rm -f calls log
	"$root/scripts/blkmigrate" "$1" --state "$dir/state" --from old "${@:2}"
}

# migrate COMMAND [OPTION ...]: of web.
migrate() {
	blkmigrate "$1" --yes --to new --dir "$dir/there" --shutdown-timeout 5 "${@:2}" web
}

# --- odd answers ------------------------------------------------------------------

# What it may answer, by the name of the kind; text has what bash, sed and option parsers obey.
odd_answers=(text empty lines long option down binary number language refusal)

# odd_answer KIND NUMBER: the command that answers so.
odd_answer() {
	local texts=('BASH_VERSINFO[$(touch pwned)]' 'a[$(touch pwned)]=1' '0;e touch pwned' '-e' '--help')

	case $1 in
	text) printf 'for fd in 1 2; do printf "%%s\\e]0;x\\a\\e[31m\\302\\233m\\233m\\n" %q >&$fd; done; exit 0' "${texts[$2 % 3]}" ;;
	empty) echo 'exit 0' ;;
	lines) printf 'printf "%%s\\n" %q 4096 "" %q; exit 0' "${texts[$2 % 3]}" "${texts[$2 % 2]}" ;;
	long) echo 'head -c 2000000 /dev/zero | tr "\0" 7; exit 0' ;;
	option) printf 'printf "%%s\\n" %q; exit 0' "${texts[3 + $2 % 2]}" ;;
	down) echo 'exit 255' ;;
	binary) echo 'head -c 4096 /bin/true; exit 0' ;;
	number) printf 'echo %s; exit 0' "$((($2 % 3 + 1) * 4096))" ;;
	language) echo 'echo "Domäne läuft nicht: keine Daten verfügbar"; exit 0' ;;
	refusal) echo 'echo "Fehler: Zugriff verweigert" >&2; exit 1' ;;
	esac
}

# with_odd KIND NUMBER COMMAND ...: no harm is done where the call of that number is answered so; the
# command's status is in $odd_status.
with_odd() {
	local kind=$1 number=$2 status=0

	export odd odd_call=$2
	odd=$(odd_answer "$1" "$2")
	shift 2
	timeout 250 bash -c '"$@"' run "$@" >said 2>&1 </dev/null || status=$?
	odd_call=0 odd_status=$status
	echo "$kind at call $number of $*: status $status, $(tail -n 1 said)"
	[ "$status" -lt 124 ] && [ -z "$(find . -name 'pwned*' -o -name '*touch*')" ] && is_clean said
}

# is_clean FILE: it has nothing that a terminal obeys.
is_clean() {
	run grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\xbf]' "$1"
	[ "$status" = 1 ]
}

# --- the stand-ins ----------------------------------------------------------------

fake_ssh() {
	cat <<'EOF'
#!/bin/bash
while [ "$1" != -- ]; do
	[ "$1" != -O ] && [ "$1" != -G ] || exit 0
	shift
done
export HOST=$2
shift 2
words=$*
lines=()
exec 3>>"$FAKE/calls"
# The number of the call is only asked for where one is to be odd.  A short line is a single write.
if [ "$odd_call" != 0 ] || [ ${#words} -gt 4000 ]; then
	flock 3
fi
echo "$HOST ${words//$'\n'/ }" >&3
[ "$odd_call" = 0 ] || mapfile -t lines <"$FAKE/calls"
exec 3>&-
[ ! -e "$FAKE/$HOST.down" ] || exit 255
if [ -n "$odd_at_all" ] || { [ "$odd_call" != 0 ] && [ "${#lines[@]}" = "$odd_call" ]; }; then
	eval "$odd"
fi
exec bash -c "$*"
EOF
}

fake_sync() {
	cat <<'EOF'
#!/bin/bash
echo "$HOST: sync $*" >>"$FAKE/log"
[ -z "$at_sync" ] || eval "$at_sync"
[[ ${!#} != "$FAKE/medium"* ]] || exec /usr/bin/sync "$@"
EOF
}

fake_virsh() {
	cat <<'EOF'
#!/bin/bash
while [ "$1" = -q ] || [ "$1" = -c ]; do
	[ "$1" = -q ] || shift
	shift
done
cd "$FAKE/host/$HOST" || exit
echo "$HOST: virsh $*" >>"$FAKE/log"
# shellcheck disable=SC2053
if [[ -n $at_virsh && $* == $at_virsh ]]; then
	eval "$then_virsh"
fi
# read_file FILE: its text, in $text. Most of what is asked is answered without starting a program.
read_file() {
	text=''
	IFS= read -rd '' text 2>/dev/null <"$1" || [ -n "$text" ]
}
uuid_of() {
	read_file "$1" && [[ $text =~ \<uuid\>([^\<]*)\</uuid\> ]] && uuid=${BASH_REMATCH[1]}
}
found='' state='shut off'
for word; do
	[ "${#word}" = 36 ] || continue
	for file in *.xml; do
		uuid_of "$file" && [ "$uuid" = "$word" ] && found=$file
	done
done
name=${found%.xml}
if [ -n "$name" ] && [ -e "$name.state" ]; then
	read_file "$name.state"
	state=${text%$'\n'}
fi
# An image of memory is its header, and the definition.
save_to() {
	printf 'LibvirtQemudSave\2\0\0\0\0\0\0\0%b\0\0\0\0\0\0\0' "$([ "$state" = running ] && echo '\1' || echo '\0')" | cat - "$found" >"$1"
	echo 'shut off' >"$name.state"
	echo saved >"$name.reason"
}
has() { [ -n "$name" ] || { echo "error: failed to get domain" >&2; exit 1; }; }
case $1 in
list)
	for file in *.xml; do
		[ -e "$file" ] || continue
		uuid_of "$file" || continue
		[[ $* == *--name* ]] && echo "$uuid ${file%.xml}" || echo "$uuid"
	done
	;;
dumpxml)
	has
	read_file "$found"
	printf %s "$text"
	;;
domstate)
	has
	[[ $* != *--reason* ]] || state+=" ($(cat "$name.reason" 2>/dev/null || echo unknown))"
	printf '%s\n\n' "$state"
	;;
dominfo)
	has
	printf 'Name: %s\nAutostart:      %s\nPersistent:     yes\nManaged save:   %s\n' "$name" \
		"$([ -e auto ] && echo enable || echo disable)" "$([ -e "$name.save" ] && echo yes || echo no)"
	;;
define)
	# As libvirt does: the file is flushed, its name is not.
	cp "$2" part
	/usr/bin/sync part
	mv part "$(xmllint --xpath 'string(/domain/name)' "$2").xml"
	;;
undefine)
	has
	[ ! -e "$name.save" ] || [[ $* == *--managed-save* ]] || exit 1
	rm -f "$found" "$name".{state,reason,save}
	;;
save) has; save_to "$3" ;;
managedsave) has; save_to "$name.save"; [[ $* != *--paused* ]] || printf '\0' | dd of="$name.save" bs=1 seek=24 conv=notrunc status=none ;;
managedsave-remove) has; rm -f "$name.save" ;;
managedsave-dumpxml) has; tail -c +33 "$name.save" ;;
save-image-dumpxml) tail -c +33 "${!#}" ;;
restore)
	[ "$(head -c 16 "$2")" = LibvirtQemudSave ] || exit 1
	name=web
	echo paused >web.state
	[[ $* == *--paused* ]] || echo running >web.state
	;;
suspend) has; [ "$state" != running ] || echo paused >"$name.state" ;;
start) has; rm -f "$name.save"; [[ $* == *--paused* ]] && echo paused >"$name.state" || echo running >"$name.state" ;;
resume) has; echo running >"$name.state" ;;
destroy | shutdown) has; echo 'shut off' >"$name.state"; echo "$1" | sed 's/y$/yed/' >"$name.reason" ;;
autostart) [[ $* == *--disable* ]] && rm -f auto || touch auto ;;
capabilities | domcapabilities) echo "<$1/>" ;;
domxml-from-native) cat "$FAKE/native.xml" ;;
create) cp "$2" made.xml; echo paused >"$(xmllint --xpath 'string(/domain/name)' "$2").state" ;;
version) echo 'Running against daemon: 9.0.0' ;;
help) echo '    --postcopy-resume  resume failed post-copy migration' ;;
migrate)
	has
	while [ $# -gt 2 ]; do
		[ "$1" != --persistent-xml ] || definition=$2
		[ "$1" != --suspend ] || paused=yes
		shift
	done
	cp "$definition" "$FAKE/host/new/$found"
	echo "${paused:+paused}" | sed 's/^$/running/' >"$FAKE/host/new/$name.state"
	echo 'shut off' >"$name.state"
	echo migrated >"$name.reason"
	;;
domjobinfo) [[ $* == *--completed* ]] && echo 'Total downtime:   90           ms' || cat job 2>/dev/null || echo 'Job type:         None' ;;
domjobabort) has; rm -f job ;;
migrate-setspeed) has ;;
domfstrim | checkpoint-list | snapshot-list | set-lifecycle-action | hypervisor-cpu-compare) ;;
*) echo "error: $1 is not known here" >&2; exit 1 ;;
esac
EOF
}
