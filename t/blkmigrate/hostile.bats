#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A host that answers something else than it was asked: nothing of it is run, nothing of it moves the
# cursor, and it is taken neither for a yes nor for a no.

load ../helpers
load migrate
load hosts

setup() {
	hosts_begin
}

# What it may answer, by the name of the kind; text has what bash, sed and option parsers obey.
odd_answers=(text empty lines long option down)

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
	esac
}

# with_odd KIND NUMBER COMMAND ...: no harm is done where the call of that number is answered so.
with_odd() {
	local kind=$1 number=$2 status=0

	export odd odd_call=$2
	odd=$(odd_answer "$1" "$2")
	shift 2
	timeout 60 bash -c '"$@"' run "$@" >said 2>&1 </dev/null || status=$?
	odd_call=0
	echo "$kind at call $number of $*: status $status, $(tail -n 1 said)"
	[ "$status" -lt 124 ]
	[ -z "$(find . -name 'pwned*' -o -name '*touch*')" ]
	run -1 grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\xbf]' said
}

@test "plan and prepare: whichever call is answered oddly, nothing of it is run or shown" {
	local number=0 kinds=(text empty text lines text long text option text down)

	export -f blkmigrate migrate
	export root dir
	migrate prepare
	count=$(grep -cE '^(old|new) ' calls)
	while [ "$number" -lt "$count" ]; do
		number=$((number + 1))
		rm -rf state/* there/*
		with_odd "${kinds[number % 10]}" "$number" migrate prepare
		[ "$(cat host/old/web.state)" = running ]
		[ ! -e host/new/web.xml ]
	done
}

# --- what is shown ----------------------------------------------------------------

escapes=$'a\e[31mb\x07c\xc2\x9bd\x9be\x7ff\tg\xc3\xa4h\xe2\x82\xac'
# The same without what a terminal would obey: it is not UTF-8 as a whole, so only ASCII stays.
shown='a?[31mb?c??d?e?f g??h???'

@test "say, warn, die and show: control characters become question marks, other characters stay" {
	run -2 inside 'verbose=true shown=2
		say "$1"
		warn "$1"
		show new "$1"
		say "x$(printf "\e\302\237\303\244\342\202\254")y"$'"'\n'"'z
		die "$1"' "$escapes"

	[ "$output" = "$shown
blkmigrate: $shown
new# $shown
x???ä€y
z
blkmigrate: $shown" ]
}

@test "what a host says on standard error is shown without escapes, and no more than a megabyte of it" {
	run -3 --separate-stderr inside 'on new bash -c "printf \"%s\n%s\" \"\$1\" \"\$1\" >&2; cat; echo out; exit 3" x "$1"' "$escapes"
	[ "$output" = out ]
	[ "$stderr" = "$shown"$'\n'"$shown" ]

	run -0 --separate-stderr inside 'on new bash -c "head -c 3000000 /dev/zero | tr \"\\0\" x >&2"'
	[ "${#stderr}" -gt 500000 ]
	[ "${#stderr}" -le 1000000 ]
}

@test "the messages of a transfer, on either side, are shown without escapes" {
	run -0 --separate-stderr inside 'address=([old]=old [new]=new)
		receiver() { echo sink; }; meter() { echo cat; }
		lock=([old]=x [new]=x)
		ssh() { printf "\e%s\n" "$*" >&2; }
		export -f ssh
		transfer vda "blkread x" "ssh -- list"'
	for host in old new list; do
		grep -- "-- $host" <<<"$stderr"
	done
	[[ $stderr != *$'\e'* ]]
}

@test "a document with types or entities of its own is not looked at" {
	code='on() { printf "%b" "$said"; }; xml_document old "$private/x" on old cat x; echo taken'

	for said in '<domain/>' '<?xml version="1.0" encoding="UTF-8"?>\n<domain/>' '\n<!-- x --><domain/>'; do
		run -0 inside "said='$said'; $code"
		[ "$output" = taken ]
	done
	for said in '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/hostname">]><d>&e;</d>' '<?xml version="1.0" encoding="UTF-7"?><d/>' \
		'<\0d\0/\0>\0' '' 'error: no'; do
		run -2 --separate-stderr inside "said='$said'; $code"
		[ -z "$output" ]
		[ "$stderr" = 'blkmigrate: this host cannot be asked (cat x): what it prints is no XML as libvirt writes it' ]
	done
	run -2 inside 'on() { head -c 17000000 /dev/zero; }; document old "$private/x" on old cat x || echo no; echo taken'
	[ "$output" = 'blkmigrate: this host cannot be asked (cat x): what it prints is too long' ]
}

# --- what is kept -----------------------------------------------------------------

@test "an option with a line feed in it is refused: it would be a line of the plan" {
	for option in --map-disk=vda= --dir= --vg= --pool= --to= --rename= --map-net=a=; do
		run -2 --separate-stderr migrate plan "$option"/x$'\n'target_kind[vda]=thin
		[ "$stderr" = "blkmigrate: ${option%%=*}: a value with a line feed in it cannot be kept in a plan" ]
	done
	[ ! -e calls ]
}

@test "a plan with what might be an option, a command or a second line is not used" {
	good='id=0123456789ab vm=web uuid=1-2-3 drives=empty new_address=new'

	for line in 'uuid=-c' 'new_address=-oProxyCommand=x' 'new_address=a$(touch pwned)' 'new_address=a b' 'volume[vda]=-f/x' \
		'size[vda]=a[$(touch pwned)]' 'pool=--help' 'xen_config=-x' 'kind[vda]=x;y' 'first_boot=-x'; do
		mkdir -p state/from/0123456789ab
		printf '%s\n' $good "$line" >state/from/0123456789ab/plan
		run -2 --separate-stderr inside 'load_plan; echo on'
		[ -z "$output" ]
		[[ $stderr == *'cannot be understood: '* ]]
	done
	printf '%s\n' $good >state/from/0123456789ab/plan
	run -0 inside 'load_plan; echo "$vm ${address[new]}"'
	[ "$output" = 'web new' ]
	[ ! -e pwned ]
	run -2 inside 'vm=a'"\$'\\n'"'b; save_plan'
	[[ $output == *'vm has a line feed in it, and cannot be kept: a?b'* ]]
}
