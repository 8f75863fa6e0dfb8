# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows: which jobs are measured, how each contender does them, and what the goals are.

$target is a file in memory; what else the commands name is explained in prepare.py.  The
checks are run outside the timed part, by tools that are not ours wherever that can be."""

import os

from measure import Contender, Goal, Row


def faster(times, ours, *peers):
    return Goal("seconds", ours, peers, times, faster=True)


def no_more(share, measure, ours, *peers, row=""):
    return Goal(measure, ours, peers, share, row=row)


def at_most(bound, measure, ours, row=""):
    return Goal(measure, ours, (), bound, row=row)


def fresh(name):
    """An empty sparse target of that size: what is not written there is zero."""
    return f'rm -f "$target"; truncate -s "$(size "${name}")" "$target"'


def zeros(name):
    """A target of that size that is zero, and has its memory already, which not all systems
    give as fast as it can be written."""
    return (f'head -c "$(size "${name}")" /dev/zero | '
            'dd of="$target" bs=256K iflag=fullblock conv=notrunc status=none')


# The target's pages exist and hold something else, so that allocation is not measured.
USED = 'head -c "$(size "$dense")" /dev/zero | tr "\\0" z >"$target"'


def same(name):
    return f'cmp "${name}" "$target"'


def dd(source, options="", target='"$target"', block="256K"):
    return (f"dd if={source} bs={block} status=none {options} | "
            f"dd of={target} bs={block} iflag=fullblock conv=notrunc status=none")


def digests(name, *tools):
    return [Contender(tool, f'{tool} "${name}" >"$out"',
                      check=f'digest=$("$here/digest" {DIGESTS[tool]} "${name}")\n'
                            'grep -qi "$digest" "$out"')
            for tool in tools]


def compare(tool):
    return Contender(tool, f'{tool} "$dense" "$target"', check=rf'''
        end=$(($(size "$dense") - 1))
        put() {{ dd of="$target" bs=1 seek=$end conv=notrunc status=none; }}
        tail -c 1 "$dense" | tr "\0-\377" "\1-\377\0" | put
        status=0; {tool} "$dense" "$target" || status=$?
        tail -c 1 "$dense" | put
        [ $status = 1 ]''')


def meter(name, pipe):
    tool = {"no meter": "", "mbuffer": "mbuffer -q 2>mbuffer.log |"}.get(name, f"{name} -q |")
    return Contender(name, pipe[0] % tool, check=pipe[1])


def meters(pipe):
    return [meter(name, pipe) for name in ("pv", "mbuffer", "no meter")]


DIGESTS = {"blksum": "blk128", "xxhsum -H2": "xxh128", "b3sum": "b3", "md5sum": "md5"}
PEERS = "xxhsum -H2", "b3sum", "md5sum"

OUT = '''stat -c %s "$out" | awk '{ print $1 / 1e6 }' '''

# Bytes that all ssh connections together have sent and received.
WIRE = "awk '/^Transferred:/ { n += $3 + $5 } END { print n / 1e6 }' wire"

# The filters' threads, at most two more than there are processors, need their buffers in
# addition.
PEAK = 32 + os.cpu_count() + 1


def peak(command, what):
    """The most memory of that process alone, in MiB."""
    name = {"1 GiB dense": "gib", "1 GiB sparse": "low", "1 TiB sparse": "tall"}[what]
    command = command.replace("@", f"${name}")
    return Contender(what, f"/usr/bin/time -f %M -o peak {command} >/dev/null",
                     before=fresh(name), count="awk '{ print $1 / 1024 }' peak")


def limited(stage, name, link):
    return f'blkread "${name}" | {stage} blkmeter -q -L {link} | blkwrite "$target"'


def lanes(number):
    name = f"{number} lane{'s' if number > 1 else ''}"
    return Contender(name, f'blkread "$sample" | blkfan -n {number} $far new blkwrite "$target"')


COUNTED = 'dd of=/dev/null bs=256K 2>"$out"'
PASSED = 'grep -q "^$(size "$dense") bytes" "$out"'
FAST = f'dd if="$dense" bs=256K status=none | %s {COUNTED}', PASSED
PACED = f'"$here/paced" 2000 "$dense" | %s {COUNTED}', PASSED
PIPE = "blkread, blkmeter, blkzip, ssh, blkwrite"
PIPE_ZSTD = "the same, -m zstd"
STREAM = 'blkread "$dense" | %s blkwrite "$target"', same("dense")

# The bytes cross a socket, as ours cross a pipe.
NBD = 'nbdkit -U - --run \'nbdcopy "$dense" "$uri"\' file "$target"'

ROWS = [
    Row("1", "dense copy through a pipe",
        ours=[Contender("blkread, blkwrite", 'blkread "$dense" | blkwrite "$target"')],
        peers=[Contender("dd, dd", dd('"$dense"')),
               Contender("dd bs=1M, dd", dd('"$dense"', block="1M")),
               Contender("nbdcopy to a server", NBD),
               Contender("nbdcopy", 'nbdcopy "$dense" "$target"'),
               Contender("qemu-img convert",
                         'qemu-img convert -n -W -f raw -O raw "$dense" "$target"')],
        goals=[faster(1.5, "blkread, blkwrite", "dd, dd", "dd bs=1M, dd"),
               faster(1, "blkread, blkwrite", "nbdcopy to a server"),
               faster(1, "blkread, blkwrite", "nbdcopy", "qemu-img convert")],
        size="dense", before=USED, check=same("dense")),

    Row("2", "disk onto zeros",
        ours=[Contender("blkread, blkwrite", 'blkread "$quarter" | blkwrite --zeroed "$target"')],
        peers=[Contender("dd, dd", dd('"$quarter"')),
               Contender("nbdcopy", 'nbdcopy --destination-is-zero "$quarter" "$target"'),
               Contender("qemu-img convert", "qemu-img convert -n -W --target-is-zero "
                         '-f raw -O raw "$quarter" "$target"'),
               # It would first free the memory that is there, so it always gets fresh memory.
               Contender("cp --sparse", 'cp --sparse=always "$quarter" copy',
                         before="rm -f copy", check='cmp "$quarter" copy')],
        goals=[faster(4, "blkread, blkwrite", "dd, dd"),
               faster(1, "blkread, blkwrite", "dd, dd", "nbdcopy", "qemu-img convert",
                      "cp --sparse")],
        size="quarter", before=zeros("quarter"), check=same("quarter")),

    Row("2-cold", "disk onto zeros, O_DIRECT",
        ours=[Contender("blkread, blkwrite", 'blkread "$block" | blkwrite --zeroed "$target"')],
        peers=[Contender("dd, dd", dd('"$block"', "iflag=direct")),
               Contender("qemu-img convert", "qemu-img convert -n -W --target-is-zero -T none "
                         '-f raw -O raw "$block" "$target"')],
        goals=[faster(1, "blkread, blkwrite", "dd, dd", "qemu-img convert")],
        size="block", before=zeros("block"), check=same("block")),

    Row("3", "compress",
        ours=[Contender("blkzip, stream", 'blkzip <"$stream" >"$out"',
                        check='blkzip -d <"$out" | blkwrite "$target" && cmp "$sample" "$target"',
                        before=fresh("sample"), count=OUT),
              Contender("blkzip -m zstd, stream", 'blkzip -m zstd <"$stream" >"$out"',
                        check='blkzip -d <"$out" | blkwrite "$target" && cmp "$sample" "$target"',
                        before=fresh("sample"), count=OUT),
              Contender("blkzip, raw", 'blkzip <"$sample" >"$out"',
                        check='gunzip <"$out" | cmp - "$sample"', count=OUT)],
        peers=[Contender(name, f'{name} <"$sample" >"$out"',
                         check=f'{name.split()[0]} -dc <"$out" | cmp - "$sample"', count=OUT)
               for name in ("gzip -1", "pigz -1", "pigz -3", "zstd -1 -T0")],
        goals=[goal for form in ("stream", "raw") for goal in (
            faster(8, f"blkzip, {form}", "pigz -1"),
            no_more(1.03, "count", f"blkzip, {form}", "pigz -1"),
            faster(1.3, f"blkzip, {form}", "zstd -1 -T0"))] + [
            faster(1, "blkzip -m zstd, stream", "zstd -1 -T0")],
        size="sample", before='rm -f "$out"', unit="MB"),

    Row("4", "decompress and write",
        ours=[Contender("blkwrite", 'blkwrite "$target" <"$stream.z"',
                        before=fresh("sample")),
              Contender("blkzip -d, raw", 'blkzip -d <"$sample.gz" >"$target"')],
        peers=[Contender("gunzip", 'gunzip <"$sample.pigz" >"$target"'),
               Contender("pigz -d", 'pigz -d <"$sample.pigz" >"$target"'),
               Contender("zstd -d", 'zstd -q -d <"$sample.zst" >"$target"')],
        goals=[goal for ours in ("blkwrite", "blkzip -d, raw") for goal in (
            faster(3, ours, "gunzip"), faster(1.5, ours, "zstd -d"))],
        size="sample", check=same("sample"),
        before='''rm -f "$target"
            [ -e "$stream.z" ] || blkzip <"$stream" >"$stream.z"
            [ -e "$sample.gz" ] || blkzip <"$sample" >"$sample.gz"
            [ -e "$sample.pigz" ] || pigz -1 <"$sample" >"$sample.pigz"
            [ -e "$sample.zst" ] || zstd -q -1 -T0 <"$sample" >"$sample.zst"'''),

    Row("5", "whole pipe over ssh",
        ours=[Contender(name, f'blkread "$eighth" | blkmeter -f 2>"$out" | {zip} | '
                        '$ssh new blkwrite --zeroed "$target"')
              for name, zip in ((PIPE, "blkzip"), (PIPE_ZSTD, "blkzip -m zstd"))],
        peers=[Contender("dd, pv, gzip -3, ssh, gunzip, dd",
                         'dd if="$eighth" bs=1M status=none | pv -f -ptrb 2>"$out" | gzip -3c | '
                         '''$ssh new "gunzip | dd of=$target bs=1M iflag=fullblock '''
                         'conv=notrunc status=none"'),
               Contender("dd, pv, zstd -1, ssh, zstd -d, dd",
                         'dd if="$eighth" bs=1M status=none | pv -f -ptrb 2>"$out" | '
                         'zstd -q -1 -T0 | '
                         '''$ssh new "zstd -q -d | dd of=$target bs=1M iflag=fullblock '''
                         'conv=notrunc status=none"')],
        goals=[goal for pipe in (PIPE, PIPE_ZSTD) for goal in (
            faster(12, pipe, "dd, pv, gzip -3, ssh, gunzip, dd"),
            faster(2.5, pipe, "dd, pv, zstd -1, ssh, zstd -d, dd"),
            at_most(1.8, "cpu", pipe, row="12"))],
        size="eighth", before=zeros("eighth"), check=same("eighth")),

    Row("13", "a long line, round trip 80 ms",
        ours=[lanes(4), lanes(8)], peers=[lanes(1)],
        goals=[faster(3.2, "4 lanes", "1 lane"), faster(5, "8 lanes", "1 lane")],
        size="sample", before=zeros("sample"), check=same("sample"), runs=3),

    Row("6", "digest, dense", digests("dense", "blksum"), digests("dense", *PEERS),
        goals=[faster(1, "blksum", *PEERS)], size="dense"),

    Row("6", "digest, sparse", digests("quarter", "blksum"), digests("quarter", *PEERS),
        goals=[faster(3, "blksum", *PEERS)], size="quarter"),

    # The check: flip one byte at the end, which must be found.
    Row("7", "compare",
        ours=[compare("blkdiff -q")], peers=[compare("cmp"), compare("qemu-img compare")],
        goals=[faster(1, "blkdiff -q", "cmp", "qemu-img compare")],
        size="dense", before='[ -e "$target" ] || cp "$dense" "$target"'),

    Row("8", "1 % changed, over ssh",
        ours=[Contender("blksum --map, blkdiff --map",
                        '$ssh new blksum --map "$target" | blkdiff --map - "$changed" | blkzip | '
                        '$ssh new blkwrite "$target"', count=WIRE)],
        peers=[Contender(name, f'{name} --inplace --no-whole-file --ignore-times -e "$ssh" '
                         '"$changed" "new:$target"', count=WIRE)
               for name in ("rsync", "rsync -z --zc=zstd --zl=1")],
        goals=[faster(3, "blksum --map, blkdiff --map", "rsync", "rsync -z --zc=zstd --zl=1"),
               no_more(1, "count", "blksum --map, blkdiff --map",
                       "rsync", "rsync -z --zc=zstd --zl=1")],
        size="changed", before='cp --sparse=always "$quarter" "$target"; rm -f wire',
        check=same("changed"), unit="MB"),

    Row("9", "delta of 1 TiB, 1,000 chunks",
        ours=[Contender("blkdiff --store", 'blkdiff --store "$store" "$origin" >"$out"')],
        peers=[], goals=[at_most(1, "seconds", "blkdiff --store")],
        check='cp --sparse=always "$old" "$target"; blkwrite "$target" <"$out"; '
              '"$here/same" "$origin" "$target"'),

    Row("10", "meter, bytes at full speed", [meter("blkmeter", FAST)], meters(FAST),
        goals=[faster(1, "blkmeter", "pv")], size="dense"),

    Row("10", "meter, bytes at 2 GB/s", [meter("blkmeter", PACED)], meters(PACED),
        goals=[faster(1, "blkmeter", "pv"), faster(0.97, "blkmeter", "no meter")], size="dense"),

    Row("10", "meter, stream at full speed", [meter("blkmeter", STREAM)], meters(STREAM),
        goals=[faster(1, "blkmeter", "pv")], size="dense", before=USED),

    *(Row("11", f"peak memory, {command.replace('@', 'X').replace('$', '')}",
          ours=[peak(command, what) for what in ("1 GiB dense", "1 GiB sparse", "1 TiB sparse")],
          peers=[],
          goals=[at_most(PEAK, "count", "1 GiB dense"),
                 no_more(1.25, "count", "1 TiB sparse", "1 GiB sparse")],
          check="true", unit="MiB", runs=1)
      for command in ("blkread @", "blkzip <@.blk", "blkmeter -q <@.blk",
                      "blkwrite --verify $target <@.blk", "blksum @",
                      "blksum --map @", "blkdiff @ @", "blkdiff --map @.map @")),

    *(Row(f"adapt-{link}", f"a link of {link}/s",
          ours=[Contender("blkzip --adapt", limited("blkzip --adapt |", name, link))],
          peers=[Contender(way, limited(stage, name, link))
                 for way, stage in (("stored", ""), ("blkzip -1", "blkzip -1 |"),
                                    ("blkzip -6", "blkzip -6 |"))] +
                [Contender("zstd -1", f'zstd -q -1 -T0 <"${name}" | blkmeter -q -L {link} | '
                           'zstd -q -d >"$target"')],
          goals=[faster(0.95, "blkzip --adapt", "stored", "blkzip -1", "blkzip -6", "zstd -1")],
          size=name, before=zeros(name), check=same(name), runs=3)
      for link, name in (("10MB", "little"), ("100MB", "sample"), ("1GB", "dense"))),
]
