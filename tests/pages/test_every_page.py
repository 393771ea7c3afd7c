"""What holds on every page: headers, help within reach, one heading, nothing from elsewhere."""

import gzip
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from groups import browsing
from moderation.visibility import Viewer
from node.pages import headers, table
from tests.pages.conftest import House
from tests.pages.people import Answer

_FOCUS = {"a", "button", "input", "select", "textarea", "summary"}
_VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect"}


class Reading(HTMLParser):
    """What a keyboard and a screen reader meet, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stops: list[dict[str, str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.labelled: set[str] = set()
        self.controls: list[dict[str, str]] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in given.items()]
        if "id" in given:
            self.ids.append(given["id"])
        hidden = given.get("type") == "hidden"
        if tag in _FOCUS and not hidden and given.get("tabindex") != "-1":
            self.stops.append(given)
        if tag == "label":
            self.labelled.add(given.get("for", ""))
        if tag in {"input", "select", "textarea"} and not hidden:
            self.controls.append(given)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open[-1] == tag, (self.open[-3:], tag)
        self.open.pop()


def pages(house: House) -> Iterator[str]:
    """The address of every page of the router, and some that do not exist."""
    for route in table.routes():
        page = not route.path.startswith("/static") and not route.path.endswith((".png", ".js"))
        if route.method == "GET" and page:
            yield house.sample(route.path)
    yield from (
        "/nope", "/t/1", "/g/nobody", "/t/x", "/log-in?then=//evil.example", "/sign-up?invite=x",
        "/welcome?token=x", "/?before=5", "/groups?after=x", "/help/xx", "/search?q=x",
    )  # fmt: skip


def check_page(path: str, answer: Answer) -> None:
    reading = Reading(answer.html)
    assert not reading.open, (path, reading.open)
    first = [stop.get("href") for stop in reading.stops[:3]]
    assert first == ["#main", "/help", "/leave"], (path, first)
    assert reading.tags.count("h1") == 1, path
    assert reading.tags.count("main") == 1, path
    assert reading.tags.count("title") == 1, path
    assert len(reading.ids) == len(set(reading.ids)), (path, sorted(reading.ids))
    assert reading.tags.count("script") == 1
    assert 'type="module" src="/static/' in answer.html  # our own file, and nothing in the page
    assert "style" not in reading.tags
    for tag, name, value in reading.attributes:
        assert name != "style", path
        assert not name.startswith("on"), (path, name)
        if name in {"src", "action", "srcset", "poster", "data"} or (tag, name) == ("link", "href"):
            elsewhere = "://" in value or value.startswith("//")
            ours = tag == "link" and value.startswith("http://alder.test/")
            assert not elsewhere or ours, (path, tag, value)
    for control in reading.controls:
        named = control.get("id") in reading.labelled or "aria-label" in control
        assert named, (path, control)


def check_headers(path: str, answer: Answer, *, signed_in: bool) -> None:
    for name, value in headers.ALWAYS.items():
        assert answer.headers[name] == value, (path, name)
    static = path.startswith(("/help", "/leav", "/look"))
    if answer.headers.get("Content-Type", "").startswith("text/html") and not static:
        assert answer.headers["Cache-Control"] == ("no-store" if signed_in else "no-cache"), path
        assert answer.headers["Vary"] == "Cookie, Accept, Accept-Language", path
    if path.startswith(("/t/", "/p/", "/u/")):
        assert answer.headers["X-Robots-Tag"] == "noindex", path  # WIRE-D15
    assert "Server" not in answer.headers or "alder" not in answer.headers["Server"]


async def test_sec_X9_every_page_is_whole_and_safe_to_leave(house: House) -> None:
    for browser, signed_in in ((house.visitor, False), (house.ben, True), (house.ana, True)):
        for path in pages(house):
            if path == "/leave":
                continue
            answer = await browser.open(path)
            assert answer.status in {200, 303, 400, 403, 404}, (path, answer.status, answer.text)
            check_headers(path, answer, signed_in=signed_in)
            if answer.status != 303:
                check_page(path, answer)
                assert answer.headers["Content-Length"] == str(len(answer.body))
                assert len(answer.body) < 50_000, (path, "DOM-J3")


@pytest.mark.slow
async def test_every_link_of_a_page_leads_to_a_page(house: House) -> None:
    seen: set[str] = set()
    for browser in (house.visitor, house.ben, house.ana):
        for path in pages(house):
            reading = Reading((await browser.open(path)).html)
            links = {
                value for tag, name, value in reading.attributes if (tag, name) == ("a", "href")
            }
            seen |= {link.partition("#")[0] for link in links if link.startswith("/")}
    assert {"/g/open/desk/cases", "/settings/node/domains"} <= seen
    router = house.node.app.router
    asked = {link: make_mocked_request("GET", link, app=house.node.app) for link in seen - {""}}
    nowhere = [link for link, request in asked.items()
               if (await router.resolve(request)).http_exception is not None]  # fmt: skip
    assert nowhere == []


async def test_an_unknown_page_and_one_that_is_not_for_the_reader_are_the_same(
    house: House,
) -> None:
    def face(answer: Answer) -> tuple[int, bytes, list[tuple[str, str]]]:
        told = [(k, v) for k, v in answer.headers.items() if k != "Date"]
        return answer.status, answer.body, told

    async with house.node.engine.connect() as conn:
        secret, *_ = await browsing.latest(
            conn, Viewer((house.ana.actor.id,), signed_in=True), group_id=house.private.id
        )
    for browser in (house.visitor, house.cleo):
        unknown = face(await browser.open("/t/12345"))
        assert unknown[0] == 404
        assert face(await browser.open(f"/t/{secret.id}")) == unknown
        assert face(await browser.open("/g/private")) == unknown
        assert face(await browser.open(f"/p/{secret.id}")) == unknown
        assert face(await browser.open(f"/t/{house.held.id}")) == unknown
        assert face(await browser.open("/u/nobody")) == unknown
    for path in ("/p/{}/reply", "/p/{}/edit", "/p/{}/delete", "/p/{}/remove"):
        unknown = face(await house.cleo.open(path.format(12345)))
        assert unknown[0] == 404
        assert face(await house.cleo.open(path.format(secret.id))) == unknown
    for path in ("/p/{}/reply", "/p/{}/delete", "/p/{}/remove", "/t/{}/lock"):
        unknown = face(await house.cleo.send("POST", path.format(12345), {"text": "x"}))
        assert unknown[0] == 404
        hidden = await house.cleo.send("POST", path.format(secret.id), {"text": "x"})
        assert face(hidden) == unknown


async def test_sec_F10_static_files_are_ours_and_kept(house: House) -> None:
    page = await house.visitor.open("/")
    links = [v for t, n, v in Reading(page.html).attributes if (t, n) == ("link", "href")]
    sheet = next(link for link in links if link.endswith("site.css"))
    answer = await house.visitor.open(sheet)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    assert b"url(" not in answer.body
    assert b"@import" not in answer.body
    old = await house.visitor.open("/static/0000000000000000/site.css")
    assert old.headers["Cache-Control"] == "no-cache"
    for path in ("../base.html", "%2e%2e%2fbase.html", "..%2f__init__.py", "nothing.css"):
        assert (await house.visitor.open(f"/static/0/{path}")).status == 404


async def test_a_page_and_all_it_loads_are_light(house: House) -> None:
    """DOM-J3: under 60 kB on the way, pictures apart; sheet and script come compressed."""
    for path in ("/", f"/t/{house.thread.id}", "/help"):
        page = await house.visitor.open(path)
        parts = {v for _, _, v in Reading(page.html).attributes if v.startswith("/static/")}
        assert len(parts) == 4  # with the script that the switch asks for when it is pressed
        total = len(gzip.compress(page.body))
        for part in parts:
            plain = await house.visitor.open(part, Accept_Encoding="identity")
            assert "Content-Encoding" not in plain.headers
            small = await house.visitor.open(part, Accept_Encoding="br, gzip")
            assert small.headers["Content-Encoding"] == "gzip"
            assert small.headers["Vary"] == "Accept-Encoding"
            assert small.body == plain.body  # unpacked by the client
            total += int(small.headers["Content-Length"])
        assert total < 60_000, (path, total)


async def test_sec_F10_no_path_leads_to_the_disk(house: House) -> None:
    for start in ("/static/0/", "/static/", "/media/"):
        for rest in (
            "/etc/passwd", "%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd",
            "..%5c..%5cetc%5cpasswd", "%252e%252e%252fpasswd", "....//....//etc/passwd",
            "site.css%00.png", "site.css/", "C:%5cwindows", ".%2fsite.css", "SITE.CSS",
            "file:%2f%2f%2fetc%2fpasswd",
        ):  # fmt: skip
            answer = await house.visitor.open(start + rest)
            assert answer.status in (400, 404), start + rest
            assert b"root:" not in answer.body


async def test_servers_get_problems_as_json(house: House) -> None:
    answer = await house.visitor.open("/u/nobody", Accept="application/activity+json")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    for name, value in headers.ALWAYS.items():
        assert answer.headers[name] == value


async def test_public_things_name_their_documents(house: House) -> None:
    for path in ("/g/open", f"/t/{house.thread.id}", "/u/ana"):
        answer = await house.visitor.open(path)
        assert f'href="http://alder.test{path}"' in answer.html
        assert answer.headers["Link"].startswith(f"<http://alder.test{path}>")
        document = await house.visitor.open(path, Accept="application/activity+json")
        assert document.status == 200
        assert document.headers["Content-Type"].startswith("application/activity+json")
    hidden = await house.ana.open("/g/private")
    assert hidden.status == 200
    assert "Link" not in hidden.headers


async def test_sec_A15_odd_methods_are_refused(house: House) -> None:
    for method in ("TRACE", "PUT", "DELETE", "PATCH", "__INIT__"):
        answer = await house.visitor.send(method, "/groups")
        assert answer.status in {400, 405}, method


def test_every_route_is_listed_once() -> None:
    listed = [(route.method, route.path) for route in table.routes()]
    assert len(listed) == len(set(listed))
    assert all(isinstance(route, web.RouteDef) for route in table.routes())
