"""A new table's files from what its source says, and the migration once the source has changed.

Everything here plans: texts in, texts out. ``changes.write_together`` alone writes, and only files.
"""
