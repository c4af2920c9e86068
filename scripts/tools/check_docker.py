"""Exercise the Dockerfile on a machine without a container engine, as far as that goes.

    python scripts/tools/check_docker.py

The file is parsed and its rules are checked: what it copies exists and is not ignored, the user is
not root, everything written goes to the volume. Then its steps run in a temporary directory laid
out like the image: the build stage's RUN lines with a fresh environment, a rebuild from the sample
newsroom, a page and a feed under the image's own variables, a start, the health check, a lookup, a
stop. As root, these run as the image's user, with the whole file system read-only but for the data
directory.
The last lines say what was not exercised.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.tools.server_process import free_port

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (
    "python scripts/sample/newsroom.py --out /data/sample.jsonl",
    "python scripts/rebuild_index.py --source /data/sample.jsonl --source /data/others --store /data/store --quiet",
    "python scripts/ab_simulate.py --help",  # imports its siblings as scripts.*
)
TEXT = "The ferry stays at its jetty until the harbour office has looked at the engine. " * 5
PAGE = "<html><head><title>Ferry</title></head><body><article><h1>Ferry stays ashore</h1><p>{}</p></article>"
FEED = "<rss><channel><item><guid>f1</guid><title>Ferry</title><description>{}</description></item></channel></rss>"
OTHERS = {"page.html": PAGE.format(TEXT), "feed.xml": FEED.format(TEXT)}  # formats that need the extra `sources`
CONFINE = 'mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"'


class Fault(Exception):
    """A rule that the Dockerfile breaks, or a step that failed; the message says which."""


@dataclass
class Stage:
    """One FROM and the instructions under it."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def arguments(self, instruction: str) -> list[str]:
        """The arguments of every such instruction, in order."""
        return [text for name, text in self.steps if name == instruction]

    def last(self, instruction: str) -> str:
        """The arguments of the last such instruction. Raises Fault when there is none."""
        if found := self.arguments(instruction):
            return found[-1]
        raise Fault(f"the stage from {self.base} has no {instruction}")


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile: comments dropped, continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        elif not stages:
            raise Fault(f"{instruction} stands before the first FROM")
        else:
            stages[-1].steps.append((instruction, rest.strip()))
    return stages


def check_rules(stages: Sequence[Stage]) -> None:
    """What can be told from reading. Raises Fault."""
    if len(stages) != 2 or len({stage.base for stage in stages}) != 1:
        raise Fault("two stages from the same base image are expected")
    build, final = stages
    if not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", final.last("USER")):
        raise Fault(f"USER {final.last('USER')} must be a number, and not root's")
    for text in [argument for stage in stages for argument in stage.arguments("COPY")]:
        if text.startswith("--from="):
            if text.split()[0] != f"--from={build.name}":
                raise Fault(f"COPY {text}: no such stage")
            continue
        for source in text.split()[:-1]:
            if not (ROOT / source).exists() or is_ignored(source):
                raise Fault(f"COPY {source}: not there, or left out by .dockerignore")
    settings = variables(final, {})
    if settings["RELATED_PORT"] != final.last("EXPOSE") or settings["RELATED_HOST"] != "0.0.0.0":  # noqa: S104
        raise Fault("RELATED_HOST and RELATED_PORT must be what EXPOSE opens")
    for name in ("RELATED_STORE", "RELATED_SEARCH_SOCKET", "HOME", "TMPDIR"):
        if Path(final.last("VOLUME")) not in [Path(settings[name]), *Path(settings[name]).parents]:
            raise Fault(f"{name} must lie on the volume: nothing else can be written")


def is_ignored(path: str) -> bool:
    """Whether .dockerignore leaves a path of the root directory out: the last pattern that fits decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not line.startswith("#") and fnmatch.fnmatch(path, pattern):
            ignored = not line.startswith("!")
    return ignored


def variables(stage: Stage, before: dict[str, str]) -> dict[str, str]:
    """The environment after a stage's ENV lines."""
    values = dict(before)
    for text in stage.arguments("ENV"):
        for assignment in shlex.split(text):
            name, _, value = assignment.partition("=")
            values[name] = re.sub(r"\$(\w+)", lambda match: values.get(match[1], ""), value)
    return values


class Image:
    """A directory that stands for the image's root."""

    def __init__(self, root: Path, stages: Sequence[Stage]) -> None:
        self.root = root
        self.build, self.final = stages
        self.not_exercised = [f"the base image {self.final.base}: {sys.version.split()[0]} of this machine instead"]
        places = [self.build.last("WORKDIR"), self.final.last("WORKDIR"), self.final.last("VOLUME"), "/venv"]
        self._places = re.compile(rf"(?<![\w./-])({'|'.join(sorted(set(places)))})(?![\w-])")

    def here(self, text: str) -> str:
        """A line of the Dockerfile with the image's paths turned into this directory's."""
        return self._places.sub(rf"{self.root}\1", text)

    def environment(self, stage: Stage) -> dict[str, str]:
        """This process's environment without what is the project's, and the stage's own."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RELATED_", "PYTHON", "VIRTUAL_ENV"))}
        kept |= {"PATH": f"{self.root}/usr/local/bin:{os.defpath}", "LD_LIBRARY_PATH": f"{self.root}/usr/local/lib"}
        kept["PIP_QUIET"] = "2"
        return {name: self.here(value) for name, value in variables(stage, kept).items()}

    def lay_python(self) -> None:
        """Put this machine's Python where the base image has one; a copy, since root's may be closed to others."""
        programs = self.root / "usr/local/bin"
        programs.mkdir(parents=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        if os.geteuid() == 0:
            shutil.copy2(base, programs / version)
            (self.root / "usr/local/lib").mkdir()
            left_out = shutil.ignore_patterns("site-packages", "dist-packages", "test", "__pycache__")
            library = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})
            if shared := sysconfig.get_config_var("INSTSONAME"):
                shutil.copy2(Path(sysconfig.get_config_var("LIBDIR"), shared), self.root / "usr/local/lib")
            shutil.copytree(library, self.root / "usr/local/lib" / version, ignore=left_out, symlinks=False)
        else:
            (programs / version).symlink_to(base)
        (programs / "python").symlink_to(version)

    def run_build_stage(self) -> None:
        """Run COPY and RUN of the first stage, in order."""
        folder = self.root
        for instruction, text in self.build.steps:
            if instruction == "WORKDIR":
                folder = Path(self.here(text))
                folder.mkdir(parents=True)
            elif instruction == "COPY":
                copy(text.split(), folder)
            elif instruction == "RUN":
                print(f"RUN {text}", flush=True)
                subprocess.run(
                    ["sh", "-ec", self.here(text)], cwd=folder, env=self.environment(self.build), check=True
                )
        shutil.rmtree(self.here(self.build.last("WORKDIR")))

    def lay_final_stage(self) -> None:
        """Lay what the second stage copies; the environment is in its place already."""
        for text in self.final.arguments("COPY"):
            if not text.startswith("--from="):
                copy([self.here(word) for word in text.split()], self.root)
            elif len(set(text.split()[1:])) != 1:
                raise Fault(f"COPY {text}: an environment works only at the path it was made at")
        self.not_exercised += [" ".join(["RUN", *text.split()]) for text in self.final.arguments("RUN")]
        Path(self.here(self.final.last("VOLUME"))).mkdir()

    def confined(self) -> list[str]:
        """What to put before a command so that it runs as the image's user and can write data only."""
        data, user = self.here(self.final.last("VOLUME")), self.final.last("USER").split(":")
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.not_exercised.append(f"the user {user[0]} and the read-only root (run this as root on Linux)")
            return []
        os.chown(data, int(user[0]), int(user[-1]))
        drop = ["setpriv", "--reuid", user[0], "--regid", user[-1], "--clear-groups", "--no-new-privs"]
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
            self.not_exercised.append("the read-only root (no mount namespaces here)")
            return drop
        return ["unshare", "--mount", "sh", "-c", CONFINE, "sh", data, *drop]

    def run_service(self) -> None:
        """Index the sample newsroom, serve it, ask for its health and a list, stop it."""
        folder, environment = Path(self.here(self.final.last("WORKDIR"))), self.environment(self.final)
        environment |= {"RELATED_HOST": "127.0.0.1", "RELATED_PORT": str(free_port())}
        before = self.confined()
        others = Path(self.here("/data/others"))
        others.mkdir()
        for name, content in OTHERS.items():
            (others / name).write_text(content)
        for command in SAMPLE:
            print(f"run {command}", flush=True)
            subprocess.run([*before, *shlex.split(self.here(command))], cwd=folder, env=environment, check=True)
        command = json.loads(self.final.last("CMD"))
        health = json.loads(self.final.last("HEALTHCHECK").partition("CMD ")[2])
        print(f"CMD {command}", flush=True)
        server = subprocess.Popen([*before, *command], cwd=folder, env=environment)
        try:
            wait_for(lambda: subprocess.run(health, env=environment, capture_output=True).returncode == 0, "health")
            wait_for(Path(environment["RELATED_SEARCH_SOCKET"]).exists, "the search process")
            first = (Path(self.here("/data/sample.jsonl"))).read_text().partition("\n")[0]
            address = f"http://127.0.0.1:{environment['RELATED_PORT']}"
            for article_id in (json.loads(first)["id"], "page", "f1"):
                check_list(address, article_id)
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(30)
        if code != 0:
            raise Fault(f"the server ended with code {code} after SIGTERM")


def copy(words: Sequence[str], folder: Path) -> None:
    """COPY: files into a directory, or the contents of one directory."""
    target = folder / words[-1]
    for source in (ROOT / word for word in words[:-1]):
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


def wait_for(happened, what: str, seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    """Return when `happened()` is true. Raises Fault when it is not in time."""
    give_up = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > give_up:
            raise Fault(f"{what}: nothing after {seconds:g} s")
        time.sleep(0.2)


def check_list(address: str, article_id: str) -> None:
    """The service gives an article's related list, and it is not empty. Raises Fault."""
    url = f"{address}/v1/related?id={urllib.parse.quote(article_id)}"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        items = json.load(answer)["items"]
    print(f"GET {url}: {len(items)} stories")
    if not items:
        raise Fault("the list is empty")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; returns its exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    try:
        stages = parse((ROOT / "Dockerfile").read_text())
        check_rules(stages)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            image = Image(Path(folder), stages)
            image.lay_python()
            image.run_build_stage()
            image.lay_final_stage()
            image.run_service()
    except (Fault, subprocess.CalledProcessError) as error:
        print(f"error: Dockerfile: {error}", file=sys.stderr)
        return 1
    print("Dockerfile: its steps work. Not exercised:", *image.not_exercised, "layers and their sizes", sep="\n  - ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
