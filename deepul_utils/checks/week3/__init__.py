"""Week 3's questions, one file for each homework notebook."""
