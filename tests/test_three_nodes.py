"""The story this exists for: a thread crosses three nodes and stays one thread."""

from tests.nodes import NodeFactory, settle


async def test_a_thread_started_at_alder_is_answered_from_birch_and_read_at_cedar(
    node: NodeFactory,
) -> None:
    alder, birch, cedar = [await node(f"{name}.test") for name in ("alder", "birch", "cedar")]
    ana, ben, cleo = (
        await alder.persona("ana"),
        await birch.persona("ben"),
        await cedar.persona("cleo"),
    )
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await cedar.join(cleo, group.actor.uri)
    await settle(alder, birch, cedar)

    root = await alder.start(ana, group.actor.uri, "Waking at four", "Does anyone else?")
    await settle(alder, birch, cedar)
    answer = await birch.reply(ben, root.uri, "Every night. You are not alone.")
    await settle(alder, birch, cedar)
    thanks = await cedar.reply(cleo, answer.uri, "Thank you both.")
    await settle(alder, birch, cedar)

    expected = [root.uri, answer.uri, thanks.uri]
    for each in (alder, birch, cedar):
        page = await each.thread(root.uri)
        assert [post.uri for post in page.posts] == expected, each.name
        assert page.root.title == "Waking at four"
        assert page.root.thread_uri == root.thread_uri, each.name
        assert "You are not alone" in page.posts[1].content


async def test_a_thread_started_away_takes_the_name_its_group_gives_it(node: NodeFactory) -> None:
    alder, birch, cedar = [await node(f"{name}.test") for name in ("alder", "birch", "cedar")]
    ana, ben, cleo = (
        await alder.persona("ana"),
        await birch.persona("ben"),
        await cedar.persona("cleo"),
    )
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await cedar.join(cleo, group.actor.uri)
    await settle(alder, birch, cedar)

    root = await birch.start(ben, group.actor.uri, "New here", "Hello from another node.")
    await settle(alder, birch, cedar)

    contexts = {(await each.thread(root.uri)).root.thread_uri for each in (alder, birch, cedar)}
    assert len(contexts) == 1
    assert contexts.pop().startswith(alder.origin + "/t/")


async def test_an_edit_and_a_delete_travel_and_the_words_are_gone(node: NodeFactory) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, ben = await alder.persona("ana"), await birch.persona("ben")
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await settle(alder, birch)
    root = await birch.start(ben, group.actor.uri, "A title", "First words.")
    await settle(alder, birch)
    assert "First words" in (await alder.thread(root.uri)).root.content

    alder.clock.forward(minutes=2)
    await birch.edit(ben, root.uri, "A title", "Second words.")
    await settle(alder, birch)
    assert "Second words" in (await alder.thread(root.uri)).root.content

    await birch.delete(ben, root.uri)
    await settle(alder, birch)
    gone = await alder.post(root.uri)
    assert gone is not None
    assert gone.content == ""
    assert await alder.mentions("words.") == []
