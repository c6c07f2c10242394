"""Waiting for the next thing to happen, without missing what happens meanwhile."""

from __future__ import annotations

import asyncio

from gateway.state.redis.news import News


async def test_who_waits_is_woken_each_time() -> None:
    """All who wait are, and whoever waits again waits for the next."""
    news = News()
    waiting = [asyncio.create_task(news.after(0, 60)) for _ in range(2)]
    await asyncio.sleep(0)
    news.tell()
    await asyncio.gather(*waiting)
    again = asyncio.create_task(news.after(1, 60))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not again.done()
    news.tell()
    await again


async def test_what_happens_before_the_wait_is_not_missed() -> None:
    """Who was at work when it happened does not wait at all."""
    news = News()
    seen = news.count
    news.tell()
    await asyncio.wait_for(news.after(seen, 3600), 60)


async def test_without_news_the_wait_ends_by_itself() -> None:
    """Work that is due now and then is done without any news."""
    news = News()
    await asyncio.wait_for(news.after(news.count, 0.01), 60)
    assert news.count == 0
