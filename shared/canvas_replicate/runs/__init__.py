"""Opening runs, running them to their end in one process, and what their outcome means."""
