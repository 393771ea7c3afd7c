import os
from pathlib import Path
from groups.groups import GroupSettings
from groups.admission import Draft
from groups import threads, desk, groups as gs
from kernel.schema.groups import *
from node.pages.group_words import STARTER
from tests.browser.conftest import Browsers
from tests.nodes import NodeFactory
from tests.pages.people import person, settle
from members import personas as ps
from tests.members import people
OUT = Path("/tmp/pages/shots"); OUT.mkdir(parents=True, exist_ok=True)
ONLY = os.environ.get("ONLY", "").split(",") if os.environ.get("ONLY") else None

async def test_shots(node: NodeFactory) -> None:
    alder = await node("alder.localhost")
    await settle(alder, name="Alder House", about="Alder House is a **quiet place** for people in and around Galway who live with worry, low mood or loss. We are neighbours, not professionals.\n\nWe listen, and we tell what helped us.", crisis_policy="We do not know who anybody is, so we cannot send help to your door. We answer with crisis lines and stay in touch.")
    ana = await person(alder, "quiet_birch", roles=frozenset({"administrator"}))
    ben = await person(alder, "morning_heron")
    cleo = await person(alder, "slow_river")
    await people.persona(alder.engine, alder.here, ana.prepared.member, "green_lantern")
    g = await alder.group("grief", ana.speaker, rules=STARTER)
    async with alder.engine.begin() as conn:
        await gs.update(conn, alder.here, g, name="Grief and loss", about="For everyone who misses somebody. New grief and old grief are both welcome, and so is saying nothing for a while.", settings=GroupSettings())
    for h, n, a in (("night", "Awake at night", "When sleep does not come and the thoughts do. We keep each other company between two and five."), ("carers", "People who care for somebody", "Looking after a parent, a partner or a child takes a lot. Here you can put it down for a moment."), ("newdads", "New fathers", "Nobody tells you about this part.")):
        x = await alder.group(h, ana.speaker)
        async with alder.engine.begin() as conn:
            await gs.update(conn, alder.here, x, name=n, about=a, settings=GroupSettings(joining=Joining.APPROVAL if h=="carers" else Joining.OPEN, posts=Posts.MEMBERS, premoderation=Premoderation.FIRST if h=="carers" else Premoderation.NONE))
    for p in (ben, cleo):
        await alder.join(p.speaker, g.actor.uri)
    night_uri = alder.origin + "/g/night"
    await alder.join(ben.speaker, night_uri)
    root = await alder.start(ben.speaker, g.actor.uri, "The first birthday without her", "Tomorrow would have been my mother's seventieth birthday. Everyone tells me to *do something nice*, and I do not know what that would be.\n\nI bought the cake she liked, and now it sits there. Has anybody here found a way to spend such a day?", note="")
    alder.clock.forward(minutes=42)
    r1 = await alder.reply(cleo.speaker, root.uri, "That sounds so hard. Last year I went to the sea, because my father never missed a swim. I did not swim. I just stood there for an hour and it was enough.\n\n> I bought the cake she liked\n\nMaybe somebody could eat it with you?")
    alder.clock.forward(minutes=75)
    await alder.reply(ben.speaker, r1.uri, "Thank you. My neighbour knew her too. I will ring her bell. https://example.org/a-poem-about-cake")
    alder.clock.forward(hours=3)
    await alder.start(cleo.speaker, g.actor.uri, "What do you say when people ask how many children you have?", "I never know. Some days I say two, some days I say three.", note="loss of a child")
    alder.clock.forward(hours=5)
    await alder.start(ben.speaker, night_uri, "Three o'clock again", "The radio is on very low. If anybody else is up: hello from a kitchen with one lamp.")
    await alder.start(ana.speaker, g.actor.uri, "Two years of Sundays", "We always had soup on Sundays. I made it today for the first time.")
    await alder.join(ana.speaker, night_uri)
    async with alder.engine.begin() as conn:
        carers = await gs.by_name(conn, "carers", __import__("moderation.visibility", fromlist=["x"]).VISITOR)
    cid = carers.actor.uri
    await alder.join(cleo.speaker, cid)
    b = Browsers()
    chrome = await b.open(alder)
    try:
        pages = {"front": ("/", None), "log-in": ("/log-in", None), "sign-up": ("/sign-up", None), "help": ("/help", None), "help-ie": ("/help/ie", None), "about": ("/about", None), "404": ("/nope", None), "groups-out": ("/groups", None), "thread-out": (f"/t/{root.id}", None),
          "home": ("/", ana), "groups": ("/groups", ana), "group": ("/g/grief", ana), "thread": (f"/t/{root.id}", ana), "reply": (f"/p/{r1.id}/reply", ben), "new": ("/g/grief/new", ana), "join": ("/g/grief/join", await person(alder, "amber_fox")), "personas": ("/personas", ana), "persona-new": ("/personas/new", ana), "settings": ("/settings", ana), "node": ("/settings/node", ana), "desk": ("/g/carers/desk", ana), "gsettings": ("/g/grief/settings", ana), "gnew": ("/groups/new", ana), "remove": (f"/p/{r1.id}/remove", ana), "profile": ("/u/quiet_birch", ana)}
        for scheme in ("light", "dark"):
            for width in (390, 1280, 320):
                if (width == 320 and scheme == "dark"): continue
                for name, (path, who) in pages.items():
                    if ONLY and name not in ONLY: continue
                    if width == 320 and name not in ("front","thread","group","home","desk","help-ie"): continue
                    ctx = await chrome.new_context(color_scheme=scheme, viewport={"width": width, "height": 844 if width<500 else 800}, device_scale_factor=1)
                    if who:
                        await ctx.add_cookies([{"name": k, "value": v, "url": alder.origin} for k, v in who.cookies.items()])
                    page = await ctx.new_page()
                    r = await page.goto(alder.origin + path)
                    over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    small = await page.evaluate("""[...document.querySelectorAll('a,button,input:not([type=hidden]),select,textarea,summary')].filter(e=>{const r=e.getBoundingClientRect(); const inline = e.tagName=='A' && getComputedStyle(e).display=='inline'; return !inline && r.width>0 && (r.height<24 || r.width<24) && !['checkbox','radio'].includes(e.type) && !e.classList.contains('skip')}).map(e=>e.outerHTML.slice(0,80))""")
                    if over > 0 or small: print(name, width, "overflow", over, small)
                    await page.screenshot(path=str(OUT / f"{name}-{width}-{scheme}.png"), full_page=True)
                    await ctx.close()
    finally:
        await b.close()
