# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row is, how its contenders are run, and what is taken down of each run.

A contender is a line of bash.  What it takes is the system's own accounting: wait4(2) of
the shell that ran it, and for what ran on the far side of ssh what sshd's ended children
have used."""

import dataclasses
import os
import statistics
import subprocess
import sys
import time

LIMIT = 400  # seconds after which a run has failed
SIZE = 'size() { blockdev --getsize64 "$1" 2>/dev/null || stat -c %s "$1"; }\n'


@dataclasses.dataclass
class Contender:
    name: str
    command: str
    before: str = ""  # bash, before each run, outside the timed part
    check: str = ""  # bash, fails if the job was not done; if empty, the row's own
    count: str = ""  # bash, prints a number that is kept with the run, such as bytes made


@dataclasses.dataclass
class Goal:
    """How ours is to stand against the best of the named peers, or against a bound alone."""
    measure: str  # "seconds", "cpu" or "count" of a run
    ours: str
    peers: tuple
    bound: float
    faster: bool = False  # peer / ours must be at least the bound, instead of ours / peer at most
    row: str = ""  # if another row measures it


@dataclasses.dataclass
class Row:
    number: str
    job: str
    ours: list
    peers: list
    goals: list
    size: str = ""  # the variable of the input, whose size gives the throughput
    before: str = ""
    check: str = ""
    unit: str = ""  # of counts
    runs: int = 0  # if one run is enough


@dataclasses.dataclass
class Run:
    seconds: float
    cpu: float
    others: float  # share of the processors that others used meanwhile, 0 to 1
    count: float = 0


class Failed(Exception):
    pass


def busy_seconds():
    """Of all processors together, the time that others than this machine took included."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Shell:
    """Runs bash with the variables of the preparation, in the scratch folder."""

    def __init__(self, folder, variables, sshd=None):
        self.folder, self.variables, self.sshd = folder, variables, sshd

    def timed(self, text):
        """Run it; the seconds on the clock and on the processors, of all its processes."""
        far = self.sshd.cpu() if self.sshd else 0
        begin, busy = time.monotonic(), busy_seconds()
        usage, _ = self.run(text, subprocess.DEVNULL)
        seconds, busy = time.monotonic() - begin, busy_seconds() - busy
        cpu = usage.ru_utime + usage.ru_stime + (self.sshd.cpu() - far if self.sshd else 0)
        return Run(seconds, cpu, max(0, busy - cpu) / seconds / os.cpu_count())

    def untimed(self, text):
        """Run it; what it printed."""
        return self.run(text, subprocess.PIPE)[1]

    def run(self, text, output):
        script = SIZE + "set -eo pipefail\n" + text
        with open(os.path.join(self.folder, "log"), "w+", errors="replace") as log:
            process = subprocess.Popen(
                ["timeout", "-k", "5", str(LIMIT), "bash", "-c", script], cwd=self.folder,
                env={**os.environ, **self.variables}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=log, text=True)
            try:
                printed = process.stdout.read() if process.stdout else ""
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.terminate()
                process.wait()
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                log.seek(0)
                said = (printed + log.read()).strip()[-500:]
                raise Failed(f"exit status {process.returncode}: {said}")
        return usage, printed


def measure(row, shell, rounds):
    """All contenders in turn, round by round, after one round that warms up.  What they
    have done is checked in the first round and in the last."""
    contenders = row.ours + row.peers
    runs = {contender.name: [] for contender in contenders}
    failures = {}
    for turn in range(rounds + 1):
        for contender in contenders:
            if contender.name in failures:
                continue
            try:
                run = once(row, contender, shell, check=turn in (0, rounds))
                if turn or not rounds:
                    runs[contender.name].append(run)
                tell(row, contender, turn, run)
            except Failed as why:
                failures[contender.name] = str(why)
                print(f"bench: row {row.number}: {contender.name}: {why}", file=sys.stderr)
    return {name: done for name, done in runs.items() if name not in failures}, failures


def once(row, contender, shell, check):
    shell.untimed(row.before + "\n" + contender.before)
    run = shell.timed(contender.command)
    if contender.count:
        run.count = float(shell.untimed(contender.count))
    if check:
        try:
            shell.untimed(contender.check or row.check)
        except Failed as why:
            raise Failed(f"did not do the job: {why}") from None
    return run


def tell(row, contender, turn, run):
    print(f"row {row.number}: {contender.name}: {f'run {turn}' if turn else 'warm-up'}: "
          f"{run.seconds:.3f} s, CPU {run.cpu:.2f} s, others {run.others:.0%}" +
          (f", {run.count:.2f} {row.unit}" if contender.count else ""), file=sys.stderr)


@dataclasses.dataclass
class Verdict:
    """A goal, held against what was measured: a line of the table."""
    row: str
    job: str
    measure: str
    ours: str
    ours_figure: float
    peer: str
    peer_figure: float
    ratio: float
    least: float
    most: float
    goal: str
    met: bool
    size: int  # of the input, in bytes
    unit: str


def judge(row, goal, runs, size):
    """None where somebody did not do the job, which has been said."""
    def figures(name):
        return [getattr(run, goal.measure) for run in runs[name]]

    # A bound alone on processor time is for each GiB.
    def measured(name):
        part = size / 2**30 if goal.measure == "cpu" else 1
        return [figure / part for figure in figures(name)]

    def middle(name):
        return statistics.median(figures(name))

    if goal.ours not in runs or any(peer not in runs for peer in goal.peers):
        return None
    if goal.peers:
        peer = min(goal.peers, key=middle)
        pairs = list(zip(figures(peer), figures(goal.ours)))
        ratios = [a / b if goal.faster else b / a for a, b in pairs]
        peer_figure = middle(peer)
    else:
        peer, peer_figure, ratios = "", 0, measured(goal.ours)
    ratio = statistics.median(ratios)
    return Verdict(goal.row or row.number, row.job, goal.measure, goal.ours, middle(goal.ours), peer,
                   peer_figure, ratio, min(ratios), max(ratios),
                   f"{'≥' if goal.faster else '≤'} {goal.bound:g}",
                   ratio >= goal.bound if goal.faster else ratio <= goal.bound,
                   size, row.unit)
