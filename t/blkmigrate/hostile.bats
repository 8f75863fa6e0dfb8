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

@test "plan and prepare: whichever call is answered oddly, nothing of it is run or shown" {
	export -f blkmigrate migrate
	export root dir
	migrate prepare

	# t/long has every call, and every kind of answer to it.
	every 11 $(seq "$(grep -cE '^(old|new) ' calls)")
	for number in "${some[@]}"; do
		rm -rf state/* there/*
		with_odd "${odd_answers[number / 11 % ${#odd_answers[@]}]}" "$number" migrate prepare
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

@test "what a transfer says or prints, on either side, is shown without escapes" {
	run -0 --separate-stderr inside 'address=([old]=old [new]=new)
		receiver() { echo sink; }; meter() { echo cat; }
		lock=([old]=x [new]=x)
		ssh() { printf "\e%s\n" "$*" >&2; printf "\eout\n"; cat >/dev/null; }
		export -f ssh
		transfer vda "blkread x" "ssh -- list"'
	for host in old new list; do
		grep -- "-- $host" <<<"$stderr"
	done
	grep -x '?out' <<<"$stderr"
	[[ $output$stderr != *$'\e'* ]]
}

@test "what a host prints where only a status is asked for is not shown" {
	run -0 --separate-stderr inside 'begun[defined]=yes
		on() { printf "\eout\n"; return 1; }
		! domain_is_ours
		committed() { return 1; }
		xml_document() { :; }
		spare_domain "shut off"'
	[ -z "$output" ]
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

@test "what blkwrite says of a delta from a bitmap, which is checked here, is not shown" {
	run -0 inside 'printf "%s\n" "$@" | relay' \
		'blkwrite: /x: the delta does not state all of the old data: that it is for this target was not checked' \
		'blkwrite: /x: another note'
	[ "$output" = 'blkwrite: /x: another note' ]
}

# --- what is kept -----------------------------------------------------------------

@test "an option with a line feed in it is refused: it would be a line of the plan" {
	for option in --map-disk=vda= --dir= --vg= --pool= --to= --rename= --map-net=a=; do
		run -64 --separate-stderr migrate plan "$option"/x$'\n'target_kind[vda]=thin
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

@test "a plan of which a part is missing is not used, wherever it is cut" {
	machine_is running
	migrate prepare
	plan=$(echo state/from/*/plan)
	cp "$plan" whole
	for ((lines = $(wc -l <whole) - 1; lines >= 0; lines -= 7)); do
		head -n "$lines" whole >"$plan"
		run -2 --separate-stderr inside "id=$(basename "${plan%/plan}"); load_plan; echo on"
		[ -z "$output" ]
		[[ $stderr == *'the plan in '*' cannot be understood: '@('it names no machine'|'its end is missing') ]]
	done
	mkdir state/from/0123456789ab
	mv whole state/from/0123456789ab/plan
	run -2 --separate-stderr inside 'load_plan; echo on'
	[[ $stderr == *'cannot be understood: it is that of '* ]]
	run -2 --separate-stderr blkmigrate status
	[ -z "$output" ]
}

@test "what a host says of itself, and does not do: nothing was done, and no journal is empty" {
	for text in '' done. 'done
done' hello; do
		export text
		run -255 --separate-stderr inside 'on() { echo "$text"; }; feed() { echo "$text"; }; guarded old true'
		[[ $stderr == *'where it was to do something: whether it was done is not known' ]]
		run -2 --separate-stderr inside 'feed() { echo "$text"; }; put old /x <<<x'
		[[ $stderr == *': whether /x was written is not known' ]]
		run -2 --separate-stderr inside 'on() { echo "$text"; }; id=0123456789ab; journal_read; echo on'
		[ -z "$output" ]
		[[ $stderr == *' does not answer with the journal ('* ]]
		run -2 --separate-stderr inside 'on() { echo "$text"; }; id=0123456789ab; claim_name; echo on'
		[ -z "$output" ]
	done
	run -2 --separate-stderr inside 'on() { echo kept; echo "2026-01-01T00:00:00Z begin down ."; }; id=0123456789ab; journal_read; echo on'
	[ -z "$output" ]
	run -0 inside 'on() { printf "%s\n" kept "2026-01-01T00:00:00Z begin down ." "2026-01-01T00:0" "" end; }; id=0123456789ab; journal_read; echo "${!begun[@]}"'
	[ "$output" = down ]
}

@test "a name of a machine that libvirt cannot have given is not taken for its new one" {
	for title in '' $'a\e[31m' a/b; do
		export title
		run -2 --separate-stderr inside 'on() { printf "%s\n" "$title"; }; fence_changes() { fence_changed=; }; persistent=yes begun[fenced]=now vm=web; lift_fence; echo on'
		[ -z "$output" ]
		[[ $stderr == *'is no answer' ]]
	done
}

@test "a host that says a megabyte where its lock is taken: a line says so, and nothing has begun" {
	machine_is running
	migrate prepare
	blkmigrate sync web
	export -f blkmigrate
	export root dir
	with_odd long "$(grep -n -m 1 'exec 8<' calls | cut -d : -f 1)" blkmigrate sync web
	[ "$odd_status" = 2 ]
	[ "$(cat host/old/web.state)" = running ]
	grep -q '^blkmigrate: cannot lock on old: ' said
}

@test "a machine of which libvirt says nothing is not taken for transient, or for one without autostart" {
	code='xml_document() { :; }; vm_on() { printf "$said"; }; read_definition; echo "$persistent $autostart"'

	for said in 'what\n' 'Name: web\nPersistent: yes\n' 'Name: web\nAutostart:  disable\n' 'Name: web\nAutostart: x\nPersistent: x\n'; do
		run -2 --separate-stderr inside "said='$said'; $code"
		[ -z "$output" ]
		[[ $stderr == *'does not say whether web '* ]]
	done
	run -0 inside "said='Name: web\nPersistent:  no\nAutostart:      enable\n'; $code"
	[ "$output" = 'no yes' ]
}
