"""Who may answer or like a post elsewhere, as its server says it; and what allows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.permissions import MAX_NAMED, Act, Approval, Permission, meant, request_uri
from activitypub.vocab import PUBLIC, Document
from kernel.errors import Malformed

AUTHOR = "https://a.example/u"
KAY = "https://alder.example/u/kay"


def _policy(**lists: object) -> Document:
    return {"interactionPolicy": {"canReply": lists}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"interactionPolicy": None},
        {"interactionPolicy": "nonsense"},
        {"interactionPolicy": {}},
        {"interactionPolicy": {"canReply": []}},
        {"interactionPolicy": {"canReply": {}}},
        {"interactionPolicy": {"canReply": None}},
        {"interactionPolicy": {"canLike": {"automaticApproval": []}}},
        _policy(automaticApproval=[PUBLIC]),
        _policy(automaticApproval=PUBLIC),
        _policy(automaticApproval=["as:Public"], manualApproval=[]),
        _policy(automaticApproval=[AUTHOR, PUBLIC], manualApproval=[PUBLIC]),
        _policy(always=[PUBLIC], approvalRequired=[]),
    ],
)
def test_wire_M20_where_nothing_is_said_everybody_may(document: Document) -> None:
    assert Permission.parse(document, Act.REPLY) is None


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"automaticApproval": [AUTHOR], "manualApproval": [PUBLIC]}, ([AUTHOR], [PUBLIC], True)),
        ({"manualApproval": "Public"}, ([], [PUBLIC], True)),
        ({"always": [AUTHOR], "approvalRequired": [PUBLIC]}, ([AUTHOR], [PUBLIC], False)),
        (
            {"automaticApproval": [KAY], "manualApproval": [], "always": [PUBLIC]},
            ([KAY], [], True),
        ),
        ({"automaticApproval": [PUBLIC], "manualApproval": [KAY]}, ([PUBLIC], [KAY], True)),
        ({"automaticApproval": [7, None, {"id": KAY}, "a b"]}, ([KAY], [], True)),
    ],
)
def test_wire_M20_a_policy_is_read_in_both_spellings(
    lists: dict[str, object], expected: tuple[list[str], list[str], bool]
) -> None:
    found = Permission.parse(_policy(**lists), Act.REPLY)
    assert found is not None
    assert (list(found.at_once), list(found.on_request), found.requests) == expected
    assert Permission.of(found.line) == found


def test_nobody_but_the_author_is_nobody() -> None:
    for lists, nobody in (
        ({"automaticApproval": [AUTHOR]}, True),
        ({"automaticApproval": [], "manualApproval": []}, True),
        ({"always": [AUTHOR], "approvalRequired": [KAY]}, False),
    ):
        found = Permission.parse(_policy(**lists), Act.REPLY)
        assert found is not None
        assert found.excludes_all_but(AUTHOR) is nobody


def test_sec_a_policy_that_never_ends_is_cut() -> None:
    many = [f"https://a.example/{n}" for n in range(5000)]
    found = Permission.parse(_policy(automaticApproval=many, manualApproval=many), Act.REPLY)
    assert found is not None
    assert len(found.at_once) == len(found.on_request) == MAX_NAMED


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each, max_size=4)
)


@given(_anything, _anything)
def test_whatever_a_policy_says_can_be_kept_and_read_again(one: object, two: object) -> None:
    found = Permission.parse(_policy(automaticApproval=one, approvalRequired=two), Act.REPLY)
    if found is not None:
        assert Permission.of(found.line) == found


@pytest.mark.parametrize("act", Act)
def test_approvals_are_read_in_every_spelling(act: Act) -> None:
    """GoToSocial 0.20 and later, 0.19, and the bare Accept of earlier ones."""
    asking: Document = {"type": act.request, "id": request_uri(KAY, act), "instrument": KAY}
    spelled: list[tuple[Document, Act | None]] = [
        ({"type": f"{act}Authorization", "interactingObject": KAY, "interactionTarget": "t"}, act),
        ({"type": f"{act}Approval", "object": KAY, "target": "t"}, act),
        ({"type": "Accept", "actor": AUTHOR, "object": {"id": KAY}, "target": "t"}, None),
        ({"type": "Accept", "actor": AUTHOR, "object": asking, "target": "t"}, None),
    ]
    for document, said in spelled:
        found = Approval.parse({"id": "s", "attributedTo": AUTHOR, **document})
        assert found == Approval(id="s", act=said, author=AUTHOR, item=KAY, target="t")


@pytest.mark.parametrize(
    "document",
    [
        {"type": "Note", "attributedTo": AUTHOR, "object": KAY},
        {"type": "AnnounceApproval", "attributedTo": AUTHOR, "object": KAY},
        {"type": "ReplyApproval", "object": KAY},
        {"type": "ReplyApproval", "attributedTo": AUTHOR},
        {"type": "ReplyAuthorization", "attributedTo": AUTHOR, "object": KAY},
        {"type": "Accept", "attributedTo": AUTHOR, "object": KAY},
    ],
)
def test_sec_S22_half_an_approval_is_none(document: Document) -> None:
    with pytest.raises(Malformed):
        Approval.parse({"id": "s", **document})


def test_what_an_answer_to_a_request_is_about() -> None:
    asked = request_uri(KAY, Act.REPLY)
    for said in (
        KAY,
        asked,
        [KAY],
        {"type": "Note", "id": KAY},
        {"type": "ReplyRequest", "id": asked},
        {"type": "ReplyRequest", "id": asked, "instrument": KAY},
        {"type": "ReplyRequest", "id": "elsewhere", "instrument": {"id": KAY}},
    ):
        assert meant({"object": said}) == KAY  # type: ignore[dict-item]
    assert meant({}) is None
