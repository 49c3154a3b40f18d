"""The YAML files that people write for us (lifecycles, stories, campaigns): every fault of one at once, with its place.

YAML 1.2 through ruamel.yaml, so `on` and `yes` are text.
"""
