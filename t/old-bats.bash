# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests use of bats 1.5 and later, for bats 1.2, which Ubuntu 22.04 has.  Only
# helpers.bash loads this, and only there.

bats_require_minimum_version() {
	:
}

# A folder that all tests of a file share; setup_file may fill it.
if [ -z "${BATS_FILE_TMPDIR:-}" ]; then
	BATS_FILE_TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/blkfile.XXXXXX")
	export BATS_FILE_TMPDIR
	teardown_file() {
		rm -rf --one-file-system "$BATS_FILE_TMPDIR"
	}
fi

# run [-N | !] [--separate-stderr] [--] COMMAND ...: sets $status, $output, $lines and
# $stderr; -N and ! say which status is right.
run() {
	local expected='' separate='' messages='' errexit=$-

	while :; do
		case ${1:-} in
		-[0-9]*) expected=${1#-} ;;
		!) expected=! ;;
		--separate-stderr) separate=yes ;;
		--)
			shift
			break
			;;
		*) break ;;
		esac
		shift
	done
	set +eET
	status=0
	if [ -n "$separate" ]; then
		messages=$(mktemp)
		output=$("$@" 2>"$messages") || status=$?
		stderr=$(cat "$messages")
		rm -f "$messages"
	else
		output=$("$@" 2>&1) || status=$?
	fi
	case $errexit in *e*) set -e ;; esac
	set -ET
	mapfile -t lines < <([ -z "$output" ] || grep . <<<"$output")
	case $expected in
	'' | "$status") ;;
	!) [ "$status" != 0 ] || unexpected "any failure" ;;
	*) unexpected "exit status $expected" ;;
	esac
}

unexpected() {
	echo "expected $1, got $status; output: $output ${stderr:-}" >&2
	return 1
}
