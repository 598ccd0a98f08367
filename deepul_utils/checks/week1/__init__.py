"""Week 1's questions, one file for each homework notebook.

The grade cell of question `histograms.nll` has the grade_id `histograms-nll`: nbgrader allows no dots there.
"""

from deepul_utils.checks.week1 import histograms, mixture_of_logistics, toy_autoregressive

__all__ = ["histograms", "mixture_of_logistics", "toy_autoregressive"]
