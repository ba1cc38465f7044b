"""A YAML 1.2 parser for definitions. It records the place of every part and refuses what JSON cannot represent.

`docs/decisions/0014-a-yaml-reader-of-our-own.md` explains why no library is used.
"""
