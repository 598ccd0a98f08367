"""Laws and the checks of the homework: `checks.run("histograms.nll", globals())` in a notebook."""

from deepul_utils.checks import week1 as week1
from deepul_utils.checks import week2 as week2
from deepul_utils.checks import week3 as week3
from deepul_utils.checks import week4 as week4
from deepul_utils.checks.question import QUESTIONS, Outcome, run
from deepul_utils.checks.summary import HandIn, hand_in

__all__ = ["QUESTIONS", "HandIn", "Outcome", "hand_in", "run"]
