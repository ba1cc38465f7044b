"""A YAML 1.2 reader for definitions: every part has its place, and what JSON data cannot express is refused.

`docs/decisions/0020-a-yaml-reader-of-our-own.md` says why no library is used.
"""
