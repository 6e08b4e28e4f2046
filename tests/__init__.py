"""The eight suites, a file a step; `python -m grader NN` runs them."""
