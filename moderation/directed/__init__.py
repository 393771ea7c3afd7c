"""What one moderators' desk asks another one, and hears of it (MOD-5.4)."""

from kernel.schema.directed import Category, Urgency
from moderation.directed.answering import answer
from moderation.directed.asking import send
from moderation.directed.terms import Answer, Reason, Refused, Result

__all__ = ["Answer", "Category", "Reason", "Refused", "Result", "Urgency", "answer", "send"]
