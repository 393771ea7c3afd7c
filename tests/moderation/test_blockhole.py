"""FediBlockHole's configuration becomes lists; what cannot be said here is said (MOD-3.4)."""

import pytest

from kernel.errors import Malformed
from kernel.schema.moderation import Level
from moderation.lists import blockhole

CONFIG = b"""
blocklist_instance_sources = [
  { domain = 'open.example' },
  { domain = 'closed.example', token = 'secret' },
]
blocklist_url_sources = [
  { url = 'https://lists.example/a.csv', format = 'csv', max_severity = 'silence' },
  { url = 'https://lists.example/a.csv' },
  { url = 'file:///srv/b.csv', format = 'csv' },
  { url = 'https://lists.example/c.csv', format = 'rapidblock.csv' },
  { url = 'https://lists.example/d.csv', max_severity = 'nuke' },
]
allowlist_url_sources = [ { url = 'https://lists.example/allow.csv', format = 'csv' } ]
blocklist_instance_destinations = [
  { domain = 'mine.example', token = 't', max_followed_severity = 'silence' },
]
allow_domains = ['kind.example']
mergeplan = 'max'
merge_threshold = 3
savedir = '/tmp'
shiny_new_option = true
"""


def test_mod_3_4_its_sources_become_lists_and_the_rest_is_named() -> None:
    plan = blockhole.read(CONFIG)
    assert [(each.url, each.max_level) for each in plan.lists] == [
        ("https://lists.example/a.csv", Level.FILTER),
        ("https://open.example/api/v1/instance/domain_blocks", Level.REJECT),
    ]
    assert plan.spared == ["https://lists.example/allow.csv"]
    assert plan.spared_domains == ["kind.example"]
    said = "\n".join(plan.unsaid)
    for word in (
        "closed.example", "file:///srv/b.csv", "rapidblock.csv", "nuke", "mergeplan max",
        "merge_threshold", "blocklist_instance_destinations", "max_followed_severity",
        "shiny_new_option",
    ):  # fmt: skip
        assert said.count(word) >= 1, word
    assert len(plan.unsaid) == 9
    assert "secret" not in said
    assert "savedir" not in said


def test_mod_3_4_what_is_switched_off_there_is_not_followed() -> None:
    off = b"no_fetch_url = true\nno_fetch_instance = true\nmergeplan = 'min'\n"
    plan = blockhole.read(off + CONFIG.replace(b"mergeplan = 'max'\n", b""))
    assert plan.lists == []
    assert "mergeplan" not in "\n".join(plan.unsaid)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"a = 1", b"blocklist_url_sources = 1", b"x" * (blockhole.MAX_CONFIG + 1),
        b"blocklist_url_sources = ['https://lists.example/a.csv']", b"#domain\nbad.example",
        b"blocklist_url_sources = " + b"[" * 5_000,
    ],
)  # fmt: skip
def test_mod_3_4_what_is_no_such_file_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        blockhole.read(body)
