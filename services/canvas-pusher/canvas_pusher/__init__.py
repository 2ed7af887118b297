"""The stage that pushes changes to Canvas."""

STAGE = "canvas-pusher"
