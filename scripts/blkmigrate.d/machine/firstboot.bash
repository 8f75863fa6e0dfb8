# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The first start on the new host: with a kernel of that host, if --first-boot names one, and with
# its console shown to the operator, if --console was given.
#
# The definition never names that kernel.  The machine keeps it while it runs, through its own
# reboots; from its next start on, it boots from its disk's loader.

first_boot='' console=false start='' start_wanted=''

# will_run: whether it runs on the new host in the end: because it ran here, or by --start.
will_run() {
	[ -n "${finished[ran]:-}" ] || [ "$start" = yes ]
}

# first_boot_part kernel|initrd|cmdline: the last part is all of the rest, commas included.
first_boot_part() {
	local rest=,$first_boot

	if [ "$1" = cmdline ]; then
		[[ $rest != *,cmdline=* ]] || printf '%s\n' "${rest#*,cmdline=}"
		return
	fi
	rest=${rest%%,cmdline=*}
	[[ $rest == *",$1="* ]] || return 0
	rest=${rest#*",$1="}
	printf '%s\n' "${rest%%,initrd=*}"
}

make_first_boot_xml() {
	[ -n "$first_boot" ] || return 0
	xsltproc --nonet --stringparam kernel "$(first_boot_part kernel)" \
		--stringparam initrd "$(first_boot_part initrd)" \
		--stringparam cmdline "$(first_boot_part cmdline)" \
		"$here/machine/firstboot.xsl" "$private/target.xml" >"$private/first-boot.xml"
}

check_first_boot() {
	local part path

	[ "$start,$keep_memory" != yes,yes ] || is_up "$was_running" ||
		problem "$vm is off, and --keep-memory keeps it as it is" "leave out --start, or --keep-memory"
	if [ -n "$first_boot" ]; then
		[ "$was_running" != 'shut off' ] || [ "$start" = yes ] ||
			problem "$vm is off, so there is no first start that --first-boot could be of" "start it, or --start, which starts it there, or leave out --first-boot"
		for part in kernel initrd; do
			path=$(first_boot_part "$part")
			[ -z "$path" ] || asks_yes new test -r "$path" ||
				problem "$(name_of new) has no $part $path" "copy it there"
		done
	fi
	if $console; then
		[ -n "$(xml_value "/domain/devices/*[self::serial or self::console][@type='pty']/@type" "$private/source.xml")" ] ||
			problem "$vm has no serial console that could be shown" "leave out --console"
	fi
}

# start_there [OPTION ...]: start it for the first time.
start_there() {
	if [ -n "$first_boot" ]; then
		vm_act new create "$(state_of new)/first-boot.xml" "$@"
	else
		vm_act new start "$new_uuid" "$@"
	fi
}

# show_console: show it until the operator leaves it.
show_console() {
	local words=(virsh -c "$uri" console "$new_uuid")

	$console && will_run || return 0
	if [ -n "${address[new]}" ]; then
		stream_ssh
		words=("${ssh[@]}" -t -- "${address[new]}" "$(quote "${words[@]}")")
	fi
	"${words[@]}" || warn "the console of $vm cannot be shown; it is running nevertheless"
}
