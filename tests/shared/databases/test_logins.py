"""A refused login is not tried again soon, so that a rotated password locks no account."""

from __future__ import annotations

import pytest
from tests.clocks import Clock

from canvas_replicate.databases.logins import PAUSE_SECONDS, trying_login
from canvas_replicate.errors import LoginRefused

ACCOUNT = ("host/campus", "replicate", "old")


def log_in(account: object, clock: Clock, asked: list[object], *, accepted: bool) -> None:
    with trying_login(account, clock.seconds):
        asked.append(account)
        if not accepted:
            raise LoginRefused("wrong password", code="ORA-01017")


def test_a_refused_login_is_tried_once_in_ten_minutes() -> None:
    clock, asked = Clock(), list[object]()
    for _ in range(5):
        with pytest.raises(LoginRefused) as caught:
            log_in(ACCOUNT, clock, asked, accepted=False)
        assert caught.value.code == "ORA-01017"
    assert asked == [ACCOUNT]
    clock.advance(PAUSE_SECONDS)
    log_in(ACCOUNT, clock, asked, accepted=True)
    log_in(ACCOUNT, clock, asked, accepted=True)
    assert asked == [ACCOUNT] * 3


def test_a_new_password_is_tried_at_once() -> None:
    clock, asked, new = Clock(), list[object](), ("host/campus", "replicate", "new")
    with pytest.raises(LoginRefused):
        log_in(("host/campus", "replicate", "other"), clock, asked, accepted=False)
    log_in(new, clock, asked, accepted=True)
    assert asked[-1] == new
