"""The words of control files: those that are read, and those that are refused, with the reason."""

from __future__ import annotations

import re

CODE = "config.control_file"
FIELD_WORDS = ("FILLER", "BOUNDFILLER", "TERMINATED", "OPTIONALLY", "ENCLOSED", "NULLIF")
MODES = ("APPEND", "INSERT", "REPLACE", "TRUNCATE")
CHARSETS = ("AL32UTF8", "UTF8")
OPTIONS = (
    *("BINDSIZE", "COLUMNARRAYROWS", "DATE_CACHE", "DEGREE_OF_PARALLELISM", "DIRECT", "DIRECT_PATH_LOCK_WAIT"),
    *("EMPTY_LOBS_ARE_NULL", "ERRORS", "EXTERNAL_TABLE", "LOAD", "MULTITHREADING", "NO_INDEX_ERRORS", "PARALLEL"),
    *("READSIZE", "RESUMABLE", "RESUMABLE_NAME", "RESUMABLE_TIMEOUT", "ROWS", "SILENT", "SKIP"),
    *("SKIP_INDEX_MAINTENANCE", "SKIP_UNUSABLE_INDEXES", "STREAMSIZE", "TRIM"),
)
TEXT_OPTIONS = ("RESUMABLE_NAME",)
TABLE_TYPES = {
    "BLOB": "CHAR(n) with an SQL expression",
    "NUMBER": "DECIMAL EXTERNAL",
    "NUMERIC": "DECIMAL EXTERNAL",
    **dict.fromkeys(("CLOB", "NCHAR", "NCLOB", "NVARCHAR2"), "CHAR(n)"),
    "VARCHAR2": "CHAR(80) for VARCHAR2(80)",
}
REASONS = {
    "BEGINDATA": "data is in a separate file here, not in the control file",
    "BYTEINT BYTEORDER DOUBLE GRAPHIC RAW SMALLINT VARGRAPHIC VARRAW VARRAWC": "data files are text",
    "BFILE COLUMN NESTED OID REF VARRAY": "only scalar columns of one table are loaded here",
    "CONCATENATE CONTINUEIF": "in a data file a record is one piece that ends with #EOR# and a newline",
    "CONTINUE_LOAD": "a load is never resumed here, it is repeated whole",
    "CSV": "data files have their own separator, enclosure and record end",
    "DEFAULTIF": "it sets NULL or zero, by type and by Oracle's release; write NULLIF or an expression",
    "EOF": "a field of a data file ends with '|' or with its record",
    "FORMAT": "write the mask at each field",
    "INTERVAL": "load it as CHAR with an SQL expression",
    "LOBFILE SDF": "every value is in the data file here",
    "NO": "leave the clause out instead of negating it",
    "OR": "SQL*Loader combines conditions with AND only",
    "PARTITION SUBPARTITION": "the table is loaded as a whole here",
    "POSITION": "the fields of a data file are found by the '|' between them",
    "REENABLE": "constraints stay enabled here",
    "SINGLEROW SORTED": "Oracle maintains the indexes",
    "VARCHAR VARCHARC": "it is a field with its length before it; write CHAR(n)",
    "WHITESPACE": "it skips runs of blanks, so a NULL would shift the columns after it; fields of a data file end with"
    " '|'",
}
# Clauses about the layout of a data file. Data files have one layout, so these can be left out.
LAYOUT = ("BEGINDATA", "BYTEORDER", "CONCATENATE", "CONTINUEIF", "CSV", "EOF", "POSITION", "WHITESPACE")
REFUSED = {word: reason for words, reason in REASONS.items() for word in words.split()}

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
RECORD_END = re.compile(r"\s*STR\s*(?P<hex>X?)(?P<quote>['\"])(?P<text>.*)(?P=quote)\s*", re.I | re.S)
TOKEN = re.compile(
    r"""(?P<space>\s+|(?<![^\s,()'"])--[^\n]*)
      | (?P<hex>[xX]'[^']*'|[xX]"[^"]*")
      | (?P<word>[A-Za-z_][\w$\#]*)
      | (?P<number>\d+)
      | (?P<text>'[^']*')
      | (?P<quoted>"(?:\\"|[^"\\]|\\(?!"))*")
      | (?P<symbol><>|!=|.)""",
    re.VERBOSE | re.DOTALL,
)
