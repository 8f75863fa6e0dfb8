#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --help and --version of filters and scripts: what they say is what the manuals and the build say.

load ../helpers

filters=$(cd "$root/filters" && printf "%s " *.c)
filters=${filters//.c/}

scripts="blkmigrate blktunnel blkassemble"
PATH=$PATH:$root/scripts

version=$(sed -n 's/^VERSION = //p' "$root/Makefile")

words() {
	tr -s ' \n\t' ' ' | sed 's/^ //; s/ $//'
}

manual_of() {
	echo "$root"/*/"$1.1"
}

# page PROGRAM: its manual as text, in lines that nothing breaks.
page() {
	mandoc -Tascii -O width=500 "$(manual_of "$1")" | col -bx
}

# manual_items FILTER: the names and arguments of each option in its manual, a line each.
manual_items() {
	{
		printf '.Dd January 1, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd x\n.Sh DESCRIPTION\n.Bl -item\n' "$1"
		sed -n 's/^\.It \(Fl .*\)/.It\n.\1/p' "$(manual_of "$1")"
		echo .El
	} | mandoc -Tascii -O width=500 | col -bx | sed -n '/^DESCRIPTION/,/^[E-Z]/ s/^     \(-.*\)/\1/p' | sort
}

# help_items FILTER: the options in --help; two blanks separate them from their meaning.
help_items() {
	"$1" --help | sed -n 's/^  \(-.*\)/\1/p' | sed 's/   *.*//' | sort
}

@test "--help and -h print to standard output, with status 0, and nothing else" {
	for filter in $filters $scripts; do
		run -0 --separate-stderr "$filter" --help
		[ -z "$stderr" ]
		[ "${#lines[@]}" -gt 8 ]
		help=$output
		run -0 --separate-stderr "$filter" -h
		[ "$output" = "$help" ]
		awk 'length > 90 { print; bad = 1 } END { exit bad }' <<<"$help"
	done
}

@test "--help has the manual's synopsis" {
	require mandoc col

	for filter in $filters $scripts; do
		synopsis=$(page "$filter" | sed -n '/^SYNOPSIS/,/^[A-Z]/ { /^[A-Z]/d; p; }' | words)
		usage=$("$filter" --help | sed -n '/^usage: /,/^$/ { s/^usage: //; p; }' | words)
		echo "manual: $synopsis"
		echo "help:   $usage"
		[ "$usage" = "$synopsis" ]
	done
}

@test "--help has each option of the manual with its arguments, and says what it means" {
	require mandoc col

	for filter in $filters $scripts; do
		manual_items "$filter" >manual
		[ "$(wc -l <manual)" -ge 4 ]
		help_items "$filter" | diff manual -
		# Each has words beside it, or on the next line.
		"$filter" --help | awk '
			/^  -/ { if (waiting) exit 1; waiting = ($0 !~ /^  -.*[^ ]  +[^ ]/); next }
			/^   +[^ ]/ { waiting = 0; next }
			waiting { exit 1 }'
	done
}

@test "--help has two examples that begin with a program, and names the manual" {
	for filter in $filters $scripts; do
		"$filter" --help >help
		[ "$(sed -n '/^Examples:/,/^$/p' help | grep -cE '^  [a-z]')" -ge 2 ]
		sed -n '/^Examples:/,/^$/p' help | grep -q "$filter "
		grep -qx "The manual: man $filter" help
	done
}

@test "--version tells the version, the commit, the stream's version, codecs and libraries" {
	for filter in $filters; do
		run -0 --separate-stderr "$filter" --version
		[ -z "$stderr" ]
		[[ ${lines[0]} =~ ^$filter\ $version\ \(blk-filters,\ commit\ ([0-9a-f]{12}(-dirty)?|unknown)\)$ ]]
		[[ ${lines[1]} == "block stream version 1.1, codecs: stored, deflate"* ]]
		[[ ${lines[2]} == "built with zlib "*", libdeflate "*", xxHash "*", expat "* ]]
		[ "$("$filter" -V)" = "$output" ]
	done
}

@test "scripts tell the same version, in the sources and installed" {
	make -s -C "$root" BIN="$BIN" DESTDIR="$PWD/there" PREFIX=/usr install 3>&-
	for script in $scripts; do
		run -0 --separate-stderr "$script" --version
		[ -z "$stderr" ]
		[[ $output =~ ^$script\ $version\ \(blk-filters,\ commit\ ([0-9a-f]{12}(-dirty)?|unknown)\)$ ]]
		[ "$("$script" -V)" = "$output" ]
		[[ $(there/usr/bin/$script -V) =~ ^$script\ $version\ \(blk-filters,\ commit\ ([0-9a-f]{12}(-dirty)?|unknown)\)$ ]]
	done
}

@test "a command's --help has what it does, its own options and no others" {
	for command in $(blkmigrate --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		run -0 --separate-stderr blkmigrate "$command" --help
		[ -z "$stderr" ]
		[[ ${lines[0]} == "blkmigrate $command: "?* ]]
		[[ $output == *"usage: blkmigrate $command [options]"* ]]
		[[ $output == *$'\n  blkmigrate '* ]]
		[ "$(grep -c -e '^  --post-copy' <<<"$output")" = "$([ "$command" = live ] && echo 1 || echo 0)" ]
		[ "$(grep -c -e '^  --overwrite' <<<"$output")" = "$([ "$command" = copy ] && echo 1 || echo 0)" ]
		grep -q -e '^  -v, --verbose' <<<"$output"
	done
	[ "$command" = purge ]
	run -0 blktunnel up --help
	[[ $output == *"usage: blktunnel up [options] --to host"* ]]
	[[ $output != *--unanswered* ]]
}

@test "the commit in --version is that of the archive, where there is no repository" {
	mkdir -p tree/lib/help
	cp "$root/Makefile" tree/
	for commit in '$Format:%H$' 0123456789abcdef0123456789abcdef01234567; do
		echo "$commit" >tree/lib/help/commit
		make -s -C tree build/release/version 3>&-
		cat tree/build/release/version
	done >versions

	[ "$(cat versions)" = "-DVERSION='\"$version\"' -DCOMMIT='\"unknown\"'
-DVERSION='\"$version\"' -DCOMMIT='\"0123456789ab\"'" ]
	grep -qx "lib/help/commit export-subst" "$root/.gitattributes"
	grep -qxF "\$Format:%H\$" "$root/lib/help/commit"
}

@test "a wrong command line says what is wrong, one line of usage, and where help is" {
	while IFS= read -r command; do
		echo "$command"
		wrong=2
		[[ $command != blkmigrate* ]] || wrong=64
		run -$wrong --separate-stderr eval "$command </dev/null"
		[ -z "$output" ]
		[ "${#stderr_lines[@]}" = 2 ]
		[[ ${stderr_lines[0]} =~ ^[a-z/]*${command%% *}:\ ...... ]]
		[[ ${stderr_lines[1]} == "usage: ${command%% *} "*"; "*"--help explains the options" ]]
	done < <(
		for filter in $filters; do
			echo "$filter --no-such-option"
			echo "$filter -Z"
		done
		cat <<-'EOC'
			blkread
			blkread one two
			blkwrite
			blkwrite one two
			blkzip one two
			blkfan
			blkdiff one
			blkdiff one two three
			blkdiff --map one --changes two three
			blkdiff -q --list one two
			blkdiff --era-block 4K one two
			blkdiff --read-only one two
			blkdiff --map one
			blkdiff --changes one two three
			blkmeter --json -n
			blkmeter -i
			blksum --map one two
			blkmigrate
			blkmigrate fly
			blkmigrate run
			blkmigrate run one two
			blkmigrate run --no-such-option one
			blkmigrate run --no-such-option=one
			blkmigrate copy one
			blkmigrate copy one two
			blktunnel
			blktunnel fly
			blktunnel up --to new 192.0.2.1
			blktunnel route --to new
			blkassemble --no-such-option
			blkassemble --table gpt --to there
		EOC
	)
}

@test "help that cannot be printed is an error" {
	for filter in $filters $scripts; do
		for option in --help --version; do
			run -2 --separate-stderr eval "$filter $option >/dev/full"
			[[ ${stderr_lines[-1]} == "$filter: standard output: "@("No space left on device"|"cannot be written") ]]
		done
	done
}

@test "-h and -V of a command are the command's" {
	make_image image 1M
	blkread image >stream

	run -2 --separate-stderr eval "blkfan -n 1 blkwrite -Z <stream"
	[[ $stderr == *"usage: blkwrite "* ]]
	run --separate-stderr eval "blkfan -n 1 blkzip -V <stream"
	[[ $output == "blkzip "* ]]
}
