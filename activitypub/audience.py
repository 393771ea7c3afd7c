"""Who hears what is said: SQL conditions on the table of actors (WIRE 3.5, WIRE-Q1)."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from kernel.schema.actors import ActorState, FollowState
from kernel.schema.tables import actors, domain_blocks, follows, peers

INBOX = sa.func.coalesce(actors.c.shared_inbox, actors.c.inbox)
"""SQL: where an actor is told something: one inbox for its whole server, or its own."""

_MASTODON_LIKE = ("mastodon", "hometown", "fedibird")  # as their NodeInfo names them


def domains_of(host: sa.ColumnElement[str]) -> sa.ColumnElement[Sequence[str]]:
    """SQL: an array of the host's name and every domain above it; a port does not matter."""
    labels = sa.func.string_to_array(sa.func.split_part(host, ":", 1), ".", type_=sa.ARRAY(sa.Text))
    each = sa.func.generate_subscripts(labels, 1).table_valued("first").render_derived()
    domain = sa.func.array_to_string(labels[each.c.first : sa.func.cardinality(labels)], ".")
    domains = sa.select(domain).select_from(each).correlate_except(each)
    return sa.func.array(domains.scalar_subquery(), type_=sa.ARRAY(sa.Text))


def covers(rules: sa.FromClause, host: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: a row of `rules` is about `host`, itself or as a suffix, and does not spare it.

    Each of the host's few domains is looked up, so the length of the list does not matter.
    """
    name = sa.func.split_part(host, ":", 1)
    each = sa.func.unnest(rules.c.spares).table_valued("spared").render_derived()
    spared = each.c.spared
    spares = sa.or_(
        name == spared,
        sa.func.right(name, sa.func.length(spared) + 1) == sa.literal_column("'.'").concat(spared),
    )
    return sa.and_(
        rules.c.domain == sa.any_(domains_of(host)),
        ~sa.select(sa.literal_column("1"))
        .select_from(each)
        .where(spares)
        .correlate_except(each)
        .exists(),
    )


def blocks_host(host: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: a row of `domain_blocks` covers `host`: nothing is heard from there or told there."""
    return covers(domain_blocks, host)


def followers_of(actor_id: UUID) -> sa.ColumnElement[bool]:
    """SQL: `actors` who follow `actor_id`, accepted."""
    return actors.c.id.in_(
        sa.select(follows.c.follower_id).where(
            follows.c.followed_id == actor_id, follows.c.state == FollowState.ACCEPTED
        )
    )


def reads_wrapped() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers that read FEP-1b12 Announces (WIRE 3.5)."""
    return actors.c.host.in_(sa.select(peers.c.host).where(peers.c.wrapped.is_(True)))


def misreads_wrapped() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers known not to; of the rest nothing is known yet."""
    return actors.c.host.in_(sa.select(peers.c.host).where(peers.c.wrapped.is_(False)))


def takes_forwards() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers that believe an author's proof in what a group forwards.

    Of those that read no wrapped Announces, that is Mastodon and its kin (WIRE-G21).
    """
    software = sa.or_(
        *(peers.c.software == sa.literal_column(f"'{name}'", sa.Text) for name in _MASTODON_LIKE)
    )
    return actors.c.host.in_(
        sa.select(peers.c.host).where(software, peers.c.wrapped.is_not(sa.true()))
    )


def takes_bare_moves() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers that read the Move of a thread from who moved it alone (WIRE-G36).

    That is NodeBB, which drops a Move inside an Announce.
    """
    nodebb = peers.c.software == sa.literal_column("'nodebb'", sa.Text)
    return actors.c.host.in_(sa.select(peers.c.host).where(nodebb))


def hears(form: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: `actors` are told what is `wrapped`, `bare` or neither, as `form` says."""
    return sa.or_(
        sa.and_(~form.c.wrapped, ~form.c.bare),
        sa.and_(form.c.wrapped, reads_wrapped()),
        sa.and_(form.c.bare, takes_forwards()),
    )


def exists_elsewhere(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: actors elsewhere that are not gone."""
    return sa.and_(~who.c.local, who.c.state != ActorState.CLOSED)


def reachable(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: actors elsewhere that can be told something now."""
    return sa.and_(exists_elsewhere(who), ~_blocked(who))


def _blocked(who: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.exists().where(blocks_host(who.c.host)).correlate_except(domain_blocks)


def may_hear(who: sa.FromClause, first: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """SQL: actors elsewhere for whom something is queued, of the first rank or not.

    What takes something back waits even for a domain that is blocked: nothing is sent there, and
    once the block ends that is heard first (WIRE-M23).
    """
    return sa.and_(exists_elsewhere(who), sa.or_(first, ~_blocked(who)))


def follows_group(group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    return sa.and_(
        follows.c.followed_id == group_id,
        follows.c.state == FollowState.ACCEPTED,
        actors.c.id == follows.c.follower_id,
    )
