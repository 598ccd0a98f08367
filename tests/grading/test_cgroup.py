"""Control groups; what they hold processes to is tested with the sandbox."""

import os
import subprocess
import sys

from deepul_utils.grading import cgroup


def test_groups_of_graders_that_were_killed_are_removed(tmp_path, monkeypatch):
    (tmp_path / "cgroup.controllers").touch()
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        pass
    dead, alive = tmp_path / f"deepul-{killed.pid}-0a", tmp_path / f"deepul-{os.getpid()}-0b"
    another = tmp_path / "deepul-of-another"
    for folder in (dead, alive, another):
        folder.mkdir()
    [made] = cgroup.make(processes=1, memory=1 << 20)
    assert not dead.exists()
    assert alive.exists()
    assert another.exists()
    assert made.exists()
