"""What a post from elsewhere is besides its text, put into words: so it is shown everywhere.

An event's time and place, an article's teaser and where it was published, a quoted post as a plain
link (WIRE 8.2, 8.6, 8.8). All of it goes into the post's HTML, and goes with it.
"""

import html
import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from activitypub import care, documents
from activitypub.notes import MAX_HTML, Note
from activitypub.parts import Event
from groups.parts import Parts
from kernel import text

TITLE_FROM_TEXT = 100  # letters of a first line that make a title (WIRE-in-1)
_MAX_TEASER = 1_000
_ELSEWHERE = {
    "Article": "Read it where it was published",
    "Event": "See it where it was announced",
    "Video": "Watch it where it was published",
    "Audio": "Listen to it where it was published",
}
_MENTIONS = re.compile(r"^(?:@[\w.-]+(?:@[\w.:-]+)?[\s:,]*)+")


def title_of(note: Note, summary: str) -> str:
    """The name a thread came with, or its first line without whom it names (WIRE-in-1)."""
    if note.title:
        return note.title.removeprefix(f"[CW: {summary}]").strip() or note.title
    line = text.plain(note.content, 2 * TITLE_FROM_TEXT, first_line=True)
    words = _MENTIONS.sub("", line) or _MENTIONS.sub("", text.plain(note.content, 1000))
    if len(words) > TITLE_FROM_TEXT:
        words = words[: TITLE_FROM_TEXT - 1].rstrip() + "…"
    return words or "A post without words"


def content_of(note: Note, title: str) -> str:
    """Its HTML with all that belongs to it; not clean yet."""
    content = note.content.removeprefix(documents.heading(title))
    if note.wish is not None:
        content = care.without_closing(content)  # pages say it themselves (DOM-A8)
    before, after = _before(note), _after(note, content)
    if not before and not after:
        return content
    return before + content[: MAX_HTML - len(before) - len(after)] + after


def parts_of(note: Note) -> Parts:
    """What is kept beside the words."""
    return Parts(hashtags=note.hashtags, attachments=note.attachments, poll=note.poll)


def _before(note: Note) -> str:
    teaser = text.plain(note.teaser, _MAX_TEASER)
    if teaser and text.plain(note.content, _MAX_TEASER).startswith(teaser.rstrip("…")):
        teaser = ""
    about = _about(note.event) if note.event else ""
    return about + (f"<p><em>{html.escape(teaser)}</em></p>" if teaser else "")


def _after(note: Note, content: str) -> str:
    after = ""
    if note.quoted and html.escape(note.quoted) not in content and note.quoted not in content:
        after = f"<p>It is about another post: {_link(note.quoted, note.quoted)}</p>"
    if words := _ELSEWHERE.get(note.kind):
        after += f"<p>{_link(note.url or note.id, words)}</p>"
    return after


def _link(url: str, words: str) -> str:
    return f'<a href="{html.escape(url)}">{html.escape(words)}</a>'


def _about(event: Event) -> str:
    lines = []
    if event.called_off:
        lines.append("<strong>This event was called off.</strong>")
    if event.starts:
        when = html.escape(_when(event.starts, event.ends, event.timezone))
        lines.append(f"<strong>When:</strong> {when}")
    if event.places:
        where = "; ".join(map(_place, event.places))
        lines.append(f"<strong>Where:</strong> {where}")
    return f"<p>{'<br>'.join(lines)}</p>" if lines else ""


def _place(place: str) -> str:
    is_address = place.startswith(("https://", "http://")) and " " not in place
    return _link(place, place) if is_address else html.escape(place)


def _when(starts: datetime, ends: datetime | None, timezone: str) -> str:
    """`Tuesday 3 February 2026, 18:00 to 19:00 (Europe/Berlin)`."""
    zone = _zone(timezone)
    start, end = starts.astimezone(zone), ends.astimezone(zone) if ends else None
    words = _day(start) + f", {start:%H:%M}"
    if end and end.date() != start.date():
        words += f" to {_day(end)}, {end:%H:%M}"
    elif end and end != start:
        words += f" to {end:%H:%M}"
    return f"{words} ({zone})"


def _day(moment: datetime) -> str:
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def _zone(name: str) -> tzinfo:
    """The time zone of that name; UTC where there is none of it."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, LookupError):
        return UTC
