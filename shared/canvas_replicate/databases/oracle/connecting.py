"""Sessions on one Oracle database, with deadlines that hold on a silent server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import oracledb
from pydantic import SecretStr

from canvas_replicate.databases.logins import trying_login
from canvas_replicate.databases.oracle.address import Address, read_address
from canvas_replicate.databases.oracle.errors import translate_errors
from canvas_replicate.databases.ports import Tag
from canvas_replicate.errors import ConfigError, TransientError

# The driver's own connect timeout ends with the TCP connection: a listener that accepts and then is silent
# would hold it for ever (oracle.md 2.3).
CONNECT_SECONDS = 30.0
CALL_SECONDS = 3600.0
_PING_SECONDS = 5.0
# How numbers and moments are written as text must not depend on the environment.
_SESSION = (
    "ALTER SESSION SET TIME_ZONE = '+00:00'",
    "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'",
    "ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS'",
    "ALTER SESSION SET NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF9'",
    "ALTER SESSION SET NLS_TIMESTAMP_TZ_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF9TZH:TZM'",
)

Connection = oracledb.Connection
Secret = SecretStr | None

_thick_started = threading.Lock()


class Oracle:
    """Where the database is and who logs in. Connects only when a session is wanted.

    ``call_seconds`` limits one answer of the server: the first rows of a query, or a whole view refresh.
    """

    def __init__(
        self, url: str, password: Secret = None, *, wallet_password: Secret = None, call_seconds: float = CALL_SECONDS
    ) -> None:
        """Raises ConfigError for a URL that cannot be read."""
        self.address: Address = read_address(url)
        self.password = password
        self._wallet_password = wallet_password
        self._call_seconds = call_seconds

    def __repr__(self) -> str:
        return f"Oracle({self.address.name})"

    def connect(self, tag: Tag | None = None) -> oracledb.Connection:
        """Open a session. ``tag`` is what a DBA sees of it in V$SESSION.

        Raises TransientError when the server cannot be reached or does not answer, LoginRefused when it refuses the
        login.
        """
        doing = f"connecting to {self.address.name}"
        if self.address.thick:
            _start_thick(self.address)
        account = (self.address.name, self.address.user, self.password)
        with trying_login(account), translate_errors(doing):
            connection = connect_within(CONNECT_SECONDS, self._open, doing)
            connection.call_timeout = int(CONNECT_SECONDS * 1000)
            if tag:
                mark_session(connection, tag)
            try:
                with connection.cursor() as cursor:
                    for statement in _SESSION:
                        cursor.execute(statement)
            except oracledb.Error:
                connection.close()
                raise
            connection.call_timeout = int(self._call_seconds * 1000)
        return connection

    def _open(self) -> oracledb.Connection:
        address = self.address
        wallet_password = self._wallet_password.get_secret_value() if self._wallet_password else None
        options = {"config_dir": address.config_dir, "wallet_location": address.wallet_location}
        options["wallet_password"] = wallet_password
        return oracledb.connect(
            user=address.user,
            password=self.password.get_secret_value() if self.password else None,
            dsn=address.dsn,
            externalauth=address.user is None,
            tcp_connect_timeout=CONNECT_SECONDS / 2,
            expire_time=2,  # minutes; a firewall must not drop what waits for a long refresh
            sdu=65535,
            program="canvas-replicate",
            # Whether numbers come exact is decided when a text is first parsed: nothing is taken from a cache.
            stmtcachesize=0,
            **{name: value for name, value in options.items() if value is not None},
        )


def mark_session(connection: oracledb.Connection, tag: Tag | None) -> None:
    """Who works, on what and in which run, as V$SESSION shows it; without a tag nothing."""
    connection.module, connection.action = (tag.stage[:48], tag.table[:32]) if tag else ("", "")
    connection.client_identifier = tag.run_id[:64] if tag else ""


def is_alive(connection: oracledb.Connection) -> bool:
    with suppress(oracledb.Error, OSError):
        before = connection.call_timeout
        connection.call_timeout = int(_PING_SECONDS * 1000)
        connection.ping()
        connection.call_timeout = before
        return True
    return False


def close_quietly(connection: oracledb.Connection) -> None:
    """Roll an open transaction back, and close. The server has done so already for a session that is gone."""
    with suppress(oracledb.Error, OSError):
        connection.close()


def connect_within(seconds: float, opening: Callable[[], oracledb.Connection], doing: str) -> oracledb.Connection:
    """Return the result of ``opening``, or raise TransientError after that time; a later result is closed."""
    ended: list[oracledb.Connection | BaseException] = []
    given_up = threading.Event()
    handing_over = threading.Lock()  # either the caller takes the connection, or the thread closes it

    def run() -> None:
        try:
            opened = opening()
        except BaseException as error:  # noqa: BLE001  # handed to the caller, who raises it
            ended.append(error)
            return
        with handing_over:
            ended.append(opened)
        if given_up.is_set():
            opened.close()

    thread = threading.Thread(target=run, name=doing, daemon=True)
    thread.start()
    thread.join(seconds)
    with handing_over:
        if not ended:
            given_up.set()
    if given_up.is_set():
        raise TransientError(f"{doing}: no answer in {seconds:.0f} seconds.", code="oracle.silent")
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


def _start_thick(address: Address) -> None:
    """Once per process; a process has one mode."""
    with _thick_started:
        if not oracledb.is_thin_mode():
            return
        try:
            oracledb.init_oracle_client(lib_dir=address.lib_dir, config_dir=address.config_dir)
        except oracledb.Error as error:
            first_line = str(error).partition("\n")[0]
            problem = f"Oracle's client libraries cannot be used: {first_line}"
            step = "Install them, name their folder as ?lib_dir=/path in the URL, or use ?mode=thin."
            raise ConfigError(problem, next_step=step) from None
