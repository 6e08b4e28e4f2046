"""Wiring only: with it the suites are graded by whoever runs pytest on them, an editor for example."""

pytest_plugins = ("grader.plain",)
