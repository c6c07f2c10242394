"""Runs a program as deploy/systemd/consentry.service would let it run, as far as can be had here.

`/usr/bin/python3 confine.py PROGRAM ARGUMENT...`, with Debian's python3-seccomp. Before PROGRAM
begins: the unit's SystemCallFilter with EPERM, no memory that is writable and executable
(MemoryDenyWriteExecute), no new privileges, and no capability (tests need no port below 1024).
Not shown by it: the file system and the devices that systemd hides.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

import seccomp

UNIT = Path(__file__).parents[2] / "deploy/systemd/consentry.service"
_PR_CAPBSET_DROP, _PR_SET_SECUREBITS = 24, 28
_NOROOT_LOCKED = 3
_CAPABILITIES = 41
_WRITE, _EXEC = 2, 4


def members(name: str) -> set[str]:
    """The system calls that a name in SystemCallFilter stands for, groups within groups too."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", "--no-pager", name]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.strip() for line in told.splitlines()[1:]]
    return set().union(*(members(line) for line in lines if line and not line.startswith("#")))


def allowed() -> set[str]:
    """What the unit's filter lines leave, applied in their order."""
    calls: set[str] = set()
    for line in UNIT.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "SystemCallFilter":
            named = set().union(*(members(name) for name in value.lstrip("~").split()))
            calls = calls - named if value.startswith("~") else calls | named
    return calls


def confine() -> None:
    """Put all of it in force for this process and what it becomes."""
    deny = seccomp.ERRNO(errno.EPERM)
    memory = seccomp.SyscallFilter(seccomp.ALLOW)
    memory.add_rule(deny, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, _WRITE | _EXEC, _WRITE | _EXEC))
    for call in ("mprotect", "pkey_mprotect"):
        memory.add_rule(deny, call, seccomp.Arg(2, seccomp.MASKED_EQ, _EXEC, _EXEC))
    calls = seccomp.SyscallFilter(deny)
    for name in sorted(allowed()):
        # libseccomp knows the calls of all architectures, a kernel only its own.
        if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
            calls.add_rule(seccomp.ALLOW, name)
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_SECUREBITS, _NOROOT_LOCKED, 0, 0, 0)
        for capability in range(_CAPABILITIES):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    memory.load()
    calls.load()


if __name__ == "__main__":
    confine()
    os.execv(sys.argv[1], sys.argv[1:])
