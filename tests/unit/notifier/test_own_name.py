"""The name for a mail server's greeting: the full one when the DNS says it, and never a wait for it without end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from services.notifier.channel.own_name import OwnName

WITHIN_S = 10.0


class SlowDns:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.questions = 0

    def look_up(self) -> str:
        self.questions += 1
        self.may_answer.wait(WITHIN_S)
        return "shop-1.shop.example"


@pytest.fixture
def dns() -> Iterator[SlowDns]:
    dns = SlowDns()
    yield dns
    dns.may_answer.set()


async def test_the_full_name_is_asked_for_once(dns: SlowDns) -> None:
    dns.may_answer.set()
    name = OwnName(dns.look_up, timeout_s=WITHIN_S)
    assert [await name.get(), await name.get()] == ["shop-1.shop.example"] * 2
    assert dns.questions == 1


async def test_while_the_dns_is_silent_the_short_name_serves(dns: SlowDns) -> None:
    assert await OwnName(dns.look_up, timeout_s=0.01).get() == socket.gethostname()


async def test_a_late_answer_counts_from_then_on(dns: SlowDns) -> None:
    name = OwnName(dns.look_up, timeout_s=0.01)
    await name.get()
    dns.may_answer.set()
    async with asyncio.timeout(WITHIN_S):
        while await name.get() != "shop-1.shop.example":
            pass
    assert dns.questions == 1
