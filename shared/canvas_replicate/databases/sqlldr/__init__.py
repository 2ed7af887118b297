"""SQL*Loader: the control file that it is given, the process, and its log."""
