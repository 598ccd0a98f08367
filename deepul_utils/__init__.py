"""The course book's library: data, models, training, plots, explorables, checks and the grader."""
