#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The driver's answer policy (scripts/blkmigrate.d/hosts/answers.bash), as t/answers checks it.

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

@test "blkmigrate loses no answer of a host" {
	run -0 "$root/t/answers" "$root/scripts/blkmigrate" "$root"/scripts/blkmigrate.d/*/*.bash

	[ -z "$output" ]
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
