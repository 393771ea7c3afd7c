"""The demo: its visitor reads and sends forms as a browser does; its story holds; it cleans up."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from node.demo import show
from node.demo.nodes import DemoNode
from node.demo.people import COMMUNITIES
from node.demo.story import Step, Story
from node.demo.visitor import Lost, Page, Visitor
from tests.node.processes import CODE, environment, free_port, hearthold

PAGE = """<html><head><title>Not shown</title><style>p{}</style></head><body>
<p>Hello <b>there</b>, friend.</p><a href="/g/sleep">Sleeping <i>badly</i></a>
<form method="post" action="/send">
  <input type="hidden" name="token" value="a&amp;b">
  <input name="title" value="kept">
  <input type="radio" name="as" value="1" id="one"><label for="one">Ana</label>
  <input type="radio" name="as" value="2" id="two"><label for="two">Robin</label>
  <input type="checkbox" name="agree" value="yes">
  <input type="checkbox" name="ticked" checked>
  <select name="language"><option value="en">English</option><option value="de">Deutsch</option>
  </select>
  <textarea name="words">
first line</textarea>
  <button name="answer" value="no">Not now</button>
</form></body></html>"""


def read(html: str) -> Page:
    return Page.read(URL("http://alder.localhost/here"), 200, html)


# The visitor


def test_a_page_is_read_as_a_person_sees_it() -> None:
    page = read(PAGE)

    assert page.text.startswith("Hello there, friend. Sleeping badly")
    assert "Not shown" not in page.text
    assert page.link("badly") == page.link("/g/") == "/g/sleep"
    with pytest.raises(Lost, match=r"/here \(200\) has no link with /g/grief"):
        page.link("/g/grief")


def test_what_opens_with_a_click_is_told_apart() -> None:
    """Menus open with a click, too; what they hold is no post."""
    page = read(
        """<details class="also"><summary>More</summary><a href="/p/1/report">Report</a></details>
        <details class="cover"><summary><span>alder says: grief</span></summary>
          <p>Why.</p><details class="also"><summary>More</summary></details><div>Words</div>
        </details>
        <p>Between</p>
        <details class="cover"><summary>Content note</summary>Others</details>"""
    )

    assert page.covers == ("alder says: grief Why. More Words", "Content note Others")
    assert page.text.endswith("Words Between Content note Others")


def test_a_form_sends_what_it_holds_and_what_was_typed() -> None:
    form = read(PAGE).form("title", action="/send")

    assert form.filled({}) == [
        ("token", "a&b"),
        ("title", "kept"),
        ("ticked", "on"),
        ("language", "en"),
        ("words", "first line"),
    ]
    typed = form.filled({"title": "typed", "as": form.choice("as", "Robin"), "agree": "yes"})
    assert typed[-3:] == [("title", "typed"), ("as", "2"), ("agree", "yes")]
    assert ("title", "kept") not in typed


def test_a_form_refuses_what_nobody_could_type_into_it() -> None:
    page = read(PAGE)
    form = page.form()

    with pytest.raises(Lost, match="has no colour"):
        form.filled({"colour": "blue"})
    with pytest.raises(Lost, match="no such choice of as"):
        form.choice("as", "Ben")
    with pytest.raises(Lost, match="has no form with colour"):
        page.form("colour")


@pytest.fixture
async def site() -> AsyncIterator[TestServer]:
    """A page with a form that answers as ours do: 303 to a page that shows what came."""
    came: list[str] = []

    async def show_form(_: web.Request) -> web.Response:
        answer = web.Response(text=PAGE, content_type="text/html")
        answer.set_cookie("hearthold", "a-session", httponly=True)
        return answer

    async def take(request: web.Request) -> web.Response:
        form = await request.post()
        if form["title"] == "refuse":
            raise web.HTTPConflict
        came.extend(map(str, (form["token"], form["title"], request.cookies.get("hearthold"))))
        came.append(f"{request.headers['Origin']} {request.content_type}")
        return web.Response(status=303, headers={"Location": "/came"})

    async def show_what_came(_: web.Request) -> web.Response:
        return web.Response(text=f"<p>{' '.join(came)}</p>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/here", show_form)
    app.router.add_post("/send", take)
    app.router.add_get("/came", show_what_came)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def test_a_visitor_keeps_cookies_and_hidden_fields_and_follows(site: TestServer) -> None:
    origin = f"http://alder.localhost:{site.port}"

    async with Visitor(origin) as visitor:
        landed = await visitor.fill("/here", {"title": "typed"})

    assert landed.url.path == "/came"
    assert "a&b typed a-session" in landed.html
    assert f"{origin} application/x-www-form-urlencoded" in landed.text


async def test_a_visitor_says_what_was_refused_or_did_not_change(site: TestServer) -> None:
    async with Visitor(f"http://alder.localhost:{site.port}") as visitor:
        with pytest.raises(Lost, match="/send answered 409"):
            await visitor.fill("/here", {"title": "refuse"})
        with pytest.raises(Lost, match=r"/came at .* did not change"):
            await visitor.until("/came", lambda page: "never" in page.text, seconds=0)


# The telling


async def _good() -> None:
    return None


async def _bad() -> None:
    raise Lost("the page was empty")


async def _broken() -> None:
    raise KeyError("what somebody wrote")


def lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


async def test_every_step_is_a_line_and_the_first_that_fails_the_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with AsyncExitStack() as stack:
        story = Story(stack)
        story.steps = [Step("one", _good), Step("two", _bad), Step("three", _good)]
        assert not await show._print_lines(story)

    first, second, last = lines(capsys.readouterr().out)
    assert (first["step"], first["ok"]) == ("one", True)
    assert (second["step"], second["ok"], second["reason"]) == ("two", False, "the page was empty")
    assert (last["ok"], last["reason"]) == (False, "two: the page was empty")


async def test_a_step_that_breaks_is_told_without_anybodys_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with AsyncExitStack() as stack:
        story = Story(stack)
        story.steps = [Step("one", _broken)]
        assert not await show._print_lines(story)

    told = capsys.readouterr().out
    assert "KeyError" in told
    assert "what somebody wrote" not in told


def test_the_demo_has_its_three_groups_each_with_guidelines() -> None:
    assert [(each.node, each.title) for each in COMMUNITIES] == [
        ("alder", "Sleeping badly"),
        ("birch", "Grief"),
        ("cedar", "New parents"),
    ]
    assert all(each.guidelines.count("\n- ") >= 3 for each in COMMUNITIES)


# The nodes


async def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    node = DemoNode(
        name="alder",
        port=free_port(),
        directory=tmp_path,
        database_url=f"postgresql://ana:secret@127.0.0.1:{free_port()}/alder",
    )

    with pytest.raises(Lost, match=r"alder did not start: .*database does not answer"):
        await node.start()
    assert node.pid is None


@pytest.mark.slow
def test_the_whole_story_holds(tmp_path: Path) -> None:
    ended = hearthold("demo", "--check", TMPDIR=str(tmp_path))

    told = lines(ended.out)
    assert ended.code == 0, ended
    assert told[-1]["ok"] is True
    assert len(told) == len(Story(AsyncExitStack()).steps) + 1
    assert all(line["ok"] for line in told)
    assert_nothing_is_left(tmp_path)


@pytest.mark.slow
def test_a_demo_that_is_stopped_half_way_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "node.cli", "demo", "--check"],
        cwd=CODE,
        env=environment({"TMPDIR": str(tmp_path)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["ok"] is True  # the nodes are up
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in err
    assert_nothing_is_left(tmp_path)


def assert_nothing_is_left(directory: Path) -> None:
    assert list(directory.iterdir()) == []
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            commands.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    assert not [command for command in commands if str(directory) in command]
