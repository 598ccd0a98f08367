"""Week 1's questions: histograms, mixtures of logistics, a toy autoregressive model.

The grade cell of question `histograms.nll` has the grade_id `histograms-nll`: nbgrader allows no dots there.
"""

from __future__ import annotations
