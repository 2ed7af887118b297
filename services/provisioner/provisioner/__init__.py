"""Turns Canvas's provisioning reports into data files."""


def main() -> None:
    """The program `provisioner`."""
    from canvas_replicate.cli.launch import launch

    launch("provisioner.__main__")
