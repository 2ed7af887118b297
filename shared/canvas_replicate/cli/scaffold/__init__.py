"""A new table's files from the columns of its source, and the migration after the source has changed.

Everything here turns texts into texts. ``changes.write_together`` alone writes, and only files.
"""
