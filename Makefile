# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make                 the filters, in bin/
#   make check           the tests (README)
#   make check-lab       guests, namespaces, real disks
#   make check-long      hours of fuzzing and mutation
#   make check-asan      the tests under AddressSanitizer and UBSan
#   make check-tsan      unit tests and one whole pipe under ThreadSanitizer
#   make demo            migrate a demonstration disk on this machine
#   make static          binaries that run on any host of this architecture
#   make install         to $(DESTDIR)$(PREFIX)
#
# Objects go to $(BUILD), programs to $(BIN); other builds are other folders.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

FILTERS = blkread blkzip blkmeter blkwrite blksum
BUILD ?= build/release
BIN ?= bin
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
PKG_CONFIG ?= pkg-config

# libdeflate has no .pc file in Debian 12 and is named by hand.
NAMED = zlib libxxhash libmd libbsd

CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wvla -Wformat=2 -Wundef
MODE =
override ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib -pthread \
	$(WARNINGS) $(shell $(PKG_CONFIG) --cflags $(NAMED)) $(MODE) $(CFLAGS)
override ALL_LIBS = $(shell $(PKG_CONFIG) $(LINK) --libs $(NAMED)) -ldeflate -lm -pthread
LINK =

MODULES = $(wildcard lib/*.c)
OBJECTS = $(MODULES:%.c=$(BUILD)/%.o)
LIBRARY = $(BUILD)/libblk.a

all: $(FILTERS:%=$(BIN)/%)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BIN)/%: $(BUILD)/filters/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(ALL_LIBS)

.PRECIOUS: $(BUILD)/%.o
.PHONY: all
-include $(shell find build -name '*.d' 2>/dev/null)
