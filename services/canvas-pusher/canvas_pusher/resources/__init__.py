"""One module per kind of row that is pushed over REST: how to find it in Canvas, and how to change it."""
