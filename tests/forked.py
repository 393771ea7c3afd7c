"""What the fork server has made before it forks: pages drawn, and nothing for a collector to move.

A page that a collector looks at is copied for the process that it runs in.
"""

import gc

import tests.faults.victim
import tests.node.processes  # noqa: F401
from node.pages import help as help_pages

help_pages.prepare()
gc.collect()
gc.freeze()
