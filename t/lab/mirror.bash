# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# For debootstrap; make-disk and other-release source it.

# find_mirror: set $ID and $codename to this system and its release, and $mirror to the archive
# that apt uses; false if it has none.  The address is never stored anywhere.
find_mirror() {
	# shellcheck disable=SC1091
	. /etc/os-release
	codename=$VERSION_CODENAME
	mirror=$(apt-get indextargets --format "\$(RELEASE) \$(COMPONENT) \$(REPO_URI)" \
		'Created-By: Packages' | awk -v r="$codename" '$1 == r && $2 == "main" { print $3; exit }')
	eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
	[ -z "${http_proxy:-}" ] || export http_proxy
	[ -n "$mirror" ]
}
