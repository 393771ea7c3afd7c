"""Care: somebody may not be well, and people here look sooner. Nothing else follows from it.

Decisions elsewhere ask one thing of it: whether a care case is open near a post (MOD-5.9). That
only ever makes somebody wait and look.
"""

from moderation.care.cases import is_open_near

__all__ = ["is_open_near"]
