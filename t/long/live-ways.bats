#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live by real QEMUs and libvirts: its other ways, and what a machine may have besides.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate
load ../lab/live

# change_xml SED ...: of the machine web, which is off.
change_xml() {
	on old "virsh dumpxml --inactive web >/tmp/w.xml && sed -i $(printf '%q ' "$@") /tmp/w.xml && virsh -q define /tmp/w.xml"
}

start_web() {
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10
}

# slow_cable RATE: what old sends.
slow_cable() {
	on old "tc qdisc replace dev cable root tbf rate $1 burst 32k latency 400ms"
	at_end on old 'tc qdisc del dev cable root 2>/dev/null || true'
}

full_speed() {
	on old 'tc qdisc del dev cable root'
}

@test "a guest that would take too long is suspended in time, and moves" {
	make_running web raw
	slow_cable 20mbit

	run -0 --separate-stderr migrate live web --to new --yes --timeout 2,suspend
	echo "$stderr"

	full_speed
	[[ $stderr == *'its time is up, and it is suspended'* ]]
	went_on web "$disk"
}

@test "by another path and network, and left paused there" {
	make_running web raw
	on new 'ip link add br1 type bridge && ip link set br1 up && mkdir -p /srv/there'
	at_end on new 'ip link del br1'

	run -0 --separate-stderr migrate live web --to new --yes --suspend --backward \
		--map-disk vda=/srv/there/disk.img --map-net br0=br1
	echo "$stderr"

	is_state new web paused
	[[ $(on new 'virsh dumpxml web; virsh dumpxml --inactive web') == *"bridge='br1'"*"bridge='br1'"* ]]
	on new 'virsh -q resume web'
	went_on web "$disk" /srv/there/disk.img
}

@test "to a pool, which knows the new file" {
	make_running web raw
	on new 'mkdir -p /srv/pool && virsh -q pool-create-as fast dir --target /srv/pool'
	at_end on new 'virsh -q pool-destroy fast'

	run -0 --separate-stderr migrate live web --to new --yes --pool fast
	echo "$stderr"

	on new 'virsh vol-info --pool fast web.img'
	went_on web "$disk" /srv/pool/web.img
}

@test "the state of an emulated TPM comes with the memory" {
	require swtpm
	for host in old new; do
		on "$host" 'mkdir -p /var/lib/libvirt/swtpm'
	done
	make_vm old web raw
	change_xml "s,</devices>,<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>,"
	start_web

	run -0 --separate-stderr migrate live web --to new --yes
	echo "$stderr"

	went_on web "$disk"
	on new 'ls /var/lib/libvirt/swtpm/*/tpm2/tpm2-00.permall'
	[ -n "$(on old 'ls /var/lib/libvirt/swtpm/*/tpm2/tpm2-00.permall')" ]
}

# certificates HOST: in the folder of QEMU, by an authority of both.
certificates() {
	local name

	[ -e ca.pem ] || openssl req -quiet -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -days 9 -subj /CN=ca 2>/dev/null ||
		openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 9 -subj /CN=ca
	for name in server client; do
		openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "/CN=$1"
		openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -out $name.pem \
			-extfile <(echo "subjectAltName=DNS:$1")
		on "$1" "mkdir -p /etc/pki/qemu && cat >/etc/pki/qemu/$name-cert.pem" <$name.pem
		on "$1" "cat >/etc/pki/qemu/$name-key.pem" <$name.key
	done
	on "$1" 'cat >/etc/pki/qemu/ca-cert.pem' <ca.pem
	at_end on "$1" 'rm -r /etc/pki/qemu'
}

@test "by ports of libvirt, encrypted by TLS" {
	require openssl
	certificates old
	certificates new
	make_running web raw

	run -0 --separate-stderr migrate live web --to new --yes --native -v
	echo "$stderr"

	[[ $stderr == *'--tls --tls-destination new'* ]]
	[[ $stderr != *unencrypted* ]]
	went_on web "$disk"
}
