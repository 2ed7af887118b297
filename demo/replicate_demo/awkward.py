"""Texts that have broken a copy somewhere: each is ordinary input for a student system.

None of them holds the record terminator of a ``.dat`` file (``#EOR#`` and a newline): such a value stops a
table on purpose, and this campus is one whose every table can be copied. Each text is joined to the next one
with a blank, never with a newline, so that this stays true.
"""

from __future__ import annotations

FIRST_NAMES = """
Aaliyah Aaron Abigail Adrián Aiko Alejandra Amara Amina Andrés Anh Anna Anya Arjun Astrid Ayşe Benjamin
Björn Brianna Camila Carlos Chidi Chloé Clara Daniel Daria Deshawn Diego Dimitri Elena Eli Emeka Emma
Esther Fatima Felix Fiona Gabriel Giulia Grace Hannah Haruto Hiro Ibrahim Ingrid Isabel Ivan Jamal
Jasmine Jin José Jürgen Kai Kateřina Keisha Kwame Laila Lars Léa Liam Lina Łukasz Malik María Mateo Mei
Minh Moana Nadia Naomi Ngozi Noah Nomvula Olga Oluwaseun Omar Paloma Pedro Priya Quỳnh Rafael Rania René
Rosa Ruth Samir Sara Siobhán Søren Sven Tariq Thảo Tomás Uma Valentina Victor Wei Xiomara Yara Yusuf
Zanele Zoë
""".split()  # noqa: SIM905 - readable as a paragraph, not as a hundred quoted lines

LAST_NAMES = """
Abdi Acheampong Adebayo Aguilar Ahmed Álvarez Andersson Baker Banerjee Begum Bianchi Bondarenko Brown
Calderón Chen Chukwu Clarke Cohen Cruz Dąbrowski Davies Diallo Dlamini Dubois Eriksen Fernández Fischer
Flores Fujita García Goldberg González Gunnarsdóttir Gupta Hernández Hoang Horváth Hussain Ivanova
Jackson Jensen Johnson Kamau Kaur Khan Kim Kovács Kowalski Kumar Lefèvre Li López Mahlangu Martínez
Mbeki Mehta Mendoza Mohamed Müller Muñoz Nakamura Nguyễn Novák Ochieng O’Connor Okafor Oliveira Osei
Papadopoulos Park Patel Pereira Petrov Phạm Popescu Quispe Ramírez Reyes Rossi Saito Sánchez Schmidt
Şahin Silva Singh Smith Sørensen Suzuki Takahashi Tan Taylor Thompson Torres Tran Ueda Vargas Vasquez
Weber Williams Wójcik Wright Yamamoto Yılmaz Young Zhang Zulu
""".split()  # noqa: SIM905 - readable as a paragraph, not as a hundred quoted lines

NAMES = (
    "Null",
    "null",
    "NA",
    "N/A",
    "None",
    "nan",
    "True",
    "off",
    "007",
    "1e5",
    "O'Brien",
    'Jo "Jay" Ann',
    '"',
    '""',
    "Smith|Jones",
    "|",
    "#EOR#",
    "Smith #EOR# Jones",
    "  leading blanks",
    "trailing blanks  ",
    "tab\tinside",
    "line\nbreak",
    "carriage\rreturn",
    "both\r\nof them",
    "\nnewline first",
    "back\\slash\\",
    "\\N",
    "\\.",
    "$varbl1",
    "&ampersand; :colon",
    "; DROP TABLE students; --",
    "=1+1",
    "Zoe\u0308",  # the same name as Zoë to a reader, another one to a computer
    "Nguye\u0302\u0303n",
    "محمد",
    "שָׁלוֹם",
    "محمد (Mo) Ali",
    "李小龍",
    "𠮷野",  # outside the basic plane, where the character set that Oracle calls UTF8 goes wrong
    "Ana 🎓",
    "👩🏽‍🎓",
    "no\u00a0break",
    "zero\u200bwidth",
    "line\u2028separator",
    "\ufeffmark first",
    "straße ﬁ",
)

SENTENCES = (
    "Student asked about dropping the lab.",
    "Reviewed the degree plan; two electives are missing.",
    "Left a voicemail, will call again on Monday.",
    "Transfer credit from the community college was posted.",
    "Holds: none. Balance: see the bursar.",
    "Discussed summer options and financial aid.",
    "Referred to tutoring for calculus.",
    "Plans to study abroad next fall.",
    "Wants to change major; forms were sent.",
    "Attendance warning from two instructors.",
    "On track to graduate.",
    "No show.",
)

REMARKS = (
    *NAMES,
    'He said "I\'m fine", then left | no follow-up',
    "first line\nsecond line\r\nthird line\rfourth line",
    "ends with a newline\n",
    "ends with a carriage return\r",
    "ends with the marker #EOR#",
    "the marker, a blank and a newline #EOR# \nare no record end",
    "a|b||c|",
    '"quoted from end to end"',
    'one " alone',
    ' "blank, then quoted"',
    "<b>not bold</b> &amp; 100% {braces} [brackets] `ticks`",
    "tab\there and\tthere",
    "café, cafe\u0301, naïve, Ångström, ½, €, ™",
    "العربية ثم English ثم עברית",
    "日本語のメモ。改行\nあり",
    "mixed 🎉🎓📚 in a row",
    " ",
    "   ",
)

OPEN_ENDED = "9999-12-31"  # how a PeopleSoft system writes "no end date"


def text_of_length(length: int, pieces: tuple[str, ...]) -> str:
    """The pieces again and again, cut to exactly ``length`` characters (not bytes)."""
    once = " ".join(pieces) + " "
    return (once * (length // len(once) + 1))[:length]
