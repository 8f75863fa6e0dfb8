# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Xen host: the lab's guest is the first domain (guest -x), the host "old" in it has xl and
# libvirt's Xen driver, and a Xen machine counts on a volume as that of bootvm.S does: `load xen`
# after in-guest.

guest_options=(-x -m 2600)
guest_needs+=(apt-get dpkg gcc)

# guest_begin: start what a Xen host starts when it boots, in that order.
guest_begin() {
	local programs

	programs=$(echo /usr/lib/xen-*/bin/xenstored)
	programs=${programs%/*}
	modprobe -a xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback
	mount -t xenfs none /proc/xen
	mkdir -p /run/xen /run/xenstored /var/log/xen/console /var/lib/xen
	# Libvirt insists on the processor's baseline model, which has features that are not
	# emulated.
	sed -i /vme/d /usr/share/libvirt/cpu_map/x86_486.xml
	export XENSTORED_ROOTDIR=/run/xenstored
	# If Xen is there, libvirt would choose it by default.
	export LIBVIRT_DEFAULT_URI=qemu:///system
	apart "$programs/oxenstored" --pid-file /run/xenstore.pid
	wait_for 60 xenstore-read -s /
	"$programs/xen-init-dom0"
	apart "$programs/xenconsoled" --pid-file=/run/xenconsoled.pid
	make_domain_initramfs
}

# apart COMMAND ...: start a daemon that holds no descriptor of bats open, since bats would wait
# for it.
apart() (
	for descriptor in /proc/self/fd/*; do
		[ "${descriptor##*/}" -le 2 ] || eval "exec ${descriptor##*/}>&-"
	done 2>/dev/null
	exec "$@" </dev/null >/dev/null 2>&1
)

# A domain's program: it opens its disk and counts, and ends when it is told to.
make_domain_initramfs() {
	local tree=/run/domain tool module number=10

	mkdir -p "$tree"/{bin,sbin,modules,proc,sys,dev}
	gcc -D_GNU_SOURCE -static -O1 -o "$tree/bin/counter" "$root/t/lab/counter.c"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	for tool in sh mount insmod sleep; do
		ln -s busybox "$tree/bin/$tool"
	done
	# The kernel runs it when it is told to shut down.
	printf '#!/bin/sh\nexec /bin/busybox poweroff -f\n' >"$tree/sbin/poweroff"
	for module in $(modprobe --show-depends xen-blkfront | awk '$1 == "insmod" { print $2 }'); do
		cp "$module" "$tree/modules/$((number++)).ko"
	done
	cat >"$tree/init" <<-'EOI'
		#!/bin/sh
		PATH=/bin
		mount -t proc none /proc
		mount -t sysfs none /sys
		mount -t devtmpfs none /dev
		for module in /modules/*; do
			insmod "$module"
		done
		until [ -b /dev/xvda ]; do
			sleep 0.1
		done
		exec counter /dev/xvda
	EOI
	chmod +x "$tree/init" "$tree/sbin/poweroff"
	(cd "$tree" && find . | cpio -o -H newc --quiet) | gzip -1 >/var/domain.gz
	cp "$GUEST_KERNEL"/boot/vmlinuz-* /var/domain.vmlinuz
}

# make_domain NAME [FILE]: its configuration, $file there, starts by itself; its disk is the volume
# of that name, $disk.
make_domain() {
	make_vm old "$1" lvm
	on old "virsh -q undefine -- $(printf %q "$1")"
	file=${2:-/etc/xen/$1.cfg}
	{
		printf 'name = "%s"\n' "$1"
		cat <<-EOC
			kernel = "/var/domain.vmlinuz"
			ramdisk = "/var/domain.gz"
			extra = "console=hvc0 quiet"
			memory = 128
			disk = [ 'phy:$disk,xvda,w' ]
			on_poweroff = "${on_poweroff:-destroy}"
		EOC
	} >domain.cfg
	on old "mkdir -p /etc/xen/auto && cat >$(printf %q "$file") && ln -sf $(printf %q "$file") /etc/xen/auto/" <domain.cfg
}

# start_domain: start the one that $file defines.
start_domain() {
	on old "xl create -q $(printf %q "$file")"
	wait_for 60 counts_to old "$disk" 10
}

# xl_state NAME: print its state as xl's six letters, or nothing.
xl_state() {
	on old "xl list -- $(printf %q "$1") 2>/dev/null" | awk 'NR > 1 { print $(NF - 1) }'
}

# no_domains: true if only the first domain is left.
no_domains() {
	on old 'for id in $(xl list | awk "NR > 1 && \$2 > 0 { print \$2 }"); do xl destroy "$id"; done'
}
