"""How other servers find us (WIRE 5)."""

import json
import re
from datetime import timedelta
from typing import Any

from groups.groups import Group, GroupSettings
from kernel.schema.actors import ActorState
from kernel.schema.groups import Posts, Sees
from kernel.schema.tables import actors
from members import node as node_store
from moderation.standing import Speaker
from tests.nodes import Node
from tests.wire.world import ask

FINGER = "/.well-known/webfinger"


async def _finger(alder: Node, resource: str) -> dict[str, Any]:
    answer = await ask(alder, f"{FINGER}?resource={resource}")
    assert answer.status == 200, resource
    assert answer.headers["Content-Type"] == "application/jrd+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_wire_D1_D3_a_name_leads_to_one_actor_of_the_kind_it_says(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    for name, uri, kind in (
        ("ana", ana.actor.uri, "Person"),
        ("sleep", sleep.actor.uri, "Group"),
        ("sleep_desk", f"{alder.origin}/desk/sleep", "Service"),
        ("node_desk", f"{alder.origin}/desk/node", "Service"),
        ("alder.test", f"{alder.origin}/", "Application"),
    ):
        found = await _finger(alder, f"acct:{name}@alder.test")
        assert found["subject"] == f"acct:{name}@alder.test"
        assert found["aliases"] == [uri]
        (self_link,) = [link for link in found["links"] if link["rel"] == "self"]
        assert self_link["type"] == "application/activity+json"
        assert self_link["href"] == uri
        assert list(self_link["properties"].values()) == [kind]

        document = json.loads((await ask(alder, uri.removeprefix(alder.origin))).body)
        assert document["id"] == uri  # and the way back
        assert document["webfinger"] == f"{name}@alder.test"
        assert document["type"] == kind


async def test_wire_D2_every_way_of_asking_is_understood(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    expected = await _finger(alder, "acct:sleep@alder.test")
    for resource in (
        "sleep@alder.test",
        "acct:SLEEP@ALDER.TEST",
        "acct:%40sleep@alder.test",
        "acct%3Asleep%40alder.test",
        "http://alder.test/g/sleep",
    ):
        assert await _finger(alder, resource) == expected, resource
    instance = await _finger(alder, "acct:alder.test@alder.test")
    assert await _finger(alder, "http://alder.test/") == instance
    assert await _finger(alder, "http://alder.test") == instance
    service = "https://www.w3.org/ns/activitystreams#Service"  # FEP-d556
    assert [each["href"] for each in instance["links"] if each["rel"] == service] == [
        f"{alder.origin}/"
    ]


async def test_wire_D2_who_is_not_here_and_who_is_here_no_more(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    for resource, status in (
        ("", 400),
        ("acct:nobody@alder.test", 404),
        ("acct:sleep@birch.test", 404),
        ("acct:@alder.test", 404),
        ("acct:%00@alder.test", 404),
        ("acct:" + "a" * 3000 + "@alder.test", 404),
        ("https://birch.test/u/ana", 404),
        ("mailto:ana@alder.test", 404),
    ):
        assert (await ask(alder, f"{FINGER}?resource={resource}")).status == status, resource
    assert (await ask(alder, FINGER)).status == 400
    async with alder.engine.begin() as conn:
        await conn.execute(
            actors.update().where(actors.c.id == ana.id).values(state=ActorState.CLOSED)
        )
    for resource in ("acct:ana@alder.test", ana.actor.uri):
        assert (await ask(alder, f"{FINGER}?resource={resource}")).status == 410
    answer = await ask(alder, "/u/ana")
    assert answer.status == 410
    assert json.loads(answer.body)["type"] == "Tombstone"  # WIRE 2.4
    assert b"Ana" not in answer.body


async def test_wire_D4_host_meta_points_at_webfinger(alder: Node) -> None:
    answer = await ask(alder, "/.well-known/host-meta")
    assert answer.headers["Content-Type"].startswith("application/xrd+xml")
    assert b'template="http://alder.test/.well-known/webfinger?resource={uri}"' in answer.body


async def test_wire_D4_host_meta_is_there_in_json_too(alder: Node) -> None:
    expected = {
        "links": [
            {
                "rel": "lrdd",
                "template": "http://alder.test/.well-known/webfinger?resource={uri}",
            }
        ]
    }
    for path, accept in (("host-meta.json", "*/*"), ("host-meta", "application/json")):
        answer = await ask(alder, f"/.well-known/{path}", Accept=accept)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert json.loads(answer.body) == expected


async def test_wire_D5_people_can_begin_here_what_they_saw_elsewhere(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    for name in ("ana", "sleep"):
        found = await _finger(alder, f"acct:{name}@alder.test")
        offered = {link["rel"]: link["template"] for link in found["links"] if "template" in link}
        assert offered == {
            "http://ostatus.org/schema/1.0/subscribe": f"{alder.origin}/interact?uri={{uri}}",
            "https://w3id.org/fep/3b86/Follow": f"{alder.origin}/interact?follow={{object}}",
            "https://w3id.org/fep/3b86/Object": f"{alder.origin}/interact?uri={{object}}",
        }
    page = await ask(alder, "/interact?follow=https%3A%2F%2Fbirch.test%2Fg%2Fx", Accept="text/html")
    assert page.status == 200


async def test_wire_D1_any_website_may_ask_and_may_read_the_refusal(alder: Node) -> None:
    for path in (
        FINGER,
        f"{FINGER}?resource=acct:nobody@alder.test",
        "/.well-known/host-meta",
        "/.well-known/nodeinfo",
        "/nodeinfo/2.1",
    ):
        assert (await ask(alder, path)).headers["Access-Control-Allow-Origin"] == "*", path
    assert "Access-Control-Allow-Origin" not in (await ask(alder, "/g/nobody")).headers


async def test_wire_B8_a_head_request_names_the_document(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    """NodeBB asks so when somebody pastes an address."""
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "More words.")
    for path, uri, status in (
        ("/g/sleep", sleep.actor.uri, 200),
        (f"/t/{root.id}", root.thread_uri, 200),
        (f"/p/{reply.id}", reply.uri, 303),
        ("/u/ana", ana.actor.uri, 200),
        ("/", f"{alder.origin}/", 200),
    ):
        expected = f'<{uri}>; rel="alternate"; type="application/activity+json"'
        for method in ("HEAD", "GET"):
            async with alder.session.request(
                method,
                f"http://127.0.0.1:{alder.port}{path}",
                headers={"Host": alder.name, "Accept": "text/html"},
                allow_redirects=False,
            ) as response:
                assert response.status == status, path
                assert response.headers["Link"] == expected, path
                body = await response.text()
            if method == "HEAD":
                assert body == ""
            elif status == 200:
                assert (
                    f'<link rel="alternate" type="application/activity+json" href="{uri}">' in body
                )
        document = await ask(alder, path)
        assert 'rel="alternate"; type="text/html"' in document.headers.get("Link", "") or (
            path.startswith("/t/")
        )


async def test_wire_B8_what_does_not_federate_names_no_document(alder: Node, ana: Speaker) -> None:
    inside = GroupSettings(sees=Sees.NODE, posts=Posts.ANYONE)
    group = await alder.group("inside", ana, settings=inside)
    root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    for path in ("/g/inside", f"/t/{root.id}", f"/p/{root.id}"):
        answer = await ask(alder, path, Accept="text/html")
        assert answer.status == 404
        assert "Link" not in answer.headers


async def test_wire_D15_what_people_say_is_for_people(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    for path in (f"/t/{root.id}", f"/p/{root.id}", "/u/ana", "/g/sleep", "/g/sleep/guidelines"):
        for accept in ("text/html", "application/activity+json"):
            answer = await ask(alder, path, Accept=accept)
            assert answer.headers["X-Robots-Tag"] == "noindex", path
    assert "X-Robots-Tag" not in (await ask(alder, "/about", Accept="text/html")).headers
    robots = await ask(alder, "/robots.txt", Accept="*/*")
    assert robots.headers["Content-Type"].startswith("text/plain")
    assert b"Disallow: /search" in robots.body


async def test_wire_D10_D11_D13_nodeinfo_in_both_versions_counts_in_tens(alder: Node) -> None:
    """As in FEP-f1d5 and FEP-2677."""
    for number in range(14):
        await alder.persona(f"person{number}")
    async with alder.engine.begin() as conn:
        today = alder.clock().date()
        yesterday, later = today - timedelta(days=1), today + timedelta(days=3)
        assert await node_store.count_people(conn, today) == yesterday
        assert await node_store.count_people(conn, today) is None
        assert await node_store.count_people(conn, later) == today
    links = json.loads((await ask(alder, "/.well-known/nodeinfo")).body)["links"]
    rels = [link["rel"] for link in links]
    assert rels[0].startswith("http://nodeinfo.diaspora.software/ns/schema/2.")
    assert links[-1] == {
        "rel": "https://www.w3.org/ns/activitystreams#Application",  # FEP-2677
        "href": f"{alder.origin}/",
    }
    for version, link in zip(("2.0", "2.1"), links[:2], strict=True):
        assert link["rel"].endswith(f"/{version}")
        answer = await ask(alder, link["href"].removeprefix(alder.origin))
        assert answer.headers["Content-Type"].startswith("application/json")
        found = json.loads(answer.body)
        assert found["version"] == version
        assert found["protocols"] == ["activitypub"]
        assert re.fullmatch(r"[a-z0-9-]+", found["software"]["name"])
        assert ("homepage" in found["software"]) is (version == "2.1")
        assert found["services"] == {"inbound": [], "outbound": []}
        assert found["usage"]["users"]["total"] == 10
        assert isinstance(found["openRegistrations"], bool)
        about = found["metadata"]
        assert about["staffAccounts"] == [f"{alder.origin}/desk/node"]
        assert about["federation"] == {"enabled": True}
        assert about["moderationActor"] == about["pact"] == f"{alder.origin}/desk/node"  # MOD-5.17
        assert about["datasets"] == f"{alder.origin}/datasets"
        assert set(about) == {
            "nodeName", "nodeDescription", "staffAccounts", "langs", "federation",
            "moderationActor", "datasets", "pact",
        }  # fmt: skip
    assert (await ask(alder, "/nodeinfo/2.2")).status == 404


async def test_wire_D12_the_node_itself_is_at_the_root(alder: Node) -> None:
    answer = await ask(alder, "/")
    found = json.loads(answer.body)
    assert found["id"] == "http://alder.test/"
    assert found["type"] == "Application"
    assert found["publicKey"]["id"] == "http://alder.test/#main-key"
    assert {"name", "published", "inbox", "outbox", "followers"} <= set(found)
    page = await ask(alder, "/", Accept="text/html")
    assert page.headers["Content-Type"].startswith("text/html")
