"""Forks kernels inside the sandbox: the course's imports are loaded once, and each kernel then costs a fork.

Run as a script, `python zygote.py FD MODULE ...`, inside the outer sandbox, which holds no secret. FD is a socket: a
line {"connection": ..., "edition": ..., "limits": ...} in starts a kernel; {"ready": ...}, {"pid": ...} and
{"exited": ...} come out. Every kernel gets namespaces of its own (users, processes, mounts, IPC), so that it sees no
other and everything it started ends with it. Imports nothing of `deepul_utils`: this file alone goes into the sandbox.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import resource
import socket
import struct
import sys
from typing import Any, NoReturn

_NEW_NAMESPACES = 0x00020000 | 0x08000000 | 0x10000000 | 0x20000000  # mounts, IPC, users, processes
_NOSUID_NODEV = 0x2 | 0x4
_NOEXEC = 0x8
_BIND = 0x1000
_RECURSIVELY = 0x4000
_PRIVATE = 0x40000
_SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS, _CAPABILITY_VERSION_3 = 4, 22, 38, 0x20080522
KERNEL = "/run/kernel"
_KERNEL_ROOM = "size=64k,nr_inodes=32"  # for its connection file and five sockets
EDITIONS = "/editions"
EDITION = "/run/edition"

# Linux's numbers of calls that kernels must do without. With the first, memory could be held that no process maps and
# so no limit or watch sees, or namespaces made in which to mount more of it; the others are refused for some arguments:
# shmget, semget, msgget, unshare, vmsplice, setns, memfd_create, io_uring_setup, clone3 (the C library takes clone,
# whose arguments can be seen), memfd_secret; mmap, clone, setsockopt.
CALLS = {
    "x86_64": (0xC000003E, (29, 64, 68, 272, 278, 308, 319, 425, 435, 447), (9, 56, 54)),
    "aarch64": (0xC00000B7, (194, 190, 186, 97, 75, 268, 279, 425, 435, 447), (222, 220, 208)),
}
_SHARED_ANONYMOUS, _NEW_USER, _SEND_BUFFER = 0x21, 0x10000000, 7

_libc = ctypes.CDLL(None, use_errno=True)


def _system(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind)]
    _system(_libc.mount(*encoded, flags, options.encode() if options else None), f"mount {target}")


def _isolate(connection: dict[str, Any], edition: str, limits: dict[str, int]) -> None:
    """Return in a new process that sees only itself, has no capabilities and keeps to `limits`."""
    uid, gid = os.getuid(), os.getgid()
    _system(_libc.unshare(_NEW_NAMESPACES), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _wait_for(os.fork())
    # From here on in the first process of the new namespace.
    _mount("none", "/", None, _PRIVATE | _RECURSIVELY)
    # Started by root, bwrap covers parts of /proc, and Linux then refuses a fresh one: the zygote stays visible.
    with contextlib.suppress(OSError):
        _mount("proc", "/proc", "proc", _NOSUID_NODEV | _NOEXEC)
    _mount("tmpfs", KERNEL, "tmpfs", _NOSUID_NODEV | _NOEXEC, _KERNEL_ROOM)
    with open(f"{KERNEL}/connection.json", "w") as file:
        json.dump(connection, file)
    _mount(f"{EDITIONS}/{edition}", EDITION, None, _BIND)
    _mount("/dev/null", "/dev/zero", None, _BIND)  # mapped, it is memory that stays when nobody maps it
    private = (EDITIONS, "/tmp", "/dev/shm", os.environ["HOME"])
    # A Python that lies in one of them, as that of a course cloned into /tmp does, comes back after it is covered.
    within = tuple(f"{own}/" for own in private)
    covered = {
        prefix: os.open(prefix, os.O_PATH) for prefix in {sys.prefix, sys.base_prefix} if prefix.startswith(within)
    }
    for own in private:
        _mount("tmpfs", own, "tmpfs", _NOSUID_NODEV, f"size={limits['disk']},nr_inodes={limits['files']}")
    for prefix, handle in covered.items():
        os.makedirs(prefix)
        _mount(f"/proc/self/fd/{handle}", prefix, None, _BIND | _RECURSIVELY)  # with what is covered in it
    _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    _wait_for(os.fork())
    _libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _system(_libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()), "capset")
    for limit in ("AS", "CORE", "CPU", "FSIZE", "NOFILE", "NPROC"):
        resource.setrlimit(getattr(resource, f"RLIMIT_{limit}"), (limits[limit], limits[limit]))
    _libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)  # for the grader, where it is an ordinary user, to see its open files
    _refuse_calls()


def _refuse_calls() -> None:
    """Let Linux refuse `CALLS` to this process and its children, with a small program that it runs at every call."""
    load, jump, mask, end = 0x20, 0x15, 0x54, 0x06  # its instructions: each has two distances to jump, and a number
    at_least, allow, refuse = 0x35, 0x7FFF0000, 0x00050000
    architecture, never, (mmap, clone, setsockopt) = CALLS[os.uname().machine]
    program = [(load, 0, 0, 4), (jump, 1, 0, architecture), (end, 0, 0, refuse | errno.ENOSYS)]
    program += [(load, 0, 0, 0), (at_least, 0, 1, 1 << 30), (end, 0, 0, refuse | errno.ENOSYS)]  # calls of 32 bits
    for call in never:
        program += [(jump, 0, 1, call), (end, 0, 0, refuse | errno.ENOSYS)]
    # Call, argument, bits, error: a larger send buffer is not refused, since libraries may ask, but not given either.
    for call, argument, bits, error in (
        (mmap, 3, _SHARED_ANONYMOUS, errno.ENOSYS),
        (clone, 0, _NEW_USER, errno.ENOSYS),
        (setsockopt, 2, _SEND_BUFFER, 0),
    ):
        keep = 0xFFFFFFFF if call == setsockopt else bits
        program += [(jump, 0, 5, call), (load, 0, 0, 16 + 8 * argument), (mask, 0, 0, keep), (jump, 0, 1, bits)]
        program += [(end, 0, 0, refuse | error), (load, 0, 0, 0)]
    program.append((end, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    whole = struct.pack("HP", len(program), ctypes.addressof(code))
    _system(_libc.prctl(_SET_SECCOMP, 2, whole, 0, 0), "seccomp")


def _wait_for(child: int) -> None:
    """In the parent, reap processes until `child` ends, then end as it did; in the child, return."""
    while child:
        pid, status = os.wait()
        if pid == child:
            os._exit(abs(os.waitstatus_to_exitcode(status)) & 0xFF)


def _run_kernel(connection: dict[str, Any], edition: str, limits: dict[str, int]) -> NoReturn:
    os.setsid()
    os.nice(5)  # the grader, which watches it, comes first
    _isolate(connection, edition, limits)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, 256)
    os.chdir(os.environ["HOME"])
    from ipykernel.kernelapp import launch_new_instance

    sys.argv = ["ipykernel"]
    launch_new_instance(
        argv=["-f", f"{KERNEL}/connection.json", "--HistoryManager.enabled=False", "--matplotlib=inline"]
    )
    os._exit(0)


def main() -> None:
    """Load the modules named on the command line, then fork one kernel at a time until the socket closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    stream = control.makefile("rw")

    def say(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=stream, flush=True)

    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()  # a collection in a kernel would copy the pages of all that it shares
    # A forked child has only the thread that forked: with others running, a lock of theirs would stay locked.
    say({"ready": len(os.listdir("/proc/self/task")) == 1})
    for line in stream:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                control.close()
                _run_kernel(request["connection"], request["edition"], request["limits"])
            finally:
                os._exit(1)
        say({"pid": child})
        _, status = os.waitpid(child, 0)
        say({"exited": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
