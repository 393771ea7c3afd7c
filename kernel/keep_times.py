"""How long things are kept: every timer takes its number from here, and so does the page of it.

`node/data_map.py` says of each what it is about; `/about/kept` prints that (DOM-I5).
"""

from datetime import timedelta
from typing import Final

SESSION: Final = timedelta(weeks=3)
LEAVING_FROM: Final = timedelta(days=1)
LEAVING_UNTIL: Final = timedelta(days=14)
EARLIER_WORDS: Final = timedelta(days=30)
NOTICE: Final = timedelta(days=60)
CHECK_IN: Final = timedelta(days=28)
ONE_THREAD: Final = timedelta(days=90)  # a persona made for one thread, after its last answer
SILENT: Final = timedelta(days=730)  # any other persona, after its last post
MESSAGE: Final = timedelta(days=180)  # between two
ASKED: Final = timedelta(days=30)  # that somebody would like to write to a persona
UNSENT: Final = timedelta(days=30)  # what did not go out, or was taken back
DRAFT: Final = timedelta(days=180)  # since it was last changed
DRAFT_PICTURE: Final = timedelta(days=1)
ACTIVITY: Final = timedelta(days=365)
DELIVERY: Final = timedelta(days=30)  # a server that was away longer hears no more of it
VOTE: Final = timedelta(days=2)  # then it is not sent any more (WIRE 6.3)
RECEIPT: Final = DELIVERY  # what came of a name's last word, while that is still being sent
SEEN_ID: Final = timedelta(days=30)  # WIRE-Q2 asks for a week
BURIED: Final = timedelta(days=30)
STRANGER: Final = timedelta(days=30)  # since their document was last read
DECIDED: Final = timedelta(days=60)  # what tells whoever decided from others (MOD-5.12)
APPEAL: Final = timedelta(days=30)  # once it was answered
UNANSWERED_APPEAL: Final = timedelta(days=180)
CASE_WORDS: Final = timedelta(days=30)  # after something was taken away: time to ask about it
CASE: Final = timedelta(days=365)  # what came of it, without words
CARE: Final = timedelta(days=7)  # after it is over; then it is a number (MOD-5.14)
LOOKED: Final = timedelta(days=30)  # that a moderator looked at a post (DOM-D11)
CONSENT: Final = timedelta(days=365)  # to speak openly; then a name is asked again (DOM-A5)
SIGNAL: Final = timedelta(days=180)  # advice of another node, after its last day
SEVERED: Final = timedelta(days=90)  # what a decision about a server cut (MOD-5.10)
ASKED_PEER: Final = timedelta(days=60)  # what another desk was asked, or asked us, once it is over
