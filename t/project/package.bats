#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What packages are made of: the lists of their files, completion, file(1)'s magic.

load ../helpers

# Nothing is built anew, for other tests run these very programs.
setup_file() {
	make -s -C "$BATS_TEST_DIRNAME/../.." -o all install DESTDIR="$BATS_FILE_TMPDIR/there" PREFIX=/usr \
		ZSHCOMP=/usr/share/zsh/vendor-completions BUILD="$BATS_FILE_TMPDIR/build" BIN="$BIN" >/dev/null
}

setup() {
	test_begin
	there=$BATS_FILE_TMPDIR/there
	completions=$there/usr/share/bash-completion/completions
}

# takes LIST: every installed file that a line of the list covers, by itself or as a folder.
takes() {
	local line

	while IFS= read -r line; do
		(cd "$there" && find $line ! -type d)
	done <"$1" | sort
}

@test "each installed file is in one Debian package, and no list names another" {
	(cd "$there" && find usr ! -type d) | sort >installed

	takes "$root/debian/blk-filters.install" >first
	takes "$root/debian/blkmigrate.install" >second

	sort -m first second | diff installed -
}

@test "each installed file is in one rpm, and no list names another" {
	(cd "$there" && find usr ! -type d) | sed 's,usr/share/zsh/vendor-completions,usr/share/zsh/site-functions,' | sort >installed
	sed -n '/^%files/,/^%changelog/ { /^%{/p; }' "$root/scripts/blk-filters.spec" |
		sed 's,%{_bindir},usr/bin,; s,%{_datadir},usr/share,; s,%{_mandir},usr/share/man,' >list
	mkdir -p "$there/usr/share/zsh/site-functions"
	cp "$there"/usr/share/zsh/vendor-completions/* "$there/usr/share/zsh/site-functions/"

	takes list | diff installed -

	rm -r "$there/usr/share/zsh/site-functions"
}

@test "the version is the same everywhere" {
	version=$(sed -n 's/^VERSION = //p' "$root/Makefile")

	[ "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$root/debian/changelog")" = "$version" ]
	[ "$(awk '$1 == "Version:" { print $2 }' "$root/scripts/blk-filters.spec")" = "$version" ]
}

# completed WORD ...: what bash offers for the last of these.
completed() {
	bash -c '. "$1/blkread"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_blk
		printf "%s\n" "${COMPREPLY[@]}"' shell "$completions" "$@"
}

@test "bash completes every option of the manuals, and no other" {
	for manual in "$root"/filters/*.1 "$root"/scripts/*.1; do
		program=$(basename "$manual" .1)
		mandoc -Tascii -O width=500 "$manual" | col -bx | grep -oE '^     -.*' |
			grep -oE '(^|[ ,|])--?[A-Za-z0-9][a-z-]*' | tr -d ' ,|' | sort -u >described
		completed "$program" - | sort -u >offered
		[ -s described ]
		# An item may name an option of another program, but none is left out or made up.
		# -2 to -8 stand between others.
		comm -13 described offered | grep -vx -- '-[2-8]' >invented || true
		[ ! -s invented ] || { cat invented; echo "$program"; false; }
		sed -n '/^\.It Fl/p' "$manual" | grep -oE 'Fl -[a-z][a-z-]+' | sed 's/Fl /-/' | sort -u |
			comm -23 - offered >missing
		[ ! -s missing ] || { cat missing; echo "$program"; false; }
	done
}

@test "bash completes files, devices, choices, commands, hosts and machines" {
	mkdir -p home/.ssh bin
	printf 'Host spare *.example !no\n  HostName x\n' >home/.ssh/config
	printf 'new.example,192.0.2.7 ssh-ed25519 AAAA\n|1|hash= ssh-ed25519 AAAA\n' >home/.ssh/known_hosts
	printf '#!/bin/sh\necho " web  "\necho "two words"\n' >bin/virsh
	chmod +x bin/virsh
	touch disk.img 'disk two.img'
	export HOME=$PWD/home PATH=$PWD/bin:$PATH

	[ "$(completed blkread disk | sort)" = $'disk two.img\ndisk.img' ]
	[ "$(completed blkwrite /dev/nul)" = /dev/null ]
	[ "$(completed blkread --direct a)" = $'auto\nalways' ]
	[ "$(completed blkread --id @disk.)" = @disk.img ]
	[[ $(completed blkmigrate '') == *run* ]]
	completed blkmigrate run --to '' | grep -qx spare
	completed blkmigrate run --to new | grep -qx new.example
	! completed blkmigrate run --to '' | grep -q '[*|]'
	[ "$(completed blkmigrate --verify = f)" = full ]
	[ "$(completed blkmigrate run '')" = $'web\ntwo words' ]
	[ "$(completed blkmigrate run tw)" = 'two words' ]
}

@test "zsh completes by the same lists" {
	require zsh
	cat >ask <<-'EOZ'
		zmodload zsh/zpty
		zpty shell zsh -f -i
		zpty -w shell "PS1= fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' list-prompt ''; echo rea''dy"
		zpty -r -m shell line '*ready*'
		zpty -w -n shell $'blkread --skip\t'
		zpty -r -m shell line '*--skip-bad*' && print found
		zpty -d shell
	EOZ

	run -0 timeout 60 zsh -f ask "$there/usr/share/zsh/vendor-completions"

	[[ $output == *found* ]]
}

@test "file knows block streams and their kinds" {
	require file
	make_image image 2M
	blkread image >stream
	blksum --map image >map

	[[ $(file -b -m "$there/usr/share/blk-filters/magic" stream) == "block stream, version 1."*", image of 2097152 bytes" ]]
	[[ $(file -b -m "$there/usr/share/blk-filters/magic" map) == "block stream, version 1."*", map of 2097152 bytes" ]]
	blkread image | blkfan -n 2 sh -c 'cat >lane.$BLKFAN_LANE'
	[[ $(file -b -m "$there/usr/share/blk-filters/magic" lane.2) == *", one of 2 lanes" ]]
}
