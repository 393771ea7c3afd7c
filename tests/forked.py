"""What the fork server has made before it forks: pages drawn, and nothing for a collector to move.

A page that a collector looks at is copied for the process that it runs in.
"""

import gc

import tests.faults.victim
import tests.node.processes  # noqa: F401
from kernel.clock import to_month, utcnow
from node.pages import help as help_pages

help_pages.prepare(to_month(utcnow()))
gc.collect()
gc.freeze()
