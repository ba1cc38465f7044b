"""Pipeline tests: test files, and the comparison of runs with expected results."""
