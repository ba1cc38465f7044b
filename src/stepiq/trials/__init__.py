"""Tests of pipelines: their files, and the comparison of a run with what they expect."""
