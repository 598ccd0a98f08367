"""Week 4's questions, one file for each homework notebook."""

__all__: list[str] = []
