"""The command `deepul`: what a reader, a student and an instructor of the course type."""

from deepul_utils.cli import author, instructor, student
from deepul_utils.cli.terminal import app

__all__ = ["app", "author", "instructor", "student"]
