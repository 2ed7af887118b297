"""Progress objects (fact sheet 4.14). The work behind them is done before they are answered."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import by_number
from replicate_demo.canvas.answers import Answer, json_answer
from replicate_demo.canvas.model import new_id
from replicate_demo.canvas.site import Call


def finished_progress(call: Call, account_id: int, tag: str, text: str) -> dict[str, Any]:
    """It is answered as ``queued`` and completed when it is looked at."""
    number = new_id(call.site.progresses)
    progress = {
        "id": number,
        "context_id": account_id,
        "context_type": "Account",
        "user_id": next(iter(call.state.users)),
        "tag": tag,
        "completion": 100,
        "workflow_state": "completed",
        "created_at": call.stamp,
        "updated_at": call.stamp,
        "message": text,
        "url": f"{call.origin}/api/v1/progress/{number}",
    }
    call.site.progresses[number] = progress
    return {**progress, "completion": 0, "workflow_state": "queued", "message": None}


def show_progress(call: Call) -> Answer:
    return json_answer(by_number(call.site.progresses, call.ids["progress"]))
