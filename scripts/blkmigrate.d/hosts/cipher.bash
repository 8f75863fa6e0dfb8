# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The cipher of the connections that carry streams.  ssh's own first choice is chacha20-poly1305, which
# needs a third of a second of processor time more for each GiB than AES-GCM does where both processors
# have instructions for it.
#
# has_aes[HOST] is what reached has learnt of its processor; cipher[HOST] is what stream_ssh adds for
# it.  Where a stream goes through a connection that ssh's configuration shares, that one's cipher
# holds; one that it begins has this cipher.

declare -A has_aes=() cipher=()

cheap_cipher=aes128-gcm@openssh.com

# say_aes: for a script of sh: print aes or none.  x86 calls the line flags, arm64 Features.
# shellcheck disable=SC2016
say_aes='say_aes() {
	while read -r name rest; do
		case "$name $rest " in
		flags*" aes "* | Features*" aes "*) echo aes; return ;;
		flags* | Features*) break ;;
		esac
	done </proc/cpuinfo
	echo none
} 2>/dev/null
'

# choose_ciphers: for both hosts, where the user has chosen none, in ssh_config or by --ssh-option.  Each
# of our connections ends at this host.
choose_ciphers() {
	local host

	[[ $(eval "$say_aes"; say_aes) == aes ]] || return 0
	for host in old new; do
		[ -n "${address[$host]}" ] && [ "${has_aes[$host]:-}" = aes ] || continue
		! has_default_ciphers "${address[$host]}" || cipher[$host]=^$cheap_cipher
	done
}

# has_default_ciphers DESTINATION: whether ssh would offer there what it offers without any
# configuration, this cipher among it, and is new enough to be told to offer it first.
has_default_ciphers() {
	local chosen plain

	chosen=$(LC_ALL=C ssh "${ssh_options[@]}" -v -G -- "$1" 2>&1 </dev/null) || return
	[[ $chosen =~ (^|$'\n')OpenSSH_([0-9]{1,4})\. && ${BASH_REMATCH[2]} -ge 8 ]] || return
	[[ $'\n'$chosen$'\n' =~ $'\n'ciphers\ ([^$'\n']*,)?${cheap_cipher//./\\.}[,$'\n'] ]] || return
	plain=$(ssh -F /dev/null -G -- "$1" 2>/dev/null </dev/null) || return
	[ "$(ciphers_of "$chosen")" = "$(ciphers_of "$plain")" ]
}

# ciphers_of TEXT: print that line of what ssh -G has printed.
ciphers_of() {
	[[ $'\n'$1$'\n' =~ $'\n'ciphers\ ([^$'\n']+)$'\n' ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}
