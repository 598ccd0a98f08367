"""Figures that a reader drags, each one Python file and one .js file of the same name."""
