"""A program with everything loaded that forks one rebuild after another: to be killed, traced or raced.

    python tests/helpers/rebuilder.py

Each line of its standard input is a JSON list, the arguments of scripts/rebuild_index.py. It answers with the ID of a
process that stands still before its first step, and when that one has ended with its exit code and what it said.
The dense model is one that hashes words; all else is the real thing. `Rebuilder` is the tests' side of it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from constants import ROOT


class Rebuilder:
    """Rebuilds in processes of their own, some milliseconds after they are asked for."""

    def __init__(self, *before: str) -> None:
        """`before`: a command that is to run the program, such as `unshare`."""
        path = os.pathsep.join(map(str, (ROOT, ROOT / "scripts", ROOT / "tests", ROOT / "tests" / "helpers")))
        self._program = subprocess.Popen(
            [*before, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def begin(self, arguments: Sequence[str]) -> int:
        """The ID of a process that rebuilds when told to `go_on`."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(arguments) + "\n")
        self._program.stdin.flush()
        process = int(self._answer())
        self._process = os.pidfd_open(process)
        return process

    def go_on(self) -> None:
        """Let it begin."""
        signal.pidfd_send_signal(self._process, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def ended(self) -> tuple[int, str]:
        """Wait for it; its exit code, negative for a signal, and what it said."""
        code, said = self._answer()
        os.close(self._process)
        return code, said

    def run(self, arguments: Sequence[str]) -> tuple[int, str]:
        """A rebuild from start to end."""
        self.begin(arguments)
        self.go_on()
        return self.ended()

    def close(self) -> None:
        """End the program, and what still stands there."""
        os.killpg(self._program.pid, signal.SIGKILL)
        self._program.communicate()

    def _answer(self) -> Any:
        assert self._program.stdout is not None
        return json.loads(self._program.stdout.readline())


def archive_file(folder: Path, articles: int = 40, edition: int = 0) -> Path:
    """A source of small articles; every fourth one's text changes with the edition."""
    path = folder / f"archive-{articles}-{edition}.jsonl"
    records = []
    for at in range(articles):
        words = f"word{at} subject{at % 5} " * 20 + (f"edition{edition}" if at % 4 == 0 else "")
        date = f"2026-11-{1 + at % 20:02}T08:00:00Z"
        records.append({"id": f"a{at}", "headline": f"Headline {at}", "body": words, "published_at": date})
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def rebuild_arguments(source: Path, store: Path, second: int = 0) -> list[str]:
    """What a rebuild of that source is told; `second`: of which moment, so that each makes a snapshot of its own."""
    now = f"2026-11-24T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return ["--source", str(source), "--store", str(store), "--now", now, "--quiet"]


def main() -> None:
    """Fork what is asked for, until nothing more is."""
    import rebuild_index
    from hashing_embedder import HashingEmbedder

    rebuild_index.tqdm.set_lock(threading.RLock())  # all forks share its own: one killed with it stops the rest
    rebuild_index._embedder = lambda _: HashingEmbedder()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # loads what loads late
        rebuild_index.main(rebuild_arguments(archive_file(Path(folder), 5), Path(folder) / "store"))
    for line in sys.stdin:
        heard, told = os.pipe()
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGSTOP)
            with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
                code = rebuild_index.main(json.loads(line))
            os.writev(told, [said.getvalue().encode()])  # no write(2): a trace counts those of the rebuild alone
            os._exit(code)
        os.close(told)
        os.waitpid(child, os.WUNTRACED)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        with os.fdopen(heard) as said_by_child:
            print(json.dumps([os.waitstatus_to_exitcode(status), said_by_child.read()]), flush=True)


if __name__ == "__main__":
    main()
