"""Care: somebody may not be well, and people here look sooner. Nothing else follows from it.

Decisions elsewhere ask two things of it: whether a care case is open near a post, and how many are
open about people of a server (MOD-5.9, MOD-5.10). Both only ever make somebody wait and look.
"""

from moderation.care.cases import count_by_host, is_open_near

__all__ = ["count_by_host", "is_open_near"]
