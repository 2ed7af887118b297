"""The words of control files: those that are read, and those that are refused, with the reason."""

from __future__ import annotations

import re

CODE = "config.control_file"
FIELD_WORDS = ("FILLER", "BOUNDFILLER", "TERMINATED", "OPTIONALLY", "ENCLOSED", "NULLIF")
MODES = ("APPEND", "INSERT", "REPLACE", "TRUNCATE")
CHARSETS = ("AL32UTF8", "UTF8")
OPTIONS = (
    *("BINDSIZE", "COLUMNARRAYROWS", "DATE_CACHE", "DIRECT", "ERRORS", "LOAD", "MULTITHREADING", "PARALLEL"),
    *("READSIZE", "RESUMABLE", "ROWS", "SILENT", "SKIP", "SKIP_INDEX_MAINTENANCE", "SKIP_UNUSABLE_INDEXES"),
    "STREAMSIZE",
)
TABLE_TYPES = {
    "BLOB": "CHAR(n) with an SQL expression",
    "NUMBER": "DECIMAL EXTERNAL",
    "NUMERIC": "DECIMAL EXTERNAL",
    **dict.fromkeys(("CLOB", "NCHAR", "NCLOB", "NVARCHAR2"), "CHAR(n)"),
    "VARCHAR2": "CHAR(80) for VARCHAR2(80)",
}
REASONS = {
    "AND": "the closing enclosure must be the opening one",
    "BEGINDATA": "data is in a separate file here, not in the control file",
    "BYTEINT BYTEORDER DOUBLE GRAPHIC RAW SMALLINT VARGRAPHIC VARRAW VARRAWC": "data files are text",
    "BFILE COLUMN NESTED OID REF VARRAY": "only scalar columns of one table are loaded here",
    "CONCATENATE CONTINUEIF": "a record is one piece here; INFILE '...' \"STR '...'\" gives its end",
    "CONTINUE_LOAD": "a load is never resumed here, it is repeated whole",
    "CSV": "write TERMINATED BY and OPTIONALLY ENCLOSED BY, and the record end in INFILE '...' \"STR '...'\"",
    "DEFAULTIF": "it sets NULL or zero, by type and by Oracle's release; write NULLIF or an expression",
    "EOF": "a field ends within its record here",
    "FORMAT": "write the mask at each field",
    "INTERVAL": "load it as CHAR with an SQL expression",
    "LOBFILE SDF": "every value is in the data file here",
    "NO": "leave the clause out instead of negating it",
    "OR": "SQL*Loader combines conditions with AND only",
    "PARTITION SUBPARTITION": "the table is loaded as a whole here",
    "POSITION": "a field is found by its terminator here",
    "REENABLE": "constraints stay enabled here",
    "SINGLEROW SORTED": "Oracle maintains the indexes",
    "VARCHAR VARCHARC": "it is a field with its length before it; write CHAR(n)",
    "WHITESPACE": "it skips runs of blanks, so a NULL would shift the columns after it; write X'09' or '|'",
}
REFUSED = {word: reason for words, reason in REASONS.items() for word in words.split()}

FIELDS_EXAMPLE = "Write FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"'."
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
RECORD_END = re.compile(r"\s*STR\s*(?P<hex>X?)(?P<quote>['\"])(?P<text>.*)(?P=quote)\s*", re.I | re.S)
TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
      | (?P<hex>[xX]'[^']*'|[xX]"[^"]*")
      | (?P<word>[A-Za-z_][\w$\#]*)
      | (?P<number>\d+)
      | (?P<text>'[^']*')
      | (?P<quoted>"(?:\\"|[^"\\]|\\(?!"))*")
      | (?P<symbol><>|!=|.)""",
    re.VERBOSE | re.DOTALL,
)
