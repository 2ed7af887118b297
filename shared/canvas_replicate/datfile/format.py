"""The ``.dat`` format (DESIGN section 8).

UTF-8, no header, ``|`` between fields, text and dates enclosed in ``"`` (doubled inside), numbers bare,
NULL is nothing, ``#EOR#`` and a newline end a record. Oracle's rule holds: an empty string is NULL.
"""

FIELD_END = "|"
ENCLOSURE = '"'
RECORD_END = "#EOR#\n"
