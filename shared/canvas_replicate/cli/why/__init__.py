"""``replicate why``: the facts about a table, or a person in a course, the verdict, and the next command."""
