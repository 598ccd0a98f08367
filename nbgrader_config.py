# What nbgrader's own commands and formgrader use when they start here: the same as `deepul grade`.
from pathlib import Path

from deepul_utils.grading.settings import settings

c = get_config()  # noqa: F821
c.merge(settings(Path(__file__).parent))
