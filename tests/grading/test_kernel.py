"""A kernel survives what students write, and says how each cell ended."""

import time

import numpy as np
import psutil
import pytest
import torch

from deepul_utils.checks.student import Student, StudentFailed
from deepul_utils.grading import kernel
from deepul_utils.grading.kernel import GRACE, PATIENCE, Kernel, LocalProcess, is_late


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    with Kernel(LocalProcess(tmp_path_factory.mktemp("folder"), "autograde")) as kernel:
        yield kernel


def test_state_is_kept_from_cell_to_cell(python):
    assert python.run("x = 3", 10).outputs == []
    run = python.run("x + 1", 10)
    assert run.data("text/plain") == "4"
    assert run.error == run.stopped == ""


def test_streams_are_joined_in_order(python):
    run = python.run(
        "import sys\nfor i in range(3): print(i, flush=True)\nprint('oh', file=sys.stderr, flush=True)\nprint(3)", 10
    )
    assert [(o.name, o.text) for o in run.outputs] == [("stdout", "0\n1\n2\n"), ("stderr", "oh\n"), ("stdout", "3\n")]


def test_an_exception_is_the_error_and_the_next_cell_runs(python):
    run = python.run("print('before')\n1 / 0", 10)
    assert run.error == "ZeroDivisionError: division by zero"
    assert run.outputs[0].text == "before\n"
    assert python.run("1", 10).data("text/plain") == "1"


def test_a_syntax_error_is_an_error(python):
    assert python.run("def f(:\n  pass", 10).error.startswith("SyntaxError: ")


def test_it_runs_in_its_folder_and_can_tell_that_it_is_graded(python):
    assert python.run("import os; os.environ['NBGRADER_EXECUTION']", 10).data("text/plain") == "'autograde'"
    assert "folder" in python.run("os.getcwd()", 10).data("text/plain")


def test_nobody_types(python):
    assert "StdinNotImplementedError" in python.run("input('your name')", 10).error


def test_it_counts_what_was_computed(python):
    before = python.computed
    python.run("import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass", 10)
    python.run("time.sleep(0.1)", 10)  # looks again
    assert 0.25 < python.computed - before < 3


def test_an_endless_loop_is_interrupted_and_the_state_stays(python):
    python.run("kept = 7", 10)
    run = python.run("print('on my way')\nwhile True: pass", 0.5)
    assert run.stopped == "took longer than 0.5 seconds"
    assert [o.output_type for o in run.outputs] == ["stream"]
    assert python.run("kept", 10).data("text/plain") == "7"


def test_code_is_late_when_it_has_computed_too_long_or_sleeps():
    """Code that shares the machine with others is not late before it has waited `PATIENCE` times as long."""
    limit = 60
    assert is_late(limit, limit, limit)
    assert not is_late(limit + GRACE + 1, limit / 2, limit)
    assert not is_late(PATIENCE * limit - 1, limit / 2, limit)
    assert is_late(PATIENCE * limit, limit / 2, limit)
    assert is_late(limit + GRACE + 1, 0.1, limit)
    assert not is_late(limit, 0.1, limit)


def test_seconds_are_those_of_computing(python):
    assert python.run("import time; time.sleep(0.8)", 0.5).stopped == ""
    began = time.monotonic()
    assert python.run("time.sleep(60)", 0.3).stopped == "took longer than 0.3 seconds"
    assert time.monotonic() - began < 30


def test_endless_printing_is_cut_and_stopped(tmp_path):
    """With what else it printed, the process may go: no more than `MESSAGE_LIMIT` crosses the wire at once."""
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        run = python.run("while True: print('x' * 1000)", 1)
    assert run.stopped
    assert sum(len(o.text) for o in run.outputs) < kernel.OUTPUT_LIMIT + 1000


def test_what_comes_after_a_flood_is_still_the_result(python):
    run = python.run("print('x' * 1_000_000)\n42", 10)
    assert run.outputs[0].text.endswith("... more was printed than a grader keeps ...\n")
    assert run.data("text/plain") == "42"


@pytest.mark.parametrize(
    "shows",
    [
        "print('x' * 12_000_000)",
        "from IPython.display import HTML; display(HTML('x' * 12_000_000))",
        "'x' * 12_000_000",
        "shown = display('', display_id=True); shown.update('x' * 12_000_000)",
    ],
)
def test_what_is_too_large_to_be_shown_is_not_sent_and_the_next_cell_runs(tmp_path, monkeypatch, shows):
    """A connection over which more comes is closed, and opened no more."""
    monkeypatch.setattr(kernel, "MESSAGE_LIMIT", 10_000_000)
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        run = python.run(f"kept = 7\n{shows}", 20)
        assert (run.stopped, run.outputs[-1].text) == ("", "... more was printed than a grader keeps ...\n")
        assert python.run("kept", 10).data("text/plain") == "7"


def test_messages_that_nobody_takes_wait_in_the_kernels_memory(tmp_path):
    flood = """
session = get_ipython().kernel.session
socket, parent = get_ipython().kernel.iopub_socket, get_ipython().kernel.get_parent()
for _ in range(100):
    session.send(socket, "status", {"text": "x" * (4 << 20)}, parent=parent)
done = True
"""
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        before = psutil.Process().memory_info().rss
        request = python._execute(flood)
        while python._client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
            pass
        time.sleep(1)
        assert psutil.Process().memory_info().rss - before < 150 << 20
        assert python.run("print(done)", 30).outputs[0].text == "True\n"


def test_an_error_too_large_to_be_shown_is_still_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "MESSAGE_LIMIT", 10_000_000)
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        assert python.run("raise ValueError('x' * 12_000_000)", 20).error == f"ValueError: {'x' * 1000}"
        assert python.run("1", 10).data("text/plain") == "1"


def test_a_cell_that_will_not_stop_ends_its_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "GRACE", 1.0)
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        stubborn = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
        assert python.run(stubborn, 0.5).stopped == "took longer than 0.5 seconds"
        assert not python.alive


@pytest.mark.parametrize("end", ["import os; os._exit(0)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_cell_that_ends_python_is_said(tmp_path, end):
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        assert python.run(f"print('bye', flush=True); {end}", 10).stopped == "ended the Python that ran it"
        assert not python.alive


def test_functions_are_asked_and_answer_plainly(python):
    python.run(
        "import numpy as np\ndef double(x): print('hm'); return 2 * x\ndef stub(x): raise NotImplementedError()", 10
    )
    student = Student(lambda *request: python.ask(*request, timeout=10))
    np.testing.assert_array_equal(student.double(np.arange(3)), [0, 2, 4])
    assert student.double(x="ab") == "abab"
    assert len(student.double("x" * 3_000_000)) == 6_000_000
    with pytest.raises(StudentFailed, match="`stub` is not answered yet"):
        student.stub(1)
    python.run("import torch; Linear = torch.nn.Linear", 60)
    layer = student.Linear(2, 3)
    assert layer(torch.zeros(5, 2)).shape == (5, 3)
    assert layer.weight.shape == (3, 2)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("\n    while True: pass", "`f` took longer than 1 seconds"),
        ("import os; os._exit(1)", "`f` ended the Python that ran it"),
        ("return bytearray(6_000_000).hex()", "`f` gave no answer, or one larger than a check takes"),
        (
            "import deepul_utils.checks.desk as d; d.dumps = lambda x: 'nonsense'",
            "`f` gave no answer that could be read",
        ),
        ("import json; json.dumps = None; return 1", "`f` took longer than 1 seconds"),  # Jupyter needs it, too
    ],
)
def test_a_call_that_gives_no_answer_is_said(tmp_path, monkeypatch, body, why):
    monkeypatch.setattr(kernel, "GRACE", 1.0)
    monkeypatch.setattr(kernel, "MESSAGE_LIMIT", 10_000_000)
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        python.run("import deepul_utils.checks.desk", 60)
        python.run(f"def f(): {body}", 60)
        with pytest.raises(StudentFailed, match=why):
            python.ask(None, "f", (), {}, timeout=1)


@pytest.mark.parametrize(
    "breaks",
    [
        "def reply(*args, **kwargs): return {'large': 'x' * 20_000_000}\nget_ipython().kernel.do_execute = reply",
        "get_ipython().displayhook = None",
    ],
)
def test_a_cell_after_which_nothing_is_answered_ends_its_kernel(tmp_path, monkeypatch, breaks):
    monkeypatch.setattr(kernel, "GRACE", 1.0)
    monkeypatch.setattr(kernel, "MESSAGE_LIMIT", 10_000_000)
    with Kernel(LocalProcess(tmp_path, "autograde")) as python:
        assert python.run(breaks, 1).stopped == "broke the Python that ran it"
        assert not python.alive
