# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a command came to, for programs that call this one: its exit status, with --json one object on
# standard output, with --events an object a line for all that happens meanwhile.
# result.schema.json describes the object and the lines.

# Exit statuses besides 0 (done), 1 (differs) and 2 (a step failed; the same command goes on).
refused=3 taken_back=4 needs_person=5 perhaps_committed=6 wrong_usage=64
# Set once a cutover that failed has been taken back, or could not be.
outcome=''
# Whether something was changed; what verify compared; the migrations of status, as objects.
changed=false compared=() told=()
plan_made=false
# The descriptor for the object.
result=''

# die_as STATUS TEXT: like die, with another status than 2.
die_as() {
	warn "${@:2}"
	keep_reason "${*:2}"
	exit "$1"
}

usage_error() {
	die_as "$wrong_usage" "${origin:+$origin: }$*"
}

# keep_reason TEXT: for the object, also from a process of its own.
reason=''
keep_reason() {
	reason=$1
	! $json || [ ! -d "$private" ] || printf '%s' "$1" >"$private/reason"
}

# failed_status STATUS: set $final to what the program ends with.  What the journal says tells whether
# a person is needed: a machine that is down, and a commit that may have been done.
final=0
failed_status() {
	final=$1
	[ "$1" = 2 ] || [ -n "$outcome" ] && [ "$1" -lt 128 ] || return 0
	if [ -n "$outcome" ]; then
		final=$outcome
	elif [ "$live" = yes ]; then
		live_status
	elif [ -z "${begun[down]:-}" ] || [ -n "${finished[resumed]:-}" ]; then
		return 0
	elif $moved || [ -n "${finished[committed]:-}" ] || [ -z "${begun[committed]:-}" ]; then
		final=$needs_person
	else
		final=$perhaps_committed
	fi
}

# live_status: the same for a machine that moves while it runs. Its memory is on one host alone, and its
# journal has all steps of the arrival begun before that is known.
live_status() {
	if [ -z "${begun[started]:-}" ] || [ -n "${finished[resumed]:-}" ]; then
		return 0
	elif $moved || $arriving || [ "$memory_at" = new ] || [ -n "${finished[started]:-}${finished[committed]:-}" ]; then
		final=$needs_person
	else
		final=$perhaps_committed
	fi
}

# result_word STATUS: set $word.
word=''
result_word() {
	case $1 in
	0) word="done" ;;
	1) word=differs ;;
	"$refused") word=refused ;;
	"$taken_back") word=taken-back ;;
	"$needs_person") word=needs-person ;;
	"$perhaps_committed") word=perhaps-committed ;;
	"$wrong_usage") word=usage ;;
	129 | 130 | 143) word=interrupted ;;
	*) word=failed ;;
	esac
}

# note_compared DISK true|false
note_compared() {
	begin_object
	has_text disk "$1"
	has_raw equal "$2"
	end_object
	compared+=("$object")
}

# --- JSON ---------------------------------------------------------------------------

# quote_json TEXT: set $json_text to it as a string of JSON.  Control characters, of which a terminal
# would obey some, are escaped; bytes that are not UTF-8 become question marks.
json_text=''
quote_json() {
	local text=$1 number char code

	text=${text//\\/\\\\}
	text=${text//\"/\\\"}
	if [[ $text == *[!\ -~]* ]]; then
		for number in {1..31} 127; do
			printf -v code '\\%03o' "$number"
			printf -v char '%b' "$code"
			[[ $text == *"$char"* ]] || continue
			printf -v code '\\u%04x' "$number"
			text=${text//"$char"/"$code"}
		done
		text=${text//$'\xc2'[$'\x80'-$'\x9f']/??}
		[[ $text =~ $utf8_text ]] || text=${text//[$'\x80'-$'\xff']/?}
	fi
	json_text="\"$text\""
}

# An object is built in $object, member by member: has_... NAME VALUE.  A value that is not known is
# null.
object='{'
begin_object() {
	object='{'
}

has_raw() {
	[ "$object" = '{' ] || object+=,
	object+="\"$1\":$2"
}

has_text() {
	quote_json "$2"
	has_raw "$1" "$json_text"
}

has_text_or_null() {
	if [ -n "$2" ]; then
		has_text "$@"
	else
		has_raw "$1" null
	fi
}

has_number() {
	has_raw "$1" "${2:-null}"
}

# has_list NAME TEXT ...
has_list() {
	local each list=''

	for each in "${@:2}"; do
		quote_json "$each"
		list+=${list:+,}$json_text
	done
	has_raw "$1" "[$list]"
}

# has_objects NAME OBJECT ...
has_objects() {
	local each list=''

	for each in "${@:2}"; do
		list+=${list:+,}$each
	done
	has_raw "$1" "[$list]"
}

end_object() {
	object+='}'
}

# --- the object ---------------------------------------------------------------------

# print_result STATUS: called by the trap, where a return without a number has the status from before.
print_result() {
	$json || [ -n "$events" ] || return 0
	make_result "$1"
	! $json || printf '%s\n' "$object" >&"${result:-1}" || true
	[ -z "$events" ] || send_event "$object"
}

make_result() {
	[ -n "$reason" ] || [ ! -s "$private/reason" ] || reason=$(<"$private/reason")
	make_problems
	! $plan_made || make_plan_object
	result_word "$1"
	begin_object
	has_number format 1
	has_text event end
	has_text command "$command"
	has_number status "$1"
	has_text result "$word"
	has_raw changed "$changed"
	has_text_or_null message "$reason"
	has_text_or_null vm "$vm"
	if $opened || $saved; then
		has_text_or_null id "$id"
	else
		has_raw id null
	fi
	has_text_or_null from "${address[old]}"
	has_text_or_null to "${address[new]}"
	[ -z "$vm" ] || [ "$command" = status ] || stage_now "$1"
	has_objects problems "${made_objects[@]}"
	has_list notes "${remarks[@]}"
	[ -z "$made_plan" ] || has_raw plan "$made_plan"
	[ "$command" != verify ] || has_objects compared "${compared[@]}"
	[ "$command" != status ] || has_objects migrations "${told[@]}"
	[ "$command" != status ] || has_objects copies "${told_copies[@]}"
	end_object
}

# stage_now STATUS: as the journal has it, without another question.
stage_now() {
	local status=1

	if [ "$command" = purge ] && [ -z "$id" ]; then
		has_text stage none
		return 0
	fi
	[ -z "${finished[committed]:-}" ] && ! $moved || status=0
	[ "$status" = 0 ] || [ -z "${begun[committed]:-}" ] || [ "$live,$1" = yes,"$needs_person" ] || status=255
	! $opened && ! $saved && stage_word='none' || word_of_stage "$status"
	has_text stage "$stage_word"
}

made_objects=()
make_problems() {
	local each

	made_objects=()
	for each in "${problems[@]}"; do
		begin_object
		has_text what "${each%%$'\n    '*}"
		has_text remedy "${each#*$'\n    '}"
		end_object
		made_objects+=("$object")
	done
}

# make_plan_object: the plan, disk by disk.
made_plan=''
make_plan_object() {
	local disk total=0 list=()

	for disk in "${disks[@]}" "${media[@]}"; do
		total=$((total + ${to_send[$disk]:-0}))
	done
	for disk in "${disks[@]}" "${shared[@]}" "${swaps[@]}" "${media[@]}" "${media_there[@]}" "${skipped[@]}"; do
		make_disk_object "$disk"
		list+=("$object")
	done
	begin_object
	has_text uuid "$uuid"
	has_text new_name "$new_name"
	has_text new_uuid "$new_uuid"
	has_text state "$was_running"
	has_objects disks "${list[@]}"
	has_number bytes "$total"
	has_number rate "$line_rate"
	find_downtime
	has_number downtime "$downtime_seconds"
	end_object
	made_plan=$object
}

make_disk_object() {
	local disk=$1 becomes=copied

	if contains "$disk" "${skipped[@]}"; then becomes=skipped
	elif contains "$disk" "${shared[@]}"; then becomes=shared
	elif contains "$disk" "${swaps[@]}"; then becomes=swap
	elif contains "$disk" "${media_there[@]}"; then becomes=there
	elif contains "$disk" "${media[@]}"; then becomes=medium
	elif contains "$disk" "${later[@]}"; then becomes=later
	fi
	begin_object
	has_text disk "$disk"
	has_text becomes "$becomes"
	has_text_or_null kind "${kind[$disk]:-}"
	has_text_or_null source "${source[$disk]:-}"
	has_number size "${size[$disk]:-}"
	has_text_or_null target_kind "${target_kind[$disk]:-}"
	has_text_or_null target "${target[$disk]:-}"
	has_number bytes "${to_send[$disk]:-}"
	end_object
}

# --- events -------------------------------------------------------------------------

events=''

# open_events FD|FILE
open_events() {
	if [[ $1 =~ ^[0-9]{1,4}$ ]]; then
		[ -e "/proc/$$/fd/$1" ] || usage_error "--events: descriptor $1 is not open"
		exec {events}>&"$1" || usage_error "--events: descriptor $1 cannot be written to"
	else
		{ exec {events}>>"$1"; } 2>/dev/null || usage_error "--events: $1 cannot be written"
	fi
}

# send_event OBJECT: a reader that has gone must not end a cutover.
send_event() {
	(
		trap '' PIPE
		printf '%s\n' "$1" >&"$events"
	) 2>/dev/null || events=''
}

# event NAME [MEMBER TEXT] ...
event() {
	local now

	[ -n "$events" ] || return 0
	TZ=UTC0 printf -v now '%(%FT%TZ)T' -1
	begin_object
	has_number format 1
	has_text event "$1"
	has_text time "$now"
	has_text_or_null vm "$vm"
	shift
	while [ $# -gt 0 ]; do
		has_text "$1" "$2"
		shift 2
	done
	end_object
	send_event "$object"
}
