"""A real PostgreSQL server, and proxies that delay or cut connections to it."""

import itertools
import os
import pwd
import select
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import text

from reconciler.ledger.database import Database
from reconciler.ledger.location import Location

NOWHERE = Path("/nonexistent/ledger.db")

# Debian installs the programs of the server by version, outside the PATH.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))


class Server:
    """PostgreSQL cluster in a separate folder, with a socket in that folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count()
        # The server refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            os.chown(folder, *_ids(self.user))

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [PROGRAMS / program, *arguments],
            user=self.user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def start(self) -> None:
        data = str(self.folder / "data")
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self.run("initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync")
        self.run("pg_ctl", "-D", data, "-w", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def new_database(self, encoding: str = "UTF8") -> str:
        name = f"ledger_{next(self.numbers)}"
        form = ("-E", encoding, "-T", "template0", "--locale", "C")
        self.run("createdb", "-h", str(self.folder), "-U", "tester", *form, name)
        return f"postgresql://tester:canary@/{name}?host={self.folder}"


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def execute(url: str, statement: str) -> Any:
    """Run a statement on a separate connection, and return the first value of its result."""
    database = Database(Location.of(url, default=NOWHERE), read_only=False)
    with database.session() as session:
        result = session.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    database.close()
    return value


class Proxy:
    """Local port that forwards to a server, and can be made to hang.

    `freeze` keeps every connection open but forwards nothing; `stuck` is set once data waits.
    """

    def __init__(self, server: "Server") -> None:
        self._socket = server.folder / ".s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._frozen = threading.Event()
        self.stuck = threading.Event()
        self._ends: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def url(self, database_url: str) -> str:
        name = database_url.partition("@/")[2].partition("?")[0]
        port = self._listener.getsockname()[1]
        return f"postgresql://tester:canary@127.0.0.1:{port}/{name}"

    def freeze(self) -> None:
        self._frozen.set()

    def close(self) -> None:
        # A thread that waits on a closed descriptor would wait on the next file that gets its
        # number.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(self._socket))
            self._ends += [client, upstream]
            threading.Thread(target=self._relay, args=(client, upstream), daemon=True).start()

    def _relay(self, client: socket.socket, upstream: socket.socket) -> None:
        other = {client: upstream, upstream: client}
        try:
            while True:
                for ready in select.select([client, upstream], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if self._frozen.is_set():
                        self.stuck.set()
                        threading.Event().wait()  # hold the received data forever
                    other[ready].sendall(data)
        except (OSError, ValueError):
            return
        finally:
            client.close()
            upstream.close()
