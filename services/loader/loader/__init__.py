"""Loads verified files into base tables and refreshes their views."""


def main() -> None:
    """The program `loader`."""
    from canvas_replicate.cli.launch import launch

    launch("loader.__main__")
