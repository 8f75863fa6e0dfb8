# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --tunnel: from the commit on the traffic to the machine goes through a tunnel that blktunnel has made.
# The routes are made while the machine is paused on the new host, as the last step that a rollback
# takes back: a machine that answers there afterwards is reached at once.

# As the option says, and with the addresses, as NAME=ADDRESS,ADDRESS.
tunnel_wanted='' tunnel=''

# find_tunnel: it is up, and each address can be sent through it.
find_tunnel() {
	local each addresses=() host

	tunnel=''
	[ -n "$tunnel_wanted" ] || return 0
	look_for_tunnel "${tunnel_wanted%%=*}"
	for host in old new; do
		[ "${tunnel_state[$host]}" = up ] ||
			problem "the tunnel $tunnel_name is not up on $(name_of "$host")" "blktunnel up --name $tunnel_name"
	done
	[ "${tunnel_state[old]},${tunnel_state[new]}" = up,up ] || return 0
	if [ "$tunnel_bridge" != - ]; then
		problem "the tunnel $tunnel_name joins bridges: machines in them need no routes" "leave --tunnel out"
		return
	fi
	if [[ $tunnel_wanted == *=* ]]; then
		IFS=, read -r -a addresses <<<"${tunnel_wanted#*=}"
	else
		guest_addresses agent
		[ ${#guest[@]} -gt 0 ] || guest_addresses arp
		addresses=("${guest[@]}")
	fi
	if [ ${#addresses[@]} -eq 0 ]; then
		problem "the addresses of $vm are not known" "--tunnel $tunnel_name=ADDRESS,ADDRESS names them"
		return
	fi
	for each in "${addresses[@]}"; do
		route_refused "$each"
		route_lan "$each"
		route_target "${each%/*}"
		tunnel+=,$each
	done
	tunnel=$tunnel_name=${tunnel#,}
}

# guest_addresses SOURCE: fill $guest with what libvirt knows from there, but for addresses that count
# on one link or one host alone.
guest=()
guest_addresses() {
	local words each

	guest=()
	vm_ask_lines -q old "$any_text" domifaddr "$uuid" --source "$1" || return 0
	for each in "${answers[@]}"; do
		read -r -a words <<<"$each"
		each=${words[-1]%/*}
		[[ ${words[*]} =~ \ ipv[46]\  ]] && parse_address "$each" || continue
		case $each in
		127.* | 169.254.* | ::1 | fe80:*) ;;
		*) guest+=("$each") ;;
		esac
	done
}

# route_machine: the step before the commit.
route_machine() {
	local each addresses

	need_tunnel "${tunnel%%=*}"
	IFS=, read -r -a addresses <<<"${tunnel#*=}"
	for each in "${addresses[@]}"; do
		route_refused "$each"
		route_lan "$each"
		route_target "${each%/*}"
		route_add "$each"
		say "$each: its traffic goes through $tunnel_name to $(name_of new)"
	done
}

# unroute_machine: when the cutover is taken back.  The machine comes first.
unroute_machine() {
	local each addresses

	[ -n "$tunnel" ] && [ -n "${begun[routed]:-}" ] || return 0
	look_for_tunnel "${tunnel%%=*}"
	IFS=, read -r -a addresses <<<"${tunnel#*=}"
	for each in "${addresses[@]}"; do
		route_remove "$each" || warn "blktunnel route --name $tunnel_name --remove $each tries again"
	done
}

# show_tunnel: for a dry run, and for the plan.
show_tunnel() {
	local each addresses

	[ -n "$tunnel" ] || return 0
	IFS=, read -r -a addresses <<<"${tunnel#*=}"
	for each in "${addresses[@]}"; do
		show old "blktunnel route --name ${tunnel%%=*} --to $(quote "${address[new]}") --unanswered $each"
	done
}
