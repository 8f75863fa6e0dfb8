#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a host answers, and that one that does not answer is never taken for one that says no.

load ../helpers
load migrate

setup() {
	test_begin
}

# asking CODE: in blkmigrate, with hosts that do what they are told; "down" is a command that ssh
# cannot bring there.
asking() {
	inside 'address=([old]=near [new]=far)
		on() { shift; "$@"; }
		vm_on() { shift; "$@"; }
		down() { return 255; }
		says() { printf "%b" "$1"; return "${2:-0}"; }
		'"$1"
}

@test "ask: an answer that fits is kept, without the blanks that LVM puts before it" {
	run -0 asking 'ask new "$a_number" says "  4096 \n\n" && echo "<$answer>"
		ask new "$a_path" says "/srv/a b \xc3\xa4.img " && echo "<$answer>"
		ask new "" says "" && echo "<$answer>"
		ask new "running|shut off" says "shut off\n" && echo "<$answer>"'

	[ "$output" = $'<4096>\n</srv/a b \xc3\xa4.img >\n<>\n<shut off>' ]
}

@test "ask: an answer that does not fit ends the program, and names host, question and answer" {
	for text in '' 'x[$(touch oops)]' 017 -1 '1\n2' 1234567890123456789 ' 1 2'; do
		run -2 --separate-stderr asking "ask new \"\$a_number\" says '$text'; echo on"
		[ -z "$output" ]
		[[ $stderr == "blkmigrate: far cannot be asked (says "*'): "'*'" is no answer' ]]
	done
	run -2 --separate-stderr asking 'ask new "$a_line" says "one\e[31mred\ntwo"'
	[[ $stderr != *$'\e'* ]]
	run -2 asking 'ask new "$any_text" printf "%01000001d" 0'

	[ ! -e oops ]
}

@test "ask: a no is a no, a host that cannot be asked ends the program, also where errexit is off" {
	run -0 asking 'if ask new "$a_number" says none 5; then echo yes; else echo "no $? $answer"; fi'
	[ "$output" = 'no 5 none' ]
	for form in 'ask new "$a_number" down' 'ask_lines new "$a_name" down' 'asks_yes new down' 'vm_ask new x down' \
		'vm_asks_yes new down' 'vm_ask_lines new x down'; do
		for code in "$form" "if $form; then echo yes; else echo no; fi" "$form || echo no" "! $form && echo no"; do
			run -2 --separate-stderr asking "$code; echo on"
			[ -z "$output" ]
			[[ $stderr == 'blkmigrate: far cannot be asked ('*'down)' ]]
		done
	done
}

@test "asks_yes: 0 is yes, 1 is no, and all else is no answer" {
	run -0 asking 'asks_yes new says dropped && ! asks_yes new says x 1 && echo "both"'
	[ "$output" = both ]

	run -2 --separate-stderr asking 'asks_yes new says x 2 || echo no'
		[ "$stderr" = 'blkmigrate: far cannot be asked (says x 2): status 2' ]
}

@test "ask_lines: each line has to fit, and none is no line" {
	run -0 asking 'ask_lines new "$a_name" says "  a  \n  b.c\n" && printf "<%s>" "${answers[@]}"
		ask_lines new "$a_name" says ""
		echo "${#answers[@]}"'
	[ "$output" = '<a><b.c>0' ]

	run -2 --separate-stderr asking 'ask_lines new "$a_name" says "a\n../b\nc"'
	[ "$stderr" = 'blkmigrate: far cannot be asked (says a\n../b\nc): "../b" is no answer' ]
}

@test "-q drops what the command says, but not why the program ends; a script goes by its name" {
	run -0 --separate-stderr asking 'ask -q new x ls /none || echo no'
	[ "$output$stderr" = no ]

	run -2 --separate-stderr asking 'ask -q new x bash -c "echo y; echo said >&2" look /dev/vg/web'
	[ "$stderr" = 'blkmigrate: far cannot be asked (look /dev/vg/web): "y" is no answer' ]
}

@test "find_vm: a line of libvirt's list without a UUID is no answer" {
	list='vm_on() { printf "%s\n" "e8cd958e-6645-5478-bdcf-1cd19353ac12 other" "$said"; }'
	for line in '../../../srv web' 'web' 'a[$(touch oops)] web'; do
		run -2 --separate-stderr inside "said='$line'; $list; find_vm web; echo \"\$uuid\""
		[ -z "$output" ]
		[[ $stderr == *'cannot be asked (virsh list'*' is no answer' ]]
	done
	run -0 inside "said='e8cd958e-6645-5478-bdcf-1cd19353ac13 my web'; $list; find_vm 'my web'; echo \"\$uuid \$vm\""
	[ "$output" = 'e8cd958e-6645-5478-bdcf-1cd19353ac13 my web' ]
	[ ! -e oops ]
}
