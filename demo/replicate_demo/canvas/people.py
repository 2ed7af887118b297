"""What an administrator does about people in Canvas's pages: another login, an observer, two users made one."""

from __future__ import annotations

from dataclasses import replace

from replicate_demo.canvas.enrollments import build_key
from replicate_demo.canvas.model import Login, Observation, State, make_id
from replicate_demo.canvas.users import make_login


def add_login(state: State, user_id: int, sis_id: str | None, *, unique_id: str | None = None) -> Login:
    """Give a user one more login, as an administrator does. ``unique_id`` left out is made up."""
    user = state.users[user_id]
    return make_login(state, user, unique_id or f"login{make_id(state.logins)}", user.updated_at, sis_id=sis_id)


def add_observer(state: State, observer_id: int, student_id: int, *, sis_batch_id: int | None = None) -> Observation:
    made = Observation(
        id=make_id(state.observations), observer_id=observer_id, student_id=student_id, sis_batch_id=sis_batch_id
    )
    state.observations[made.id] = made
    return made


def merge_users(state: State, losing_id: int, into_id: int) -> None:
    """The logins and enrollments go over to the other user, and the losing one is deleted (fact sheet 4.8).

    An enrollment that both have stays the surviving user's; the losing one's is deleted.
    """
    kept = {replace(build_key(each), user_id=0) for each in state.enrollments_of(into_id)}
    for enrollment in state.enrollments_of(losing_id):
        if replace(build_key(enrollment), user_id=0) in kept:
            enrollment.workflow_state = "deleted"
        else:
            enrollment.user_id = into_id
    for login in state.logins.values():
        if login.user_id == losing_id:
            login.user_id = into_id
    state.users[losing_id].workflow_state = "deleted"
    state.forget_owners()
