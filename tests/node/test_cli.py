"""The operator's commands, as they are typed."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activitypub import actors as actor_store
from groups import groups as group_store
from kernel.errors import NotAllowed
from kernel.schema.actors import ActorKind
from members import accounts, invitations
from moderation import domains
from moderation.visibility import VISITOR
from node.cli import app
from tests.node.processes import CODE, Ended, free_port, hearthold
from tests.nodes import Node, NodeFactory

COMMANDS = [
    "serve",
    "account create",
    "group create",
    "invite",
    "domain block",
    "domain unblock",
    "domain list",
    "demo",
    "version",
]
