"""Every page, in one table."""

from aiohttp import web
from aiohttp.typedefs import Middleware

from kernel.clock import Clock, to_month
from node.pages import (
    about,
    account,
    aftercare,
    alerts,
    appeals,
    arrival,
    asked,
    assets,
    audit,
    care,
    care_case,
    caring_for_us,
    cases,
    check_ins,
    closing,
    desk,
    desk_letters,
    distance,
    domains,
    drafts,
    duty,
    effects,
    finding,
    forms,
    group_labels,
    group_moves,
    groups,
    help,
    home,
    icons,
    impact,
    labelling,
    live,
    log_in,
    memorials,
    memory,
    messages,
    moderators,
    node_settings,
    notices,
    out_of_reach,
    own_names,
    pacts,
    peers,
    people,
    personas,
    pictures,
    polls,
    posts,
    preferences,
    quiet,
    rearranging,
    receipts,
    reports,
    safety,
    search,
    session,
    sheet,
    signals,
    signs,
    standing,
    stopped,
    stories,
    tags,
    takings,
    threads,
    unanswered,
    unsent,
    ways_in,
    where,
)
from node.pages.memory import MEMORY, Memory, forgetting


def prepare(app: web.Application, clock: Clock) -> None:
    """Give a node's application what its pages remember, and draw the help pages."""
    app[MEMORY] = Memory.of(clock)
    app.cleanup_ctx.append(forgetting)
    help.prepare(to_month(clock()))
    own_names.prepare(app)
    care.prepare(app)


def routes() -> list[web.RouteDef]:
    """The addresses people use; `node.app` joins documents to those that servers ask for too."""
    parts = (
        home, account, preferences, groups, reports, alerts, moderators, asked, people,
        caring_for_us, care, care_case, cases, desk_letters, appeals, stopped, audit, standing,
        group_moves, distance, group_labels, desk, icons, threads, posts, labelling, polls, tags,
        personas, own_names, receipts, safety, node_settings, domains,
        peers, search, pacts, signals, effects,
        finding, help, about, assets, pictures, unanswered, signs, rearranging,
        memorials, aftercare, check_ins, closing, stories, notices, quiet, live, unsent, drafts,
        duty,
        impact, takings, out_of_reach, log_in, ways_in, where, sheet, arrival, messages,
    )  # fmt: skip
    return [route for part in parts for route in part.routes()]


def middlewares() -> list[Middleware]:
    """What stands before every page, outermost first."""
    return [pictures.guard, forms.guard, memory.middleware, session.middleware]
