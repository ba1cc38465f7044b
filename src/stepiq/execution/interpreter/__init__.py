"""Interprets definitions: walks through their steps, and writes down what came of each."""
