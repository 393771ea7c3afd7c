"""Every table, in one name space: `from kernel.schema.tables import posts`."""

from kernel.schema.accounts import accounts, invitations, sessions, spent, veil
from kernel.schema.actors import actor_keys, actors, blocks, departures, follows
from kernel.schema.base import metadata
from kernel.schema.federation import (
    activities,
    deliveries,
    errands,
    peers,
    receipts,
    received,
    refusals,
    tombstones,
)
from kernel.schema.groups import group_invitations, groups, guidelines, moderators
from kernel.schema.media import copies_wanted, media
from kernel.schema.messages import (
    conversations,
    correspondents,
    message_boxes,
    messages,
    reports,
)
from kernel.schema.moderation import (
    audit,
    bans,
    domain_blocks,
    domain_filters,
    domain_lists,
    domain_policies,
)
from kernel.schema.node import node, safety_records
from kernel.schema.notices import notices
from kernel.schema.posts import (
    attachments,
    check_ins,
    memorials,
    moved_threads,
    poll_options,
    poll_votes,
    polls,
    post_edits,
    post_tags,
    posts,
    reactions,
    refreshes,
    threads,
)
from kernel.schema.severed import domain_changes, severed_follows, severed_moderators
from kernel.schema.waiting import drawers, waiting

__all__ = [
    "accounts",
    "activities",
    "actor_keys",
    "actors",
    "attachments",
    "audit",
    "bans",
    "blocks",
    "check_ins",
    "conversations",
    "copies_wanted",
    "correspondents",
    "deliveries",
    "departures",
    "domain_blocks",
    "domain_changes",
    "domain_filters",
    "domain_lists",
    "domain_policies",
    "drawers",
    "errands",
    "follows",
    "group_invitations",
    "groups",
    "guidelines",
    "invitations",
    "media",
    "memorials",
    "message_boxes",
    "messages",
    "metadata",
    "moderators",
    "moved_threads",
    "node",
    "notices",
    "peers",
    "poll_options",
    "poll_votes",
    "polls",
    "post_edits",
    "post_tags",
    "posts",
    "reactions",
    "receipts",
    "received",
    "refreshes",
    "refusals",
    "reports",
    "safety_records",
    "sessions",
    "severed_follows",
    "severed_moderators",
    "spent",
    "threads",
    "tombstones",
    "veil",
    "waiting",
]
