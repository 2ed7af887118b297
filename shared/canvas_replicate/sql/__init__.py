"""Oracle SQL as text: its grammar, the tables that a query reads, its translation for other engines. No driver."""
