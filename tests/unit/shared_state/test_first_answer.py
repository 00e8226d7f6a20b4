"""Nodes that are asked for the same thing: a silent one delays nobody, and is not asked any longer."""

import asyncio

import pytest

from gateway.shared_state.first_answer import first_answer
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.valkey_connection import Node

SOON_S, NEVER_S = 0.001, 600.0
SILENT, REFUSING, ANSWERING = "silent", "refusing", "answering"


class Nodes:
    """Nodes that are silent, refuse or answer. `asked` has those that were asked, in order.

    `given_up` has those that are not waited for any longer.
    """

    def __init__(self, *behaviour: str) -> None:
        self.all = [Node(each, number) for number, each in enumerate(behaviour)]
        self.asked: list[int] = []
        self.given_up: list[int] = []

    async def ask(self, node: Node) -> str:
        self.asked.append(node.port)
        if node.host == REFUSING:
            raise SharedStateUnavailable(f"node {node.port} refuses")
        if node.host == SILENT:
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.append(node.port)
        return f"node {node.port}"


async def test_silent_nodes_are_not_waited_for() -> None:
    """The first answer is returned, and nothing is left that waits for the silent ones."""
    nodes = Nodes(SILENT, SILENT, SILENT, ANSWERING, SILENT)
    tasks = asyncio.all_tasks()
    async with asyncio.timeout(60):
        assert await first_answer(nodes.all, nodes.ask, SOON_S) == "node 3"
    assert nodes.asked == [0, 1, 2, 3]
    assert nodes.given_up == [0, 1, 2]
    assert asyncio.all_tasks() == tasks


async def test_a_node_that_answers_is_the_only_one_that_is_asked() -> None:
    nodes = Nodes(ANSWERING, ANSWERING)
    assert await first_answer(nodes.all, nodes.ask, NEVER_S) == "node 0"
    assert nodes.asked == [0]


async def test_after_a_node_that_refuses_the_next_one_is_asked_at_once() -> None:
    nodes = Nodes(REFUSING, REFUSING, ANSWERING)
    async with asyncio.timeout(60):
        assert await first_answer(nodes.all, nodes.ask, NEVER_S) == "node 2"


async def test_an_answer_that_comes_late_counts() -> None:
    """The first node answers when the second one has been asked and refuses."""
    late = asyncio.Event()

    async def ask(node: Node) -> str:
        if node.port:
            late.set()
            raise SharedStateUnavailable("refuses")
        await late.wait()
        return "late"

    async with asyncio.timeout(60):
        assert await first_answer([Node("a", 0), Node("b", 1)], ask, SOON_S) == "late"


async def test_all_nodes_refuse() -> None:
    """The last problem is raised."""
    nodes = Nodes(REFUSING, REFUSING)
    with pytest.raises(SharedStateUnavailable, match="node 1 refuses"):
        await first_answer(nodes.all, nodes.ask, NEVER_S)


@pytest.mark.parametrize("broken", [0, 1])
async def test_a_bug_is_raised_and_nobody_waits_any_longer(broken: int) -> None:
    nodes = Nodes(SILENT, SILENT)

    async def ask(node: Node) -> str:
        if node.port == broken:
            raise ZeroDivisionError
        return await nodes.ask(node)

    with pytest.raises(ZeroDivisionError):
        await first_answer(nodes.all, ask, SOON_S)
    assert nodes.asked == nodes.given_up


async def test_the_questions_end_with_the_task_that_asks() -> None:
    nodes, both_asked = Nodes(SILENT, SILENT), asyncio.Event()

    async def ask(node: Node) -> str:
        if node.port:
            both_asked.set()
        return await nodes.ask(node)

    task = asyncio.create_task(first_answer(nodes.all, ask, SOON_S))
    async with asyncio.timeout(60):
        await both_asked.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert nodes.given_up == [0, 1]
