# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rows work on, each made when the first row asks for it, in a folder in memory:
so that the page cache is warm and the pipe is measured, not somebody's disk.

    dense     the disk's blocks that are not zero, 2 GiB at most
    sample    pieces of dense from end to end, 512 MiB at most; little: 128 MiB
    quarter   every fourth 16 MiB of the disk, so with as large a share of holes; eighth:
              every eighth
    changed   quarter, with 1 % of its blocks of 64 KiB that are not zero written anew
    stream    the sample as blkread writes it
    block     a loop device over the last three eighths of the disk as it lies in its file
              system, past the page cache: swap, logs and media
    tall      1 TiB with three bytes that are not zero; low: 1 GiB with three; gib: 1 GiB of
              dense; each with its stream, .blk, and its map, .map
    origin    old, 1 TiB of zeros, with 1,000 chunks of 4 KiB written; store, its exceptions
    ssh       ssh to the host "new", which is this one, by an sshd of our own
    far       the same over a line with a round trip of 80 ms (delayed), with a cipher that leaves
              the processors time

The commands run in a folder of their own; $target and $out are names in it, and what
a row leaves there is removed."""

import os
import shutil
import signal
import socket
import subprocess
import time

BLOCK = 65536
NAMES = ("dense", "sample", "little", "quarter", "eighth", "changed", "stream", "block", "gib",
         "low", "tall", "origin", "ssh", "far")
here = os.path.dirname(os.path.abspath(__file__))


class Sshd:
    """A host "new" on this machine, with keys and configuration of its own."""

    def __init__(self, folder):
        self.folder, self.line = os.path.join(folder, "ssh"), None
        os.makedirs(self.folder, 0o700)
        for key in "host", "user":
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key)],
                           check=True)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = self.path("config")
        self.write("sshd_config", f"""
            ListenAddress 127.0.0.1
            Port {self.port}
            HostKey {self.path("host")}
            AuthorizedKeysFile {self.path("user.pub")}
            PidFile none
            StrictModes no
            UsePAM no
            PermitRootLogin prohibit-password
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitUserRC no
            PrintMotd no
            MaxStartups 100
            SetEnv PATH={os.environ["PATH"]} LC_ALL=C SHLVL=1
            """)
        self.write("config", f"""
            Host new
            HostName 127.0.0.1
            Port {self.port}
            IdentityFile {self.path("user")}
            IdentitiesOnly yes
            IdentityAgent none
            UserKnownHostsFile {self.path("known")}
            GlobalKnownHostsFile /dev/null
            StrictHostKeyChecking accept-new
            BatchMode yes
            LogLevel VERBOSE
            """)
        self.daemon = subprocess.Popen(
            [shutil.which("sshd"), "-D", "-e", "-f", self.path("sshd_config")],
            stdin=subprocess.DEVNULL, stderr=open(self.path("log"), "w"))
        self.wait_for_answer()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as out:
            out.writelines(line.strip() + "\n" for line in text.strip().splitlines())

    def wait_for_answer(self):
        for _ in range(50):
            if subprocess.run(["ssh", "-F", self.config, "-E", self.path("first"), "new", "true"],
                              stdin=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        with open(self.path("log")) as log:
            raise OSError(f"sshd does not answer: {log.read().strip()}")

    def start_line(self, late):
        """Let the host be reached over a slow line as well, by the configuration that is returned."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.line = subprocess.Popen(
            [os.path.join(here, "delayed"), str(late), str(port), str(self.port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.line.stdout.readline() != "ready\n":
            raise OSError("the slow line does not begin")
        with open(self.config) as near:
            self.write("far", near.read().replace(f"Port {self.port}", f"Port {port}"))
        return self.path("far")

    def cpu(self):
        """Seconds that its children have used, when the last has ended."""
        pid = self.daemon.pid
        for _ in range(200):
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                if not children.read().strip():
                    break
            time.sleep(0.01)
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.line:
            self.line.terminate()
            self.line.wait()
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait()


class Prepared:
    """The variables of the rows' commands, by name."""

    def __init__(self, folder, disk):
        self.folder, self.image = folder, disk
        self.work = self.path("work")
        os.mkdir(self.work)
        self.variables = {"target": os.path.join(self.work, "target"),
                          "out": os.path.join(self.work, "out"), "here": here}
        self.sshd = None
        self.loop = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def need(self, name):
        if name in self.variables:
            return
        if name == "ssh":
            self.sshd = Sshd(self.folder)
            self.variables["ssh"] = f"ssh -F {self.sshd.config} -E {os.path.join(self.work, 'wire')}"
        elif name == "far":
            self.need("ssh")
            config = self.sshd.start_line(40)
            self.variables[name] = f"ssh -F {config} -c aes128-gcm@openssh.com"
        elif name == "block":
            self.loop = self.output(
                "losetup", "--find", "--show", "--read-only", "--direct-io=on",
                "--offset", str(os.stat(self.image).st_size * 5 // 8 // 4096 * 4096), self.image)
            self.variables[name] = self.loop
        else:
            getattr(self, "make_" + name)(self.path(name))
            self.variables[name] = self.path(name)

    def output(self, *command):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def size(self, name):
        with open(self.variables[name], "rb") as file:
            return file.seek(0, os.SEEK_END)

    def make_dense(self, path):
        with open(self.image, "rb") as image, open(path, "wb") as out:
            for start, end in extents(image):
                for at in range(start // BLOCK * BLOCK, end, BLOCK):
                    block = os.pread(image.fileno(), BLOCK, at)
                    if len(block) == BLOCK and block.strip(b"\0"):
                        out.write(block)
                    if out.tell() == 2 << 30:
                        return

    def make_sample(self, path, most=512 << 20):
        self.need("dense")
        with open(self.variables["dense"], "rb") as dense, open(path, "wb") as out:
            pick(dense, out, max(1, -(-self.size("dense") // most)), 1 << 20)

    def make_little(self, path):
        self.make_sample(path, 128 << 20)

    def make_quarter(self, path, every=4):
        with open(self.image, "rb") as image, open(path, "wb") as out:
            pick(image, out, every, 16 << 20)

    def make_eighth(self, path):
        self.make_quarter(path, 8)

    def make_changed(self, path):
        self.need("quarter")
        subprocess.run(["cp", "--sparse=always", self.variables["quarter"], path], check=True)
        flip = bytes(value ^ 0x5a for value in range(256))
        with open(path, "r+b") as out:
            used = [at for start, end in extents(out)
                    for at in range(start // BLOCK * BLOCK, end, BLOCK)]
            for at in used[50::100] or used[:1]:
                block = os.pread(out.fileno(), BLOCK, at)
                os.pwrite(out.fileno(), block.translate(flip), at)

    def make_stream(self, path):
        self.need("sample")
        self.stream("blkread", self.variables["sample"], path)

    def make_gib(self, path):
        self.need("dense")
        self.output("cp", self.variables["dense"], path)
        os.truncate(path, min(1 << 30, self.size("dense")))
        self.in_other_forms(path)

    def make_low(self, path):
        self.specks(path, 1 << 30)

    def make_tall(self, path):
        self.specks(path, 1 << 40)

    def specks(self, path, size):
        with open(path, "wb") as out:
            out.truncate(size)
            for at in 0, size // 3, size - 1:
                os.pwrite(out.fileno(), b"x", at)
        self.in_other_forms(path)

    def in_other_forms(self, path):
        self.stream("blkread", path, path + ".blk")
        self.stream("blksum", "--map", path, path + ".map")

    def stream(self, *command):
        with open(command[-1], "wb") as out:
            subprocess.run(command[:-1], check=True, stdout=out)

    def make_origin(self, path):
        old, store = self.path("old"), self.path("store")
        for name in old, path:
            with open(name, "wb") as out:
                out.truncate(1 << 40)
        with open(path, "r+b") as out:
            for n in range(1000):
                os.pwrite(out.fileno(), b"changed\n" * 512, n * 1_000_003 % (1 << 28) * 4096)
        self.output(os.path.join(os.path.dirname(here), "format", "make-store"), store, old, path)
        self.variables |= {"old": old, "store": store}

    def clear(self):
        """What the last row left in its folder."""
        shutil.rmtree(self.work)
        os.mkdir(self.work)

    def remove(self):
        if self.sshd:
            self.sshd.stop()
        if self.loop:
            self.output("losetup", "-d", self.loop)


def extents(file):
    """Where a file has data, as its file system says."""
    at, size = 0, os.fstat(file.fileno()).st_size
    while at < size:
        try:
            start = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        yield start, at


def pick(source, out, every, piece):
    """One piece of so many, what is zero becoming a hole."""
    size, place = os.fstat(source.fileno()).st_size, 0
    for at in range(0, size, piece * every):
        taken = os.pread(source.fileno(), piece, at)
        for inner in range(0, len(taken), BLOCK):
            block = taken[inner:inner + BLOCK]
            if block.strip(b"\0"):
                os.pwrite(out.fileno(), block, place + inner)
        place += len(taken)
    out.truncate(place)
