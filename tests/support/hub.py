"""A Hub on this machine: repositories with commits and large files, which fails at any step on demand."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_0123456789abcdefSECRET"

# The steps of a push, in their order, by the requests that they are made of.
STEPS = {
    "create": r"POST /api/repos/create",
    "validate": r"POST /api/validate-yaml",
    "preupload": r"POST /api/models/[^/]+/[^/]+/preupload/",
    "batch": r"POST /[^/]+/[^/]+\.git/info/lfs/objects/batch",
    "upload": r"PUT /lfs/",
    "verify": r"POST /verify",
    "commit": r"POST /api/models/[^/]+/[^/]+/commit/",
}


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repository:
    """The commits of a repository, oldest first, each with its files; `large` names those in large file storage."""

    private: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    large: set[str] = field(default_factory=set)

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1]

    def commit(self, files: dict[str, bytes]) -> str:
        name = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits.append((name, files))
        return name

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        found = [one for one in self.commits if one[0] == revision]
        return self.commits[-1] if revision == "main" else next(iter(found), None)


@dataclass
class LocalHub:
    """What the Hub holds and was asked for; `faults` has what happens at a step instead of its answer.

    A fault is a status with which it is refused, ``drop`` (no answer), ``garbage`` (no JSON), ``silent``, or ``lost``
    (it is done, and there is no answer).
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, int | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, repo: str, files: dict[str, bytes]) -> Repository:
        made = self.repositories[repo] = Repository()
        made.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        if files:
            made.large |= {name for name in files if name.endswith(".safetensors")}
            made.commit({**made.files, **files})
        return made


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.body = self._chunks()
        asked = f"{self.command} {self.path}"
        self.hub.asked.append(asked)
        step = next((name for name, form in STEPS.items() if re.match(form, asked)), None)
        fault = self.hub.faults.get(step or "")
        if fault == "silent":
            self.hub.reached.set()
            self.hub.stopped.wait(30)
        if fault in {"drop", "silent"}:
            self.close_connection = True
            return
        if isinstance(fault, int):
            self._json({"error": f"no, because of {TOKEN}"}, fault)
        elif fault == "garbage":
            self._answer(200, b"<html>", {"Content-Type": "text/html"})
        else:
            self._do(step, lost=fault == "lost")

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _do(self, step: str | None, *, lost: bool) -> None:
        path = urlsplit(self.path).path
        repo = "/".join(path.removeprefix("/api/models").removesuffix(".git").strip("/").split("/")[:2])
        repo = repo.removesuffix(".git")
        open_to_all = step in {"upload", "validate"} or "paths-info" in path or self.command in {"GET", "HEAD"}
        if not open_to_all and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "Invalid credentials"}, 401)
            return
        if lost:
            self._answer = lambda *_, **__: setattr(self, "close_connection", True)  # type: ignore[method-assign]
        if step is not None:
            getattr(self, f"_{step}")(repo)
        elif path == "/api/models":
            self._list()
        elif path.startswith("/api/models/"):
            self._about(repo, path)
        elif path.startswith("/cdn/"):
            self._answer(200, self.hub.objects[path.rpartition("/")[2]])
        else:
            self._resolve(path)

    def _create(self, _: str) -> None:
        asked = json.loads(self.body)
        repo = f"{asked.get('organization') or 'owner'}/{asked['name']}"
        if repo in self.hub.repositories:
            self._json({"error": "You already created this model repo"}, 409)
            return
        self.hub.add(repo, {}).private = asked.get("private") is True or asked.get("visibility") == "private"
        self._json({"url": f"{self.hub.endpoint}/{repo}", "name": repo})

    def _validate(self, _: str) -> None:
        front = json.loads(self.body)["content"].split("---\n")[1]
        assert yaml.safe_load(front)["license"]
        self._json({"errors": [], "warnings": []})

    def _preupload(self, repo: str) -> None:
        files = self.hub.repositories[repo].files
        self._json(
            {
                "files": [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".png")) else "regular",
                        "shouldIgnore": False,
                        "oid": blob_id(files[one["path"]]) if one["path"] in files else None,
                    }
                    for one in json.loads(self.body)["files"]
                ]
            }
        )

    def _batch(self, _: str) -> None:
        objects = [
            {
                **one,
                "actions": {
                    "upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}"},
                    "verify": {"href": f"{self.hub.endpoint}/verify"},
                },
            }
            for one in json.loads(self.body)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _upload(self, _: str) -> None:
        oid = self.path.rpartition("/")[2]
        if hashlib.sha256(self.body).hexdigest() != oid:
            self._json({"error": "other content"}, 400)
            return
        self.hub.objects[oid] = self.body
        self._answer(200, b"")

    def _verify(self, _: str) -> None:
        asked = json.loads(self.body)
        found = self.hub.objects.get(asked["oid"])
        self._json({}, 200 if found is not None and len(found) == asked["size"] else 404)

    def _commit(self, repo: str) -> None:
        header, *lines = map(json.loads, self.body.splitlines())
        made, files = self.hub.repositories[repo], {}
        if header["value"].get("parentCommit") not in {None, made.head}:
            self._json({"error": "A commit has happened since"}, 412)
            return
        for line in lines:
            value = line["value"]
            if line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
                made.large.add(value["path"])
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        commit = made.commit({**made.files, **files})
        self._json({"commitUrl": f"{self.hub.endpoint}/{repo}/commit/{commit}", "commitOid": commit, "success": True})

    def _list(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        wanted = set(query.get("filter", []))
        [words] = query.get("search", [""])
        found = [self._info(repo) for repo, one in self.hub.repositories.items() if not one.private and words in repo]
        self._json([one for one in found if wanted <= set(one["tags"])])

    def _about(self, repo: str, path: str) -> None:
        if repo not in self.hub.repositories:
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif "/paths-info/" in path:
            made = self.hub.repositories[repo]
            paths = [name for name in parse_qs(self.body.decode())["paths"] if name in made.files]
            self._json([self._entry(name, made) for name in paths])
        elif "/tree/" in path:
            made = self.hub.repositories[repo]
            self._json([self._entry(name, made) for name in made.files])
        else:
            self._json(self._info(repo))

    @staticmethod
    def _entry(name: str, made: Repository) -> dict[str, Any]:
        content = made.files[name]
        large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        entry = {"type": "file", "path": name, "size": len(content), "oid": blob_id(content)}
        return {**entry, "lfs": large} if name in made.large else entry

    def _info(self, repo: str) -> dict[str, Any]:
        made = self.hub.repositories[repo]
        readme = made.files.get("README.md", b"").decode()
        card = yaml.safe_load(readme.split("---\n")[1]) if readme.startswith("---") else {}
        return {
            "id": repo,
            "sha": made.head,
            "private": made.private,
            "tags": [*card.get("tags", []), f"license:{card.get('license')}"],
            "library_name": card.get("library_name"),
            "cardData": card,
            "siblings": [{"rfilename": name} for name in made.files],
        }

    def _resolve(self, path: str) -> None:
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        made = self.hub.repositories.get(found[1]) if found else None
        hidden = made is None or (made.private and self.headers.get("Authorization") != f"Bearer {TOKEN}")
        if found is None or made is None or hidden:
            error = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self._answer(401, b"", error)
            return
        at = made.at(unquote(found[2]))
        if at is None or found[3] not in at[1]:
            kind = "Revision" if at is None else "Entry"
            self._answer(404, b"", {"X-Error-Code": f"{kind}NotFound", "X-Error-Message": f"{kind} not found"})
            return
        content = at[1][found[3]]
        headers = {"X-Repo-Commit": at[0], "ETag": f'"{blob_id(content)}"'}
        if found[3] in made.large:
            oid = hashlib.sha256(content).hexdigest()
            self.hub.objects[oid] = content
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{oid}"'}
            self._answer(302, b"", {**headers, **linked, "Location": f"{self.hub.endpoint}/cdn/{oid}"})
        else:
            self._answer(200, content, headers)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what these tests are about."""


@contextlib.contextmanager
def local_hub(**faults: int | str) -> Iterator[LocalHub]:
    """Run a Hub on this machine."""
    hub = LocalHub(faults=dict(faults))
    server = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.stopped.set()
        server.shutdown()
        server.server_close()
