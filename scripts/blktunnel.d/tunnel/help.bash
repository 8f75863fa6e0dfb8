# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The text of blktunnel --help (hosts/help.bash of blkmigrate prints it).

help_about='Carry the traffic of virtual machines that have moved before the network knows it.'

help_usage=(
	'blktunnel plan | up | check | down [options] --to host'
	'blktunnel route [options] --to host address ...'
)

help_commands=(
	'plan; find addresses and what is in the way; nothing is changed'
	'up; make the tunnel, ping both ways, find its MTU'
	'check; whether it is as it was made, and carries traffic'
	'route; send the traffic to an address to the new host, where its machine answers'
	'down; take everything back'
)

help_options=(
	'; --from host, --to host; the old host, this one by default, and the new one, by ssh'
	'; --name name; of the tunnel and of its device (blk0)'
	'plan up; --type gre | sit | gretap | vxlan | wireguard; gre is the default, wireguard encrypts'
	'plan up; --bridge name[,name]; join this bridge of both hosts, or that of the old and of the new one'
	'plan up; --outer old,new; the addresses between which it runs'
	'plan up; --private network | none; the addresses of IPv4 inside, as 10.99.7.0/30'
	'plan up; --ula prefix | none; the addresses of IPv6 inside, as fd12:3456:789a::/48'
	'plan up; --mtu bytes; the MTU inside, which is not searched for then'
	'plan up; --port port; the UDP port on both hosts'
	'route; --return tunnel | direct; how answers go back (tunnel)'
	'route; --probe address; of a prefix: the address in it that must answer'
	'route; --wait seconds; wait so long for the answer'
	'route; --unanswered; ask for no answer'
	'route; --remove; take the routes to these addresses back'
	'up route; --persist ifupdown | networkd | networkmanager | none; print what makes it outlast a boot'
	'; --temp-key; log in with a key made for this run: a password is typed once for each host'
	'; --ssh-option option; an option for ssh, as Port=2222'
	'; -h, --help; print this text'
	'; -V, --version; print the version'
)

help_examples=(
	'blktunnel up --to new --type vxlan'
	'blktunnel route --to new 192.0.2.7 2001:db8:1::7'
	'blktunnel check --to new'
	'blktunnel plan --to new --type gretap --bridge br0'
	'blktunnel down --to new'
)

# usage TEXT: say what is wrong.
usage() {
	wrong blktunnel "blktunnel plan | up | check | route | down [options] --to host [address ...]" "$1"
}
