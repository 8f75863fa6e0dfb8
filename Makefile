# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make                 the filters, in bin/
#   make help            this list
#   make demo            migrate a demonstration disk on this machine
#   make check           the tests (README)
#   make check-quick     the part of them that may differ between systems, in two minutes
#   make check-builds    the tests of static binaries and of those without zstd
#   make check-lab       namespaces, guests, real disks
#   make check-long      hours of fuzzing and mutation
#   make bench           measured against dd, gzip, zstd and others; ROW=1,5 SMALL=1 RUNS=3
#                        DISK=file JSON=file
#   make check-asan      the tests under AddressSanitizer and UBSan
#   make check-tsan      unit tests and one whole pipe under ThreadSanitizer
#   make unit            unit tests alone
#   make lint            shellcheck, mandoc, cppcheck, and clang with -Werror
#   make fuzz            the fuzzers, in build/fuzz/
#   make coverage        the tests once more, and the lines that they never ran
#   make static          binaries that run on any host of this architecture
#   make install         to $(DESTDIR)$(PREFIX); uninstall takes it away again
#   make dist            the committed files as a tar file
#
# Objects go to $(BUILD), programs to $(BIN); other builds are other folders.
# WERROR=1 makes warnings errors.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

# The files that a script loads are in a folder beside it: NAME.d/, installed as share/NAME.
SCRIPTS = blkmigrate blktunnel blkassemble
ROOMS = $(patsubst scripts/%/,%,$(subst .d/,/,$(wildcard $(SCRIPTS:%=scripts/%.d/*/))))
FILTERS = blkread blkzip blkmeter blkfan blkwrite blkdiff blksum
VERSION = 0.1
OUT ?= build
BUILD ?= $(OUT)/release
BIN ?= bin
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
PKG_CONFIG ?= pkg-config

# libdeflate has no .pc file in Debian 12 and is named by hand.  Where libzstd is not there,
# or with ZSTD=, blkzip -m zstd is not either.
ZSTD := $(shell $(PKG_CONFIG) --exists libzstd && echo libzstd)
# Without libblkid, or with BLKID=, nothing finds a partition by its number.
BLKID := $(shell $(PKG_CONFIG) --exists blkid && echo blkid)
NAMED = zlib libxxhash libmd libbsd expat $(ZSTD) $(ISAL) $(BLKID)

CFLAGS ?= -O2 -g
MODE =

# compiles FLAGS: FLAGS, if the compiler knows them for this architecture.
compiles = $(shell $(CC) -Werror $(1) -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$(1)')

# links FLAGS [LIBRARIES [FUNCTION]]: FLAGS, if an empty program, or one that calls FUNCTION, can be
# linked with them.
links = $(shell program=$$(mktemp) && \
	echo '$(if $(3),void $(3)(void);) int main(void) { $(if $(3),$(3)();) return 0; }' | \
	$(CC) $(HARDENING) $(1) $(LDFLAGS) -x c -o $$program - $(2) 2>/dev/null && echo '$(1)'; rm -f $$program)

# What makes a fault harder to exploit: -fcf-protection is for x86, -mbranch-protection for arm64.
# `make HARDENING= FORTIFY= LINKAGE=` builds without.
HARDENING := $(foreach flag,-fPIE -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -mbranch-protection=standard,$(call compiles,$(flag)))

# Not if the compiler, CPPFLAGS or CFLAGS set it already; nor without optimization, which it needs;
# nor with a sanitizer, which would not see the calls that it replaces.
MACROS := $(shell $(CC) $(MODE) $(CPPFLAGS) $(CFLAGS) -dM -E -x c /dev/null | \
	grep -oE ' (_FORTIFY_SOURCE|__OPTIMIZE__) ')
FORTIFY := $(if $(filter _FORTIFY_SOURCE,$(MACROS))$(findstring -fsanitize,$(MODE) $(CPPFLAGS) $(CFLAGS)),,\
	$(if $(filter __OPTIMIZE__,$(MACROS)),$(firstword $(foreach level,3 2,$(filter-out -O2 -include stdlib.h,\
	$(call compiles,-O2 -include stdlib.h -D_FORTIFY_SOURCE=$(level)))))))

RELRO = -Wl,-z,relro,-z,now
LINKAGE := $(if $(filter -static% -no-pie,$(LDFLAGS)),,$(or $(call links,-pie $(RELRO)),$(call links,-pie)))

# The same bytes in whatever folder they are built: debug information names files from the top.
SAME := $(call compiles,-ffile-prefix-map=$(CURDIR)=.)

# Debian's libxxhash.so can choose instructions at run time, its libxxhash.a cannot.
XXH_DISPATCH := $(and $(call links,$(or $(LINKAGE),-g),-lxxhash,XXH3_64bits_dispatch),-DXXH_DISPATCH)

# ISA-L is optional as well; Debian 12 has no libisal.a for `make static`.
ISAL := $(shell $(PKG_CONFIG) --exists libisal && \
	echo '$(and $(call links,$(or $(LINKAGE),-g),-lisal,isal_deflate_stateless),libisal)')

WARNINGS = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wdate-time
override ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib -pthread \
	$(WARNINGS) $(if $(WERROR),-Werror) $(shell $(PKG_CONFIG) --cflags $(NAMED)) \
	$(if $(ZSTD),-DHAVE_ZSTD) $(if $(ISAL),-DHAVE_ISAL) $(if $(BLKID),-DHAVE_BLKID) $(XXH_DISPATCH) $(HARDENING) $(FORTIFY) $(SAME) $(MODE) \
	$(CPPFLAGS) $(CFLAGS)
override ALL_LIBS = $(shell $(PKG_CONFIG) $(LINK) --libs $(NAMED)) -ldeflate -lm -pthread
LINK =

MODULES = $(sort $(wildcard lib/*/*.c))
OBJECTS = $(MODULES:%.c=$(BUILD)/%.o)
LIBRARY = $(BUILD)/libblk.a

all: $(FILTERS:%=$(BIN)/%)

# The list at the head of this file.
help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

# What bash and zsh complete: the lists are from the manuals.
COMPLETION = $(BUILD)/completion.bash

$(COMPLETION): scripts/completion/options.awk scripts/completion/completion.bash $(FILTERS:%=filters/%.1) $(SCRIPTS:%=scripts/%.1)
	@mkdir -p $(@D)
	{ echo 'declare -gA _blk_flags _blk_takers _blk_choices _blk_commands'; \
	echo '_blk_programs=($(FILTERS) $(SCRIPTS))'; \
	awk -f scripts/completion/options.awk $(FILTERS:%=filters/%.1) $(SCRIPTS:%=scripts/%.1); \
	cat scripts/completion/completion.bash; } >$@

# The command that compiled the objects: when it changes, they are compiled again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' >$@

# What --version says.  One object has it, so that a commit compiles nothing else again.  git archive,
# and so make dist, puts the commit into lib/help/commit.
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@[ ! -e .git ] || commit=$$(GIT_OPTIONAL_LOCKS=0 git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null); \
	: "$${commit:=$$(sed -n 's/^\([0-9a-f]\{12\}\)[0-9a-f]*$$/\1/p' lib/help/commit)}"; \
	echo "-DVERSION='\"$(VERSION)\"' -DCOMMIT='\"$${commit:-unknown}\"'" >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/lib/help/version.o: $(BUILD)/version
EXTRA_version = @$(BUILD)/version

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EXTRA_$(notdir $*)) -MMD -MP -c -o $@ $<

$(LIBRARY): $(OBJECTS)
	rm -f $@
	$(AR) rcsD $@ $^

$(BIN)/%: $(BUILD)/filters/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LINKAGE) $(LDFLAGS) -o $@ $< $(LIBRARY) $(ALL_LIBS)

# --- tests ------------------------------------------------------------------------

UNITS = $(patsubst t/unit/%.c,%,$(wildcard t/unit/test-*.c))
UNIT_PROGRAMS = $(UNITS:%=$(BUILD)/t/unit/%)
UNIT_PARTS = 1 2 3 4
UNIT_BATS = $(UNIT_PARTS:%=$(BUILD)/t/unit-%.bats)

# Programs that the bats tests use: makers of input, and fuzzers that replay their corpus.
MAKERS = $(patsubst %.c,$(BUILD)/%,$(filter-out t/unit/test-%,$(wildcard t/unit/*.c)))
FUZZERS = $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/fuzz-*.c))
REPLAYS = $(FUZZERS:fuzz-%=$(BUILD)/t/fuzz/replay-%)

# Under nohup HUP is ignored, in the background of a script INT is: no test could end anything by them.
BATS = BIN=$(abspath $(BIN)) TOOLS=$(abspath $(BUILD)/t) env --default-signal=HUP,INT,QUIT bats $(BATSFLAGS)
# Guests are emulated, and other work may take most of the processors.
LONG_BATS = BATS_TEST_TIMEOUT=7200 PATIENCE=10 $(BATS)

$(BUILD)/t/unit/%: $(BUILD)/t/unit/%.o $(LIBRARY)
	$(CC) $(ALL_CFLAGS) $(LINKAGE) $(LDFLAGS) -o $@ $< $(LIBRARY) $(ALL_LIBS)

$(BUILD)/t/fuzz/replay-%: $(BUILD)/t/fuzz/fuzz-%.o $(BUILD)/t/fuzz/replay.o $(LIBRARY)
	$(CC) $(ALL_CFLAGS) $(LINKAGE) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

# One bats test for each program; bats counts tests before it runs any code.  The files are there
# to run side by side.
$(UNIT_BATS) &: $(UNIT_PROGRAMS) Makefile
	@rm -f $(UNIT_BATS)
	@set -- $(UNIT_BATS); for unit in $(UNITS); do \
		printf '@test "unit: %s" {\n\t"%s/t/unit/%s"\n}\n' \
			"$${unit#test-}" "$(abspath $(BUILD))" "$$unit" >>"$$1"; \
		set -- "$$@" "$$1"; shift; \
	done

units: $(UNIT_BATS)

# Files of tests run side by side, the longest first; the output of each is printed as one piece,
# and kept in $(RESULTS), where t/summary counts it.
BUILDS = t/project/builds.bats
LONGEST = $(addprefix t/,blkmigrate/keep-memory.bats blkmigrate/copy.bats blktunnel/blktunnel.bats \
	blkmigrate/transport.bats filters/blkwrite.bats blkmigrate/power.bats format/hostile.bats blkmigrate/lanes.bats \
	blkmigrate/hostile.bats filters/blkmeter.bats filters/blksum.bats filters/blkread.bats filters/progress.bats \
	blkmigrate/keys.bats project/demo.bats)
CHECKS = $(LONGEST) $(filter-out $(LONGEST) $(BUILDS), \
	$(shell ls -S t/filters/*.bats t/format/*.bats t/blkmigrate/*.bats t/blktunnel/*.bats t/project/*.bats))
# Twice as many as there are processors: a third of the time tests wait, for ssh, for rates and for
# signals.
JOBS ?= $(shell expr 2 \* $$(nproc))
RESULTS = $(BUILD)/results

define side_by_side
	@rm -rf $(RESULTS)
	@mkdir -p $(RESULTS)
	@printf '%s\n' $(1) >$(RESULTS)/files
	@$(MAKE) -k -j$(JOBS) -Otarget --no-print-directory RESULTS=$(RESULTS) $(patsubst %,%.run,$(1)) || true
	@t/summary $(RESULTS)
endef

check: all $(UNIT_BATS) $(MAKERS) $(REPLAYS)
	$(call side_by_side,$(UNIT_BATS) $(CHECKS))

# Where the system's own programs and kernel interfaces matter most; t/lab/other-release runs it,
# with /tmp in memory, where blksum adds a note to what it says of a medium.
QUICK = t/filters/standard.bats t/filters/blksum.bats t/blkmigrate/plan.bats t/blkmigrate/xml.bats

check-quick:
	@$(MAKE) --no-print-directory CHECKS='$(QUICK)' check

%.bats.run: FORCE
	@mkdir -p $(RESULTS)
	@echo "# $*.bats"
	@log=$(RESULTS)/$(subst /,+,$*.bats) status=0; \
	$(BATS) $*.bats >$$log 2>&1 || status=$$?; \
	cat $$log; echo $$status >$$log.status; exit $$status

unit: $(UNIT_BATS)
	$(call side_by_side,$(UNIT_BATS))

check-builds: all
	$(BATS) $(BUILDS)

# Each of its files has hosts or guests of its own. Guests keep a processor busy, hosts wait in between.
LAB_LONGEST = $(addprefix t/lab/,migrate-lvm.bats lvm.bats again.bats blkmigrate.bats quiesce.bats)
LAB = $(LAB_LONGEST) $(filter-out $(LAB_LONGEST),$(wildcard t/lab/*.bats))

check-lab: export BATS_TEST_TIMEOUT = 7200
check-lab: export PATIENCE = 10
check-lab: JOBS = $(shell expr 1 + $$(nproc))
check-lab: RESULTS = $(BUILD)/results-lab
check-lab: all
	$(call side_by_side,$(LAB))

check-long: all $(UNIT_BATS) $(MAKERS) fuzz
	THOROUGH=yes RANDOM_STREAMS=1000 $(LONG_BATS) t/format/hostile.bats t/format/format.bats \
		t/filters/resume.bats t/filters/blkdiff-map.bats t/filters/blkdiff-changes.bats
	FUZZ=$(abspath $(OUT)/fuzz) $(LONG_BATS) $(wildcard t/long/*.bats)
	EMULATED=yes $(LONG_BATS) t/lab/lvm.bats

# UNCONFINED: sanitizers read /proc, and coverage writes its counts, when a program ends.
# Tests that bound memory or time read SANITIZER, to know with what they run.
ASAN = BUILD=$(OUT)/asan BIN=$(OUT)/asan/bin JOBS=$(shell nproc) \
	MODE='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DUNCONFINED'
TSAN = BUILD=$(OUT)/tsan BIN=$(OUT)/tsan/bin MODE='-fsanitize=thread -fno-omit-frame-pointer -DUNCONFINED'

asan:
	$(MAKE) $(ASAN) all units

tsan:
	$(MAKE) $(TSAN) all units

# What blkmigrate and blktunnel do is bash; and what documents, builds and lays out the filters runs them as
# other tests do.
NOT_ASAN = t/blkmigrate/% t/blktunnel/% t/project/% t/filters/memory.bats t/filters/confine.bats

check-asan: asan
	SANITIZER=address $(MAKE) $(ASAN) CHECKS='$(filter-out $(NOT_ASAN),$(CHECKS))' check

# ThreadSanitizer's shadow memory does not fit kernels that randomize widely.
check-tsan: tsan
	SANITIZER=thread setarch -R $(MAKE) $(TSAN) unit pipe

pipe: all
	$(BATS) --filter 'the whole pipe' t/filters/pipe.bats

# Other tests: make coverage CHECKS='t/filters/blkzip.bats'. The table is printed even if some test fails.
coverage:
	-$(MAKE) BUILD=$(OUT)/coverage BIN=$(OUT)/coverage/bin MODE='--coverage -DUNCONFINED' CFLAGS='-Og -g' check
	t/uncovered $(OUT)/coverage

SHELL_SCRIPTS = $(shell git ls-files scripts t .ci | xargs awk 'FNR == 1 && /^\#!\/bin\/(ba)?sh$$/ { print FILENAME }')
MANUALS = $(wildcard filters/*.1 lib/*/*.5 scripts/*.1)

lint:
	shellcheck -x $(SHELL_SCRIPTS)
	t/answers scripts/blkmigrate scripts/blkmigrate.d/*/*.bash
	t/answers scripts/blktunnel scripts/blktunnel.d/*/*.bash scripts/blkmigrate.d/hosts/*.bash
	t/answers scripts/blkassemble scripts/blkmigrate.d/hosts/*.bash scripts/blkmigrate.d/disks/table.bash scripts/blkmigrate.d/disks/identity.bash
	shellcheck -S warning -e SC2030,SC2031,SC2034,SC2120,SC2140,SC2154,SC2164,SC2238,SC2314 \
		$(wildcard t/*.bash t/*.bats t/*/*.bash t/*/*.bats)
	mandoc -Tlint -Wwarning $(MANUALS)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -D_GNU_SOURCE -Ilib \
		--enable=warning,performance,portability --suppress=missingIncludeSystem filters lib
	$(MAKE) CC=clang WERROR=1 BUILD=$(OUT)/clang BIN=$(OUT)/clang/bin all

fuzz:
	$(MAKE) CC=clang BUILD=$(OUT)/fuzz \
		MODE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' fuzzers

fuzzers: $(FUZZERS:%=$(BUILD)/%)

$(FUZZERS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/t/fuzz/%.o $(LIBRARY)
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LINKAGE) $(LDFLAGS) -o $@ $< $(LIBRARY) $(ALL_LIBS)

demo: all
	BIN=$(abspath $(BIN)) scripts/demo

bench: all
	BIN=$(abspath $(BIN)) t/bench/bench $(if $(DISK),--disk '$(DISK)',$(if $(SMALL),--small)) \
		$(if $(ROW),--rows $(ROW)) $(if $(RUNS),--runs $(RUNS)) $(if $(JSON),--json '$(JSON)')

# For scripts that want to know.
filters:
	@echo $(FILTERS)

# --- delivery ---------------------------------------------------------------------

# Position-independent like the others, where the system's libraries are made for it.
static:
	$(MAKE) BUILD=$(OUT)/static BIN=$(OUT)/static/bin LINK=--static \
		LINKAGE='$(or $(call links,-static-pie $(RELRO)),-static)' all

INSTALL ?= install

BASHCOMP ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMP ?= $(PREFIX)/share/zsh/site-functions
MAGIC = $(PREFIX)/share/blk-filters/magic

install: all $(COMPLETION) $(BUILD)/version
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 755 $(FILTERS:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin
	$(INSTALL) -m 644 $(FILTERS:%=filters/%.1) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 lib/stream/blkstream.5 $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 755 $(SCRIPTS:%=scripts/%) $(DESTDIR)$(PREFIX)/bin
	$(INSTALL) -m 644 $(SCRIPTS:%=scripts/%.1) $(DESTDIR)$(MANDIR)/man1
	for room in $(ROOMS); do \
		share=$(DESTDIR)$(PREFIX)/share/$${room%%/*} && $(INSTALL) -d $$share/$${room#*/} && \
		$(INSTALL) -m 644 scripts/$${room%%/*}.d/$${room#*/}/* $$share/$${room#*/} || exit; \
	done
	sed "s/.*VERSION='\"\(.*\)\"' .*COMMIT='\"\(.*\)\"'/\1 (blk-filters, commit \2)/" $(BUILD)/version \
		>$(DESTDIR)$(PREFIX)/share/blkmigrate/version
	chmod 644 $(DESTDIR)$(PREFIX)/share/blkmigrate/version
	$(INSTALL) -d $(DESTDIR)$(BASHCOMP) $(DESTDIR)$(ZSHCOMP) $(DESTDIR)$(MAGIC:%/magic=%)
	$(INSTALL) -m 644 $(COMPLETION) $(DESTDIR)$(BASHCOMP)/$(firstword $(FILTERS))
	for program in $(wordlist 2,99,$(FILTERS)) $(SCRIPTS); do \
		ln -sf $(firstword $(FILTERS)) $(DESTDIR)$(BASHCOMP)/$$program || exit; \
	done
	$(INSTALL) -m 644 scripts/completion/_blk-filters $(DESTDIR)$(ZSHCOMP)
	$(INSTALL) -m 644 lib/stream/magic $(DESTDIR)$(MAGIC)

uninstall:
	rm -f $(FILTERS:%=$(DESTDIR)$(PREFIX)/bin/%) $(SCRIPTS:%=$(DESTDIR)$(PREFIX)/bin/%) \
		$(FILTERS:%=$(DESTDIR)$(MANDIR)/man1/%.1) $(SCRIPTS:%=$(DESTDIR)$(MANDIR)/man1/%.1) \
		$(DESTDIR)$(MANDIR)/man5/blkstream.5 $(DESTDIR)$(ZSHCOMP)/_blk-filters \
		$(FILTERS:%=$(DESTDIR)$(BASHCOMP)/%) $(SCRIPTS:%=$(DESTDIR)$(BASHCOMP)/%)
	rm -rf $(SCRIPTS:%=$(DESTDIR)$(PREFIX)/share/%) $(DESTDIR)$(MAGIC:%/magic=%)

dist:
	@mkdir -p $(OUT)
	git archive --prefix=blk-filters-$(VERSION)/ HEAD | gzip -9n >$(OUT)/blk-filters-$(VERSION).tar.gz

clean:
	rm -rf $(OUT) $(BUILD)
	rm -f $(FILTERS:%=$(BIN)/%)

.PRECIOUS: $(BUILD)/%.o
.PHONY: FORCE all help filters check check-quick check-builds check-lab check-long check-asan check-tsan asan tsan units unit pipe \
	coverage lint fuzz fuzzers demo bench static install uninstall dist clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
