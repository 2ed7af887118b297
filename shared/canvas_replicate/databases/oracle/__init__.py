"""Oracle behind all four database ports, through oracledb; SQL*Loader where it is installed."""
