# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --compress: what is between the program that reads a disk and the connection.  zstd needs a blkzip on
# the old host and a blkwrite on the new one that were built with it, and is refused before anything
# is sent where one of them was not.

# compress is the method, and empty where a plan says nothing of it; compress_wanted is what --compress
# says.
some_methods='none|deflate|zstd|adapt' compress='' compress_wanted=''

# compress_ready: what --compress says comes before what the plan has.
compress_ready() {
	compress=${compress_wanted:-$compress}
}

# compressed TEXT: print a part of a pipe with what compresses its output.
compressed() {
	case ${compress:-adapt} in
	none) printf '%s\n' "$1" ;;
	deflate) printf '%s | blkzip\n' "$1" ;;
	zstd) printf '%s | blkzip -m zstd\n' "$1" ;;
	adapt) printf '%s | blkzip --adapt\n' "$1" ;;
	esac
}

# lacks_codec: set $lacking to the program that cannot do it, and where; false if there is none.  Those
# that will be pushed are asked here.
lacking=''
lacks_codec() {
	local writer

	lacking=''
	[ "$compress" = zstd ] || return 1
	if ! knows_zstd old blkzip; then
		lacking="blkzip on $(name_of old)"
	elif asks_yes new sh -c 'command -v "$1" >/dev/null' there "$(program blkwrite)"; then
		knows_zstd new "$(program blkwrite)" || lacking="blkwrite on $(name_of new)"
	elif will_push new blkwrite; then
		writer=$(pushable blkwrite)
		[[ $("$writer" --version) =~ codecs:[^$'\n']*zstd ]] || lacking="$writer, which would be sent,"
	fi
	[ -n "$lacking" ]
}

# knows_zstd HOST PROGRAM
knows_zstd() {
	asks_yes "$1" sh -c '"$1" --version 2>/dev/null | grep -q "codecs:.* zstd"' codecs "$2"
}

# need_codec: die where it is missing.
need_codec() {
	! lacks_codec || die "$lacking was built without zstd: --compress adapt, or install one that has it"
}

check_codec() {
	! lacks_codec || problem "$lacking was built without zstd" "--compress adapt, or install one that has it"
}
