#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The driver's answer policy (scripts/blkmigrate.d/hosts/answers.bash), and that its functions share
# no local variables, as t/answers checks them.

load ../helpers

# finds KIND CODE: in that code, and only that.
finds() {
	printf '%s\n' "$2" >code
	run -1 "$root/t/answers" code
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == "code:"[0-9]*": $1: "* ]]
}

passes() {
	printf '%s\n' "$1" >code
	run -0 "$root/t/answers" code
	[ -z "$output" ]
}

@test "blkmigrate loses no answer of a host, and shares no local variable" {
	run -0 "$root/t/answers" "$root/scripts/blkmigrate" "$root"/scripts/blkmigrate.d/*/*.bash

	[ -z "$output" ]
}

@test "nor does blktunnel" {
	run -0 "$root/t/answers" "$root/scripts/blktunnel" "$root"/scripts/blktunnel.d/*/*.bash "$root"/scripts/blkmigrate.d/hosts/*.bash

	[ -z "$output" ]
}

@test "nor does blkassemble" {
	run -0 "$root/t/answers" "$root/scripts/blkassemble" "$root"/scripts/blkmigrate.d/hosts/*.bash "$root"/scripts/blkmigrate.d/disks/{table,identity}.bash

	[ -z "$output" ]
}

# unbounded FILE ...: where what a host prints fills a variable or a file without a bound.
unbounded() {
	grep -nE '\$\((on|vm_on|feed|xen_links|xen_state|layout) |^[^#]*\b(on|vm_on) [^|]*>"?\$private' "$@" | grep -vE '\$private/why|brief|theirs'
}

@test "nothing that a host prints fills the memory or the disk of this one" {
	run -1 unbounded "$root"/scripts/*.d/*/*.bash
	printf '%s\n' 'x=$(on old ls)' '	on new cat x >"$private/x" ||' '	brief on new ls >"$private/x"' 'x=$(brief on old ls)' >code
	run -0 unbounded code

	[ "${#lines[@]}" = 2 ]
}

@test "a question in case, for, < <() or a test is found" {
	finds case 'case $(on old uname) in'
	finds case '	case "$(vm_on new domstate x)" in'
	finds for 'for each in $(on new ls); do'
	finds read 'done < <(on old cat plan)'
	finds read 'mapfile -t words < <(feed old cat x | sort)'
	finds test '[ -z "$(on new ls)" ] || x'
	finds test '! [[ $(vm_on new net-info "$name" 2>/dev/null) =~ yes ]] || x'
}

@test "an unchecked answer in arithmetic, a subscript, unset or a program of sed is found" {
	finds arithmetic 'x=$(($(on old date +%s) - 1))'
	finds arithmetic 'free=$(on old vgs x) || continue
[ "$((free))" -ge 3 ]'
	finds arithmetic 'free=$(on old vgs x)
[ "$free" -ge 3 ]'
	finds arithmetic 'free=$(on old vgs x)
[ 3 -lt "${free:-2}" ]'
	finds arithmetic 'free=$(brief on old vgs x)
[ "$free" -ge 3 ]'
	finds subscript 'name=$(on old ls)
known[$name]=yes'
	finds subscript 'name=$(on old ls)
unset "known[$name]"'
	finds subscript 'name=$(on old ls)
printf -v "known[$name]" %s x'
	finds sed 'sed -n "s/^$id-//p" x'
	finds sed 'x | awk "\$1 == $number"'
}

@test "a command in the arithmetic of a script for the host is found" {
	finds arithmetic "list='
id=\$((\$(lvs --noheadings -o thin_id x)))'"
	finds arithmetic "on old bash -c 'echo \$((\$(date +%s) - 1))' x"
	passes "list='
id=\$((number + 1))
(cd x; y=\$(ls))'"
}

@test "in a pipe, an unchecked question and what ends only its own subshell are found" {
	finds pipe 'on old cat x | put new "$file"'
	finds pipe '{ on old cat x; date; } | sort >y'
	finds pipe 'printf "%s" "$x" | put new "$file" || die "x"'
	finds pipe '{
	on old cat x
	echo "$y"
} | sort >y'
	finds pipe 'for host in old new; do
	if x; then
		ask "$host" "$a_number" cat x || die "x"
		echo "$answer"
	else
		echo none
	fi
done | sort >y'
	finds pipe 'sort x | while read -r name; do
	asks_yes new test -e "$name" || echo "$name"
done'
	finds pipe "on old bash -c 'x |
		y' x |
		sort >y"
	finds pipe 'g() {
	f || return
}
f() {
	ask old "$a_number" cat x
}
x | g >y'
}

@test "a function that ends the program in a substitution is found" {
	finds subshell 'x=$(ask old "$a_number" cat x) || die "x"'
	finds subshell 'x="$(asks_yes old cat x)"'
	finds subshell 'f() {
	ask old "$a_number" cat x
	echo "$answer"
}
[ -z "$y" ] || y=$(f)'
}

@test "a pipe whose question is checked, and one that asks nothing, are not" {
	passes "on old tar -cf - x | feed new bash -c 'set -e
		tar -xf - | cat' x || return"
	passes '{ on old cat x || true; } |
	feed new sort || status=$?'
	passes '{
	echo "$x"
} >y
put old x <y'
	passes 'sort x | uniq >y
ask old "$a_number" cat x || die "x"'
	passes 'case $x in
a | put) ask old "$a_number" cat x ;;
esac'
	passes 'cat <<-EOT
	x | put y
EOT'
	passes 'say "x | put y"'
}

@test "a function that reads or sets its caller's local variable is found" {
	finds local 'f() {
	local x=1

	g
}
g() {
	echo "$x"
}'
	finds local 'f() {
	local x

	g
}
g() {
	x=$(date)
}'
	finds local 'x=0
g() {
	echo "${x:-}"
}
h() {
	g
}
f() {
	local x=1

	h
}'
	finds local 'f() {
	local x

	for x in 1 2; do
		g
	done
}
g() {
	for x in 1 2; do
		date
	done
}'
}

@test "a function's own variables, global ones and those of the environment are not" {
	passes 'x=0
f() {
	local y=$x x=1

	g "$y" "$x"
}
g() {
	local x=$1

	echo "$x" "$HOME"
}
h() {
	x=2
	g "$x"
}'
	passes 'f() {
	local x=1

	printf "%s" "x=$x" x=2
}
g() {
	mount -o x=2 y; printf "%s" x
}'
}

@test "what has been checked, what runs on the host and what people read is not" {
	passes 'ask old "$a_number" vgs x || die "x"
[ "$answer" -ge 3 ]'
	passes 'free=$(on old vgs x) || die "x"
[[ $free =~ ^($a_number)$ ]] || die "x"
[ "$free" -ge 3 ]'
	passes 'f() {
	free=$(on old vgs x) || die "x"
}
g() {
	[ "$free" -ge 3 ]
}'
	passes "on old bash -c 'case \$(on x) in
		x) echo \$(on y) ;;
	esac' x"
	passes '# case $(on x) in'
	passes 'for each in $(image_disks); do say "$(name_of new)"; done'
}
