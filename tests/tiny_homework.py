"""A homework of two questions and a written answer, in which tests of release and grading find their way at once.

Importing it registers the questions, here and in the kernels of the notebooks that it makes.
"""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from deepul_utils.checks import laws
from deepul_utils.checks.question import QUESTIONS, question

WEEK = "week1_sums"

if "sums.double" not in QUESTIONS:

    @question("sums.double", points=2, withholds=("deepul_utils.models.histogram.empirical",))
    def double(student: Any, case: Any, seed: int) -> None:
        for x in (0, 3):
            with case(f"twice {x}"):
                laws.matches(student.double(x), 2 * x)

    @question("sums.half", points=3)
    def half(student: Any, case: Any, seed: int) -> None:
        for x, weight in ((4, 2), (5, 1)):
            with case(f"half of {x}", weight):
                laws.matches(student.half(x), x / 2, causes={"// drops the rest": x // 2})


def _marks(grade_id: str, **marks: Any) -> dict[str, Any]:
    usual = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": usual | {"grade_id": grade_id} | marks}


def _answer(name: str, right: str) -> NotebookNode:
    head = f'def {name}(x: float) -> float:\n    """Return {name} of x."""\n'
    source = f"{head}    ### BEGIN SOLUTION\n    {right}\n    ### END SOLUTION"
    return new_code_cell(source, id=f"{name}-answer", metadata=_marks(f"sums-{name}-answer", solution=True))


def _check(name: str, points: float) -> NotebookNode:
    metadata = _marks(f"sums-{name}", grade=True, locked=True, points=points)
    return new_code_cell(f'checks.run("sums.{name}", globals())', id=f"{name}-check", metadata=metadata)


def solution() -> NotebookNode:
    """The notebook as the instructor writes it."""
    written = _marks("sums-why", grade=True, solution=True, points=1)
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(
        metadata={"kernelspec": kernel},
        cells=[
            new_markdown_cell("# Homework: sums", id="title"),
            new_code_cell("import tiny_homework\n\nfrom deepul_utils import checks", id="imports"),
            new_markdown_cell("## 1. Double", id="double"),
            _answer("double", "return 2 * x"),
            _check("double", 2),
            new_markdown_cell("## 2. Half", id="half"),
            _answer("half", "return x / 2"),
            _check("half", 3),
            new_markdown_cell("Because two halves make a whole.", id="why", metadata=written),
            new_code_cell('checks.hand_in("sums", globals())', id="hand-in"),
        ],
    )
