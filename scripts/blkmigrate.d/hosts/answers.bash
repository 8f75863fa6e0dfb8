# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Questions to a host.  There are three answers: yes (status 0), no (another status), and 255,
# which is ssh's: the host could not be asked.  The last one must never pass for one of the other
# two, nor for an empty answer: a disk that could not be looked at is not a disk that is not there.
#
# So a question sets a variable, and ends this program if the host could not be asked, or if its
# answer does not look like one.  Call it plainly, since in $(...), in a pipe or in the background
# only that subshell would end; and never with 2>/dev/null, which would hide the reason.
#
#	ask new "$a_number" blockdev --getsize64 "$path" || die "$path: its size cannot be read"
#	whole=$answer
#
#	if asks_yes new test -e "$path"; then ...
#
#	ask_lines old "$a_name" lvs --noheadings -o lv_name "$group" || die ...
#	for name in "${answers[@]}"; do ...
#
# Each takes -q before the host to drop what the command prints on standard error, and has a twin
# that puts its question to libvirt there: vm_ask, vm_asks_yes, vm_ask_lines HOST ... VIRSH-COMMAND.
# Where a function has to give back that it could not ask, or what comes is a document, these take
# what a host says, no more of it than their bound:
#
#	list=$(brief vm_on new list --all --uuid) || return
#	document old "$private/plan" on old cat ... || return
#	xml_document new "$private/there.xml" vm_on new dumpxml ... || return
#
# What is kept in a file is held against a pattern when it is read, line by line, and XML is read by
# XML tools alone.  The journal and the plan are answers, too: the folder in which they are kept may
# have been damaged, or belong to somebody else.
#
# An answer is overwritten by the next question: copy it first.  A command that changes something
# (act, guarded, perform, vm_act) gives back its status, which the caller must look at: after 255
# it may or may not have been done.
#
# errexit is off in everything that is called by if, !, && or ||, down to the last function: so
# each command there that may fail needs its own "|| return" or "|| die".

answer='' answers=()
# The longest answer, and the longest document, in bytes.
answer_limit=1000000 document_limit=16000000

# Patterns for answers, of extended regular expressions; each has to fit the whole answer, or with
# ask_lines the whole line.  A number fits bash's arithmetic, and has no leading zero to make it
# octal; a name is no option and no path; a title is what libvirt calls a machine.
# shellcheck disable=SC2034
{
	a_number='0|[1-9][0-9]{0,17}'
	a_name='[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,254}'
	a_path=$'/[^\n]+'
	a_uuid='[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
	a_line=$'[^\n]*'
	a_title=$'[^\x01-\x1f\x7f/]+'
	any_text='.*'
}

# ask [-q] HOST PATTERN COMMAND [ARGUMENT ...]: set $answer to what it prints there, without leading
# blanks and trailing line feeds, and, unless they fit, without trailing blanks: LVM prints both.
# False, with the command's status, if it says no; $answer is then what it printed, unchecked.
ask() {
	local quiet=''

	[ "$1" != -q ] || { quiet=-q && shift; }
	answer_to "$quiet" "$1" on "$1" "${@:3}" || return
	answer_fits "$1" "$2" "${@:3}"
}

vm_ask() {
	local quiet=''

	[ "$1" != -q ] || { quiet=-q && shift; }
	answer_to "$quiet" "$1" vm_on "$1" "${@:3}" || return
	answer_fits "$1" "$2" virsh "${@:3}"
}

# ask_lines [-q] HOST PATTERN COMMAND [ARGUMENT ...]: set $answers to the lines that it prints,
# without empty ones; each must fit.
ask_lines() {
	local quiet=''

	[ "$1" != -q ] || { quiet=-q && shift; }
	answers=()
	answer_to "$quiet" "$1" on "$1" "${@:3}" || return
	answer_lines "$1" "$2" "${@:3}"
}

vm_ask_lines() {
	local quiet=''

	[ "$1" != -q ] || { quiet=-q && shift; }
	answers=()
	answer_to "$quiet" "$1" vm_on "$1" "${@:3}" || return
	answer_lines "$1" "$2" virsh "${@:3}"
}

# asks_yes [-q] HOST COMMAND [ARGUMENT ...]: true or false, as test, grep -q or command -v answer:
# 0 or 1.  Any other status is no answer.  What the command prints is dropped.
asks_yes() {
	local quiet='' status=0

	[ "$1" != -q ] || { quiet=-q && shift; }
	answer_to "$quiet" "$1" on "$@" || status=$?
	[ "$status" -le 1 ] || cannot_ask "$1" "status $status" "${@:2}"
	return "$status"
}

vm_asks_yes() {
	local quiet='' status=0

	[ "$1" != -q ] || { quiet=-q && shift; }
	answer_to "$quiet" "$1" vm_on "$@" || status=$?
	[ "$status" -le 1 ] || cannot_ask "$1" "status $status" virsh "${@:2}"
	return "$status"
}

# --- how it is done ---------------------------------------------------------------

# answer_to QUIET HOST ASKER HOST COMMAND ...: fill $answer; returns the command's status.
answer_to() {
	local status=0

	if [ -n "$1" ]; then
		answer=$(brief "${@:3}" 2>/dev/null) || status=$?
	else
		answer=$(brief "${@:3}") || status=$?
	fi
	[ ${#answer} -le "$answer_limit" ] || cannot_ask "$2" "its answer is too long" "${@:5}"
	[ "$status" != 255 ] || cannot_ask "$2" '' "${@:5}"
	answer=${answer#"${answer%%[! ]*}"}
	return "$status"
}

# brief COMMAND [ARGUMENT ...]: its status, and no more of what it prints than is an answer, and a
# byte.
brief() {
	"$@" | answer_bytes
}

# answer_bytes: that much of standard input, without NUL bytes, which bash cannot keep.  This shell
# reads it itself: a program more for each question would be a third of all that are started.
answer_bytes() {
	local text='' piece='' left=$((answer_limit + 1)) ended=''

	while [ -z "$ended" ] && [ "$left" -gt 0 ]; do
		IFS= read -r -d '' -n "$left" piece || ended=yes
		text+=$piece
		left=$((left - ${#piece} - 1))
	done
	printf %s "$text"
}

# document HOST FILE COMMAND [ARGUMENT ...]: FILE is what the command prints; its status.
document() {
	local status=0

	"${@:3}" | document_bytes "$2" || status=$?
	[ ! -e "$2.longer" ] || cannot_ask "$1" "what it prints is too long" "${@:5}"
	return "$status"
}

# document_bytes FILE: the file gets as many of standard input's, and FILE.longer is there if more
# followed.
document_bytes() {
	[ ! -e "$1.longer" ] || rm -f -- "$1.longer"
	head -c "$document_limit" >"$1" || return
	! IFS= read -r -d '' -n 1 || : >"$1.longer"
}

# hushed, because COMMAND [ARGUMENT ...]: for these, which must say themselves where they cannot ask:
# what the command says on standard error is dropped, or kept in $private/why.
hushed() {
	"$@" 2>/dev/null
}

because() {
	"$@" 2>"$private/why"
}

# xml_document HOST FILE COMMAND [ARGUMENT ...]: libvirt declares no types and no entities, by which
# an XML tool would read other files of this host into the document, and writes UTF-8, in which one
# can look for them.
xml_document() {
	xml_forget "$2"
	document "$@" || return
	is_plain_xml "$2" || cannot_ask "$1" "what it prints is no XML as libvirt writes it" "${@:5}"
}

is_plain_xml() {
	local text='' declared=$'^<[?]xml[^>]*encoding[ \t\n]*=[ \t\n]*["\']([A-Za-z0-9._-]*)'

	# A NUL byte, as other encodings have it, ends what is read before the end of the file.
	! IFS= read -r -d '' text <"$1" || return
	[[ ${text:0:200} =~ ^[[:space:]]*[\<] ]] || return
	[[ ! ${text:0:200} =~ $declared || ${BASH_REMATCH[1]^^} == UTF-8 ]] &&
		[[ $text != *'<!DOCTYPE'* && $text != *'<!ENTITY'* ]]
}

# answer_fits HOST PATTERN COMMAND ...: die unless $answer does.
answer_fits() {
	[[ ! $answer =~ ^($2)$ ]] || return 0
	answer=${answer%"${answer##*[! ]}"}
	[[ $answer =~ ^($2)$ ]] ||
		cannot_ask "$1" "\"$(printable "${answer:0:200}")\" is no answer" "${@:3}"
}

# answer_lines HOST PATTERN COMMAND ...: fill $answers from $answer.
answer_lines() {
	local lines

	mapfile -t lines <<<"$answer"
	for answer in "${lines[@]}"; do
		answer=${answer#"${answer%%[! ]*}"}
		[ -n "$answer" ] || continue
		answer_fits "$@"
		answers+=("$answer")
	done
}

# cannot_ask HOST WHY COMMAND ...: call a script by the name that it was given as $0.
cannot_ask() {
	local host=$1 why=$2 words

	shift 2
	[[ ${1:-} != bash || ${2:-} != -o ]] || shift 2
	[[ ${1:-} != @(sh|bash|pipefail) || ${2:-} != -c ]] || shift 3
	words=$*
	die "$(name_of "$host") cannot be asked ($(printable "${words:0:200}"))${why:+: $why}"
}
