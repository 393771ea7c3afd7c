"""FediBlockHole's configuration, read as lists that this node may follow (MOD-3.4).

Nothing is followed here. What its file says and this node does otherwise, or not at all, is named
in plain words, so that nobody believes it was taken over.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kernel.errors import Malformed
from kernel.schema.moderation import Level
from moderation.lists.entry import SEVERITIES
from moderation.lists.sources import MAX_NAME

MAX_CONFIG: Final = 256 * 1024  # bytes

_FORMATS: Final = frozenset(
    {"csv", "mastodon_csv", "json", "mastodon_api_public", "rapidblock.json", "fires"}
)
_THEIRS: Final = frozenset(
    {
        "save_intermediate", "savedir", "blocklist_savefile", "blocklist_auditfile",
        "no_push_instance", "no_fetch_url", "no_fetch_instance", "import_fields", "export_fields",
        "dryrun", "loglevel",
    }
)  # fmt: skip
"""How that program runs; it means nothing for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A list that the file names, and how far it may go."""

    url: str
    max_level: Level = Level.REJECT

    @property
    def name(self) -> str:
        """What the list may be called: its address without what all begin with."""
        return self.url.removeprefix("https://")[:MAX_NAME]


@dataclass(slots=True)
class Plan:
    """What such a file asks for. `spared` are allowlists; `unsaid` is what we do not, and why."""

    lists: list[Wanted] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)
    spared_domains: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)


def read(body: bytes) -> Plan:
    """Raises Malformed: it is no TOML, or no such configuration."""
    try:
        config = tomllib.loads(body[: MAX_CONFIG + 1].decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed("That is no configuration of FediBlockHole.") from error
    if len(body) > MAX_CONFIG or not any(key.endswith("_sources") for key in config):
        raise Malformed("That is no configuration of FediBlockHole.")
    plan = Plan()
    if not config.get("no_fetch_url"):
        _of_addresses(plan, _tables(config, "blocklist_url_sources"))
    if not config.get("no_fetch_instance"):
        _of_servers(plan, _tables(config, "blocklist_instance_sources"))
    _allowed(plan, config)
    _merging(plan, config)
    _pushing(plan, config)
    for key in sorted(config.keys() - _KNOWN - _THEIRS):
        plan.unsaid.append(f"{key[:60]}: nothing here is like it.")
    return plan


def _tables(config: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = config.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Malformed(f"{key} is no list of sources.")
    return found


def _text(source: Mapping[str, Any], key: str) -> str:
    return str(source.get(key, "")).strip()


def _of_addresses(plan: Plan, given: Sequence[Mapping[str, Any]]) -> None:
    for source in given:
        url, kind = _text(source, "url"), _text(source, "format") or "csv"
        if not url.startswith("https://"):
            plan.unsaid.append(
                f"{url[:200]}: only addresses with https are followed. Bring a file with "
                "`hearthold blocklist import`."
            )
        elif kind not in _FORMATS:
            plan.unsaid.append(f"{url[:200]}: its format {kind[:40]} is not read here.")
        else:
            _want(plan, url, source)


def _of_servers(plan: Plan, given: Sequence[Mapping[str, Any]]) -> None:
    for source in given:
        domain = _text(source, "domain")
        if source.get("token") or source.get("token_env_var") or source.get("admin"):
            plan.unsaid.append(
                f"{domain[:200]}: its list needs a token. Only lists that everybody may read are "
                "followed."
            )
        else:
            _want(plan, f"https://{domain}/api/v1/instance/domain_blocks", source)


def _want(plan: Plan, url: str, source: Mapping[str, Any]) -> None:
    severity = _text(source, "max_severity").lower() or "suspend"
    level = SEVERITIES.get(severity)
    if level is None:
        plan.unsaid.append(f"{url[:200]}: max_severity {severity[:40]} is not known.")
    elif all(each.url != url for each in plan.lists):
        plan.lists.append(Wanted(url=url, max_level=level))


def _allowed(plan: Plan, config: Mapping[str, Any]) -> None:
    for source in _tables(config, "allowlist_url_sources"):
        url = _text(source, "url")
        if url.startswith("https://"):
            plan.spared.append(url)
        else:
            plan.unsaid.append(f"{url[:200]}: only allowlists with https are read.")
    names = config.get("allow_domains", [])
    plan.spared_domains += [str(each) for each in names if isinstance(each, str)]


def _merging(plan: Plan, config: Mapping[str, Any]) -> None:
    if str(config.get("mergeplan", "max")) != "min":
        plan.unsaid.append(
            "mergeplan max: where lists differ, the mildest counts here, not the harshest."
        )
    if config.get("merge_threshold"):
        plan.unsaid.append(
            "merge_threshold: here a row counts as soon as you agreed to one list that has it, "
            "however many others do."
        )


def _pushing(plan: Plan, config: Mapping[str, Any]) -> None:
    destinations = _tables(config, "blocklist_instance_destinations")
    if destinations:
        plan.unsaid.append(
            "blocklist_instance_destinations: this node changes no other one. Others may read its "
            "list."
        )
    if any("max_followed_severity" in each for each in destinations):
        plan.unsaid.append(
            "max_followed_severity: here every row that would cut somebody off waits for a person."
        )
    if config.get("override_private_comment"):
        plan.unsaid.append("override_private_comment: the name of the list stands beside its rows.")


_KNOWN: Final = frozenset(
    {
        "blocklist_url_sources", "blocklist_instance_sources", "allowlist_url_sources",
        "allow_domains", "mergeplan", "merge_threshold", "merge_threshold_type",
        "blocklist_instance_destinations", "override_private_comment",
    }
)  # fmt: skip
