"""Why a table, or a person in a course, is as it is: facts gathered, a verdict drawn from them, and what to type."""
