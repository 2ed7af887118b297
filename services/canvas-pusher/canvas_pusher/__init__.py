"""The stage that pushes changes to Canvas."""

STAGE = "canvas-pusher"


def main() -> None:
    """The program `canvas-pusher`."""
    from canvas_replicate.cli.launch import launch

    launch("canvas_pusher.__main__")
