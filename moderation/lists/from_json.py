"""Lists as JSON: Mastodon's and GoToSocial's, RapidBlock's, Fediseer's, and FIRES snapshots."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kernel.errors import Malformed
from kernel.said import noted
from kernel.schema.moderation import Level
from moderation.lists.entry import FIRES_POLICIES, Format
from moderation.lists.rows import Odd, Rows, by_severity, words
from moderation.policy import Policy

_NOT_JSON: Final = noted("That JSON cannot be read.")
_UNKNOWN: Final = noted("That JSON is no list of domains that we know.")
_CHANGES: Final = noted("That is a page of changes. Name the snapshot of the dataset.")
_NO_ROW: Final = noted("That is no row of such a list.")
_UNSAID: Final = noted("It does not say that anything is to be done.")
_ABOUT: Final = noted("It is not about a domain.")
_POLICY: Final = noted("We do not know that policy, and do not guess.")
_OPINION: Final = noted("It does not say what is thought of it.")

_OPINIONS: Final = (  # what Fediseer's members say of a server (MOD-3.7)
    ("censure", "censured"),
    ("hesitation", "hesitated about"),
    ("endorsement", "endorsed"),
)


def read(text: str) -> Rows:
    """Raises Malformed: it is no JSON, or none that we know. Raises TooLarge."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(_NOT_JSON) from error
    if isinstance(document, list):
        return _blocks(document)
    if isinstance(document.get("blocks"), dict):
        return _rapidblock(document["blocks"])
    if isinstance(document.get("instances"), list):
        return _fediseer(document["instances"])
    if document.get("type") == "OrderedCollectionPage":
        raise Malformed(_CHANGES)
    if document.get("type") == "Collection" and isinstance(document.get("orderedItems"), list):
        return _fires(document["orderedItems"])
    raise Malformed(_UNKNOWN)


def _blocks(items: Sequence[Any]) -> Rows:
    """Mastodon's have a severity. GoToSocial's say when, or have comments (MOD-3.2, MOD-3.3).

    What GoToSocial gives out beside them are servers it merely knows: these have a bare name.
    """
    rows_of = [item for item in items if isinstance(item, dict)]
    mastodon = any("severity" in item for item in rows_of)
    dated = any(item.get("suspended_at") for item in rows_of)
    commented = any("public_comment" in item or "comment" in item for item in rows_of)
    rows = Rows(Format.MASTODON_JSON if mastodon else Format.GOTOSOCIAL_JSON)
    for place, item in enumerate(items, 1):
        rows.count()
        if not isinstance(item, dict) or not isinstance(item.get("domain"), str):
            rows.refuse(place, item, _NO_ROW)
            continue
        said = item.get("suspended_at") if dated else commented
        try:
            if "severity" in item:
                policy = by_severity(
                    str(item["severity"]),
                    media=item.get("reject_media"),
                    reports=item.get("reject_reports"),
                )
            elif said and not mastodon:
                policy = Policy(Level.REJECT)
            else:
                raise Odd(_UNSAID)
            rows.add(
                item["domain"],
                policy,
                comment=item.get("public_comment") or item.get("comment"),
                private=item.get("private_comment"),
                obfuscate=item.get("obfuscate"),
            )
        except Odd as error:
            rows.refuse(place, item["domain"], str(error))
    return rows


def _rapidblock(blocks: Mapping[str, Any]) -> Rows:
    rows = Rows(Format.RAPIDBLOCK)
    for place, (domain, block) in enumerate(blocks.items(), 1):
        rows.count()
        decided = block.get("isBlocked") if isinstance(block, dict) else None
        if decided is False:
            continue
        try:
            if decided is not True:
                raise Odd(_UNSAID)
            rows.add(domain, Policy(Level.REJECT), comment=block.get("reason"))
        except Odd as error:
            rows.refuse(place, domain, str(error))
    return rows


def _fediseer(instances: Sequence[Any]) -> Rows:
    """Opinions, which become notes: nothing is done because of them (MOD-3.7)."""
    rows = Rows(Format.FEDISEER)
    for place, item in enumerate(instances, 1):
        rows.count()
        if not isinstance(item, dict) or not isinstance(item.get("domain"), str):
            rows.refuse(place, item, _NO_ROW)
            continue
        try:
            rows.add(item["domain"], Policy(Level.NOTE), comment=_opinion(item))
        except Odd as error:
            rows.refuse(place, item["domain"], str(error))
    return rows


def _opinion(item: Mapping[str, Any]) -> str:
    for word, verb in _OPINIONS:
        reasons = item.get(f"{word}_reasons")
        if isinstance(reasons, list):
            named = ", ".join(words(reason) for reason in reasons[:20] if isinstance(reason, str))
            return f"Fediseer: {verb} ({named})" if named else f"Fediseer: {verb}"
    raise Odd(_OPINION)


def _fires(items: Sequence[Any]) -> Rows:
    """The last word about each domain (MOD-3.6). What was taken back says nothing any more."""
    rows = Rows(Format.FIRES)
    for place, item in enumerate(items, 1):
        rows.count()
        if not isinstance(item, dict):
            rows.refuse(place, item, _NO_ROW)
            continue
        kind, about = str(item.get("type")), item.get("entityKey")
        if kind in ("Retraction", "Tombstone"):
            continue
        try:
            if str(item.get("entityKind")).lower() != "domain":
                raise Odd(_ABOUT)
            rows.add(about, _advised(kind, item), comment=_labels(item))
        except Odd as error:
            rows.refuse(place, about, str(error))
    return rows


def _advised(kind: str, item: Mapping[str, Any]) -> Policy:
    """Raises Odd: no policy that we know is advised."""
    filters = item.get("recommendedFilters")
    named = [str(each).rpartition("/")[2] for each in filters] if isinstance(filters, list) else []
    flags = "reject-media" in named, "reject-reports" in named
    if kind == "Advisory":
        return Policy(Level.NOTE)
    level = FIRES_POLICIES.get(str(item.get("recommendedPolicy")).lower())
    if kind != "Recommendation" or level is None:
        raise Odd(_POLICY)
    return Policy(level) if level is Level.ACCEPT else Policy(level, *flags)


def _labels(item: Mapping[str, Any]) -> str:
    labels = item.get("labels")
    named = [str(each).rpartition("/")[2] for each in labels] if isinstance(labels, list) else []
    return words(item.get("summary")) or ", ".join(words(name) for name in named[:20])
