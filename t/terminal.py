#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""terminal.py COLUMNS COMMAND [TEXT]: run a bash command on a terminal of so many columns, and print the
lines that it showed, those that were scrolled away too.  Type Ctrl-C as soon as TEXT was shown.  As VT100 and its followers do, a character
in the last column leaves the cursor there until the next one comes."""
import os
import pty
import struct
import sys
import fcntl
import termios


def run(columns, command, until):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execvp("bash", ["bash", "-c", command])
    data = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        data += piece
        if until and until in data:
            os.write(fd, b"\x03")
            until = b""
    return data.decode("utf-8", "replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def shown(text, columns):
    lines, row, column = [[]], 0, 0
    for character in text:
        if character == "\r":
            column = 0
            continue
        if character == "\n" or column == columns:
            row += 1
            if character != "\n":
                column = 0
        while len(lines) <= row:
            lines.append([])
        if character == "\n":
            continue
        line = lines[row]
        line.extend(" " * (column + 1 - len(line)))
        line[column] = character
        column += 1
    return ["".join(line).rstrip() for line in lines]


output, status = run(int(sys.argv[1]), sys.argv[2], "".join(sys.argv[3:]).encode())
print("\n".join(shown(output, int(sys.argv[1]))))
sys.exit(status)
