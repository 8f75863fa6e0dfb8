#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the records of a block stream on standard input, and check all that
blkstream(5) says of them: written from that manual alone.  With a file as argument
the stream is applied to a copy of it in memory, and must fit it.

Exit status: 0 the stream is whole and good, 2 it is not."""

import hashlib
import struct
import subprocess
import sys
import zlib

from xxhash import xxh3_64_intdigest as xxh64, xxh3_128, xxh3_128_digest as xxh128

KINDS = {1: "image", 2: "delta", 3: "map", 4: "undo log"}
RANGES = {1: {"DATA", "ZERO", "BAD"}, 2: {"DATA", "ZERO", "BAD"}, 3: {"MAP", "ZERO"},
          4: {"DATA", "ZERO"}}
TYPES = {1: "DATA", 2: "ZERO", 3: "BAD", 4: "NOTE", 5: "MAP", 6: "END", 7: "ABORT"}
UNKNOWN, MOST, BLOCK = 2**64 - 1, 2**63 - 1, 65536


def need(condition, why):
    if not condition:
        raise ValueError(why)


def read(size):
    data = sys.stdin.buffer.read(size)
    need(len(data) == size, "end of file")
    return data


def blocks_of(data, grid=BLOCK, one=xxh128):
    return b"".join(one(data[i:i + grid]) for i in range(0, len(data), grid))


class Stream:
    def __init__(self, device):
        raw = read(128)
        (magic, major, minor, length, required, _, ident, self.size, coming, self.grid, self.most,
         self.kind, self.hash, self.base, check) = struct.unpack("<8sHHIQQ16sQQIIBB6xQ32xQ", raw)
        need(magic == b"\x89BLK\r\n\x1a\n" and check == xxh64(raw[:120]), "no header")
        need(major == 1 and required < 2, f"version {major}, features {required:#x}")
        self.codecs = 2 + required
        need(length == 128 or 136 <= length <= 4096, "length of the header")
        rest = read(length - 128)
        need(not rest or struct.unpack("<Q", rest[-8:])[0] == xxh64(rest[:-8]), "extension")
        need(all(n <= MOST or n == UNKNOWN for n in (self.size, coming, self.base)), "sizes")
        need(self.kind in KINDS and self.hash in (1, 2), "kind")
        need(self.size != UNKNOWN or self.kind == 1, "no image, and no size")
        need(self.base == UNKNOWN or self.kind == 2, "a base, but no delta")
        need(self.grid in {2**n for n in range(12, 21)} and 1 <= self.most <= 2**24, "grid")
        self.whole = self.kind in (1, 3)  # covers the device
        self.seed, self.at, self.device = struct.unpack("<Q", ident[:8])[0], length, device
        self.sequence = self.end = self.bad_end = 0
        self.counts, self.blocks = {"DATA": 0, "ZERO": 0, "BAD": 0}, xxh3_128()
        print(f"{KINDS[self.kind]} {major}.{minor} size {self.size} id {ident.hex()}")

    def record(self):
        raw = read(64)
        (magic, number, codec, flags, sequence, offset, length, stored, stored_sum, plain_sum, old,
         check) = struct.unpack("<4sBBHQQQIIQQQ", raw)
        need(magic == b"BREC" and check == xxh64(raw[:56], self.seed), "no record")
        need(number in TYPES and sequence == self.sequence, "type or sequence")
        name = TYPES[number]
        need(offset <= MOST and length <= MOST - offset, "range")
        if name in ("NOTE", "END", "ABORT"):
            need(length == 0 and offset == self.end and flags == 0, "fields without a range")
            size, most = stored, 4096
        else:
            self.check_range(name, offset, length, flags)
            blocks = (length + self.grid - 1) // self.grid
            size = {"DATA": length, "MAP": blocks * (16 if self.hash == 1 else 32)}.get(name, 0)
            most = self.most if size else 0
        need(size <= most and (stored == size if codec == 0 else
             codec < self.codecs and number in (1, 5) and 0 < stored < size), "size of the payload")
        payload = read(stored)
        need(xxh64(payload) & 0xffffffff == stored_sum, "sum of the stored payload")
        if codec == 1:
            inflate = zlib.decompressobj(-15)
            payload = inflate.decompress(payload, size + 1)
            need(inflate.eof and not inflate.unused_data and len(payload) == size, "deflate")
        if codec == 2:
            zstd = subprocess.run(["zstd", "-dcq"], input=payload, capture_output=True)
            payload = zstd.stdout
            need(zstd.returncode == 0 and len(payload) == size, "zstd")
        need(xxh64(payload) == plain_sum, "sum of the payload")
        if length:
            self.apply(name, offset, length, payload, flags, old)
        self.sequence, self.at = sequence + 1, self.at + 64 + stored
        print(sequence, name, offset, length, stored, *[f"old {old:016x}"] * (flags != 0),
              *[ascii(payload.decode("latin1"))] * (name in ("NOTE", "ABORT")))
        return name, payload

    def check_range(self, name, offset, length, flags):
        end, known = offset + length, self.size != UNKNOWN
        need(name in RANGES[self.kind], f"{name} in this kind of stream")
        need(length > 0 and (not known or end <= self.size), "range")
        need(flags == 0 or flags in (1, 2) and self.kind in (2, 4) and name in ("DATA", "ZERO")
             and length <= 2**24, "flags")
        need(flags != 2 or offset % self.grid == 0 and
             (end % self.grid == 0 or known and end == self.size == self.base), "no whole blocks")
        if self.whole and name == "BAD":
            need(offset >= max(self.end, self.bad_end), "order of BAD")
            self.bad_end = end
            return
        if self.whole:
            need(offset % (BLOCK if self.kind == 1 else self.grid) == 0 and offset == self.end
                 and self.bad_end <= end, "order")
        need(offset >= self.end or self.kind == 4, "order")
        self.end, self.bad_end = end, 0

    def apply(self, name, offset, length, payload, flags, old):
        self.counts["DATA" if name == "MAP" else name] += length
        if name == "BAD":
            return
        need(length <= 2**40, "longer than this reader wants to hash")
        if self.whole:
            for _ in range(length // BLOCK if name == "ZERO" else 0):
                self.blocks.update(blocks_of(bytes(BLOCK)))
            self.blocks.update(payload if name == "MAP" else blocks_of(payload) if name == "DATA"
                               else blocks_of(bytes(length % BLOCK)))
        if self.device is not None and self.kind != 3:
            new, there = payload or bytes(length), self.device[offset:offset + length]
            held = there if flags == 1 else blocks_of(there, self.grid, self.block_hash)
            need(flags == 0 or there == new or old == xxh64(held), "the device differs")
            self.device[offset:offset + length] = new

    def block_hash(self, block):
        return xxh128(block) if self.hash == 1 else hashlib.sha256(block).digest()

    def finish(self, payload):
        need(len(payload) >= 72, "short END")
        size, records, data, zero, bad, digest, base = struct.unpack("<QQQQQ16s16s", payload[:72])
        need(records == self.sequence - 1 and [data, zero, bad] ==
             [n % 2**64 for n in self.counts.values()], "counts")
        need(self.size in (size, UNKNOWN), "size")
        need(self.end <= size <= MOST or self.kind == 4, "size")
        need(not self.whole or size == self.end and self.bad_end == 0, "size or BAD")
        known = self.kind == 1 or self.kind == 3 and self.grid == BLOCK and self.hash == 1
        if known or self.kind == 2 and self.device is not None:
            if not known:
                self.blocks.update(blocks_of(self.device[:size]))
            self.blocks.update(struct.pack("<Q", size))
            need(digest in (bytes(16), self.blocks.digest()), "digest")
        need(sys.stdin.buffer.read(1) == b"", "bytes behind END")
        print(f"size {size} data {data} zero {zero} bad {bad} blk128:{digest.hex()} "
              f"base blk128:{base.hex()}")


def main():
    stream, name = None, ""
    try:
        stream = Stream(bytearray(open(sys.argv[1], "rb").read()) if len(sys.argv) > 1 else None)
        while name != "END":
            name, payload = stream.record()
            need(name != "ABORT", "the producer gave up")
        stream.finish(payload)
        return 0
    except (ValueError, zlib.error) as why:
        at, end = (stream.at, stream.end) if stream else (0, 0)
        print(f"stream byte {at}, device byte {end}: {why}", file=sys.stderr)
        return 2


sys.exit(main())
