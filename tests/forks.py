"""A fork server that has everything imported, so that a process of ours costs a fork.

Importing the node takes seconds, and hundreds of tests start commands or a second process of it.
"""

import multiprocessing
from typing import Final

FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.forked"])
