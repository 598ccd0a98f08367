"""The first process of a container: keeps a kernel, ends with it, and with the grader, whose end closes its input.

Its source is handed to the container's Python, which has none of the grader. The first line of its input is the
kernel's connection file; it answers with a line as soon as the kernel's process is there, and passes SIGINT on to it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

_SET_DUMPABLE = 4
_CONNECTION = "/run/kernel/connection.json"


def main() -> None:
    """Start the kernel and wait for its end."""
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)  # closed to the kernel, which has the same user
    with open(_CONNECTION, "w") as file:
        file.write(sys.stdin.readline())
    options = ["-f", _CONNECTION, "--HistoryManager.enabled=False", "--matplotlib=inline"]
    command = [sys.executable, "-m", "ipykernel_launcher", *options]
    nothing = subprocess.DEVNULL
    kernel = subprocess.Popen(command, cwd=os.environ["HOME"], stdin=nothing, stdout=nothing, stderr=nothing)
    signal.signal(signal.SIGINT, lambda *_: kernel.send_signal(signal.SIGINT))
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print("started", flush=True)
    while os.wait()[0] != kernel.pid:
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
