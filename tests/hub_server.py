"""A small hub on loopback that huggingface_hub talks to, and that fails when it is told to.

It speaks what the client calls over plain HTTP: information about a repository at a revision,
files with HEAD and GET, ranges, large files on another host as the hub's are; who am I, making a
repository, preupload, the batch and upload of large files, commits. Xet is not spoken: tests set
HF_HUB_DISABLE_XET.

    with Server() as hub:
        commit = hub.add("user/repo", {"bundle.json": b"..."})
        hub.fail("drop", "model.safetensors", at=1000)
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# As on the hub by default: weights, and what is too large for git.
LARGE = (".safetensors", ".bin", ".model", ".npz")
LICENSES = ("apache-2.0", "mit", "cc-by-sa-4.0", "cc-by-4.0", "other")


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Repository:
    """All commits of a repository: files by commit, and the commit of each branch."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        parent = self.branches.get(branch, "")
        text = parent + "".join(f"{name} {sha256(files[name])}\n" for name in sorted(files))
        made = hashlib.sha1(text.encode()).hexdigest()
        self.commits[made] = dict(files)
        self.branches[branch] = made
        return made

    def find(self, revision: str) -> str | None:
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose method and path have `where`.

    drop    the connection ends after `at` bytes of the body; with `reset` not even in order
    stall   nothing comes after `at` bytes
    short   the body ends at `at` and says that this is its length
    wrong   one byte at `at` is another
    status  the answer is `status` with `headers`
    move    the branch main is at the commit `to` before the answer
    slow    the body comes in small pieces, `seconds` apart
    """

    kind: str
    where: str
    times: int = 1
    method: str = "GET"
    at: int = 0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    to: str = ""
    seconds: float = 0.01


class Server:
    """The hub: its repositories, tokens, faults, and the requests that came."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.tokens = {"hf_writer": "write", "hf_reader": "read", "hf_other": "fineGrained"}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str]] = []
        self.uploads: dict[str, bytes] = {}
        self.tells_hashes = True
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage(self) -> str:
        """The host of large files: another name of this one, so that the client sees another."""
        return f"http://localhost:{self.port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(
        self, repo: str, files: dict[str, bytes], private: bool = False, gated: bool = False
    ) -> str:
        """Make a commit with exactly these files, in a new repository if need be; return it."""
        found = self.repositories.setdefault(repo, Repository(private, gated))
        return found.commit(files)

    def fail(self, kind: str, where: str, **options: Any) -> None:
        self.faults.append(Fault(kind, where, **options))

    def fault(self, method: str, path: str) -> Fault | None:
        """Return what is to go wrong with a request, and count it."""
        with self._lock:
            self.requests.append((method, path, ""))
            for each in self.faults:
                if each.times > 0 and each.method == method and each.where in path:
                    each.times -= 1
                    return each
        return None

    def asked(self, method: str, where: str) -> int:
        """Return how many requests there were."""
        return sum(each[0] == method and where in each[1] for each in self.requests)

    def holding(self, digest: str) -> bytes | None:
        """Return a large file by its sha256."""
        if digest in self.uploads:
            return self.uploads[digest]
        for repository in self.repositories.values():
            for files in repository.commits.values():
                for content in files.values():
                    if sha256(content) == digest:
                        return content
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Server:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815  names of http.server

    def _answer(self) -> None:
        path = unquote(self.path)
        body = self._body()
        fault = self.hub.fault(self.command, path)
        if fault is not None and fault.kind == "status":
            return self._send(fault.status, b"", fault.headers)
        if fault is not None and fault.kind == "move":
            for repository in self.hub.repositories.values():
                repository.branches["main"] = fault.to or repository.branches["main"]
            fault = None
        address = urlsplit(path)
        for pattern, method, answer in ROUTES:
            match = re.fullmatch(pattern, address.path)
            if match and method == self.command.replace("HEAD", "GET"):
                query = parse_qs(address.query)
                return answer(self, *match.groups(), body=body, query=query, fault=fault)
        return self._error(404, "", f"nothing at {path}")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            found = b""
            while count := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(count)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    # Answers

    def _send(
        self,
        status: int,
        content: bytes,
        headers: dict[str, str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        headers = headers or {}
        length = len(content)
        if fault is not None and fault.kind == "wrong":
            content = bytearray(content)
            content[fault.at] ^= 1
            content = bytes(content)
        if fault is not None and fault.kind == "short":
            content = content[: fault.at]
            length = fault.at
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", headers.get("X-Length", str(length)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.kind in ("drop", "stall"):
            self.wfile.write(content[: fault.at])
            self.wfile.flush()
            if fault.kind == "stall":
                self.hub.closing.wait(20)
            elif fault.reset:  # the other side sees an error instead of an end
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        if fault is not None and fault.kind == "slow":
            for begin in range(0, len(content), 1 << 12):
                self.wfile.write(content[begin : begin + (1 << 12)])
                self.hub.closing.wait(fault.seconds)
            return
        self.wfile.write(content)

    def _json(self, content: Any, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _role(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.hub.tokens.get(token)

    def _repository(self, repo: str) -> Repository | None:
        """Return a repository that may be seen, or answer as the hub does."""
        found = self.hub.repositories.get(repo)
        if found is None or (found.private and self._role() is None):
            # The hub does not tell strangers which repositories there are.
            self._error(404 if self._role() else 401, "RepoNotFound", "Repository not found")
            return None
        return found

    def _may_write(self) -> bool:
        role = self._role()
        if role == "write":
            return True
        self._error(401 if role is None else 403, "", "You don't have the rights to write here")
        return False

    # Reading

    def whoami(self, **_: Any) -> None:
        role = self._role()
        if role is None:
            return self._error(401, "", "Invalid credentials in Authorization header")
        return self._json({"name": "user", "auth": {"accessToken": {"role": role}}})

    def info(self, repo: str, revision: str | None, **_: Any) -> None:
        found = self._repository(repo)
        if found is None:
            return None
        commit = found.find(revision or "main")
        if commit is None:
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        siblings = []
        for name, content in found.commits[commit].items():
            large = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            told = {"rfilename": name, "size": len(content), "blobId": git_blob(content)}
            if name.endswith(LARGE):
                told["lfs"] = large
            siblings.append(told if self.hub.tells_hashes else {"rfilename": name})
        return self._json(
            {"id": repo, "sha": commit, "private": found.private, "siblings": siblings}
        )

    def resolve(self, repo: str, revision: str, name: str, fault: Fault | None, **_: Any) -> None:
        found = self._repository(repo)
        if found is None:
            return None
        if found.gated and self._role() is None:
            return self._error(403, "GatedRepo", "Access to this model is restricted")
        commit = found.find(revision)
        if commit is None:
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        content = found.commits[commit].get(name)
        if content is None:
            return self._error(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{git_blob(content)}"'}
        if not name.endswith(LARGE):
            return self._content(content, headers, fault)
        digest = sha256(content)
        headers |= {
            "X-Linked-Etag": f'"{digest}"',
            "X-Linked-Size": str(len(content)),
            "Location": f"{self.hub.storage}/storage/{digest}/{name}",
        }
        return self._send(302, b"", headers)

    def stored(self, digest: str, fault: Fault | None, **_: Any) -> None:
        assert "Authorization" not in self.headers, "a token went to the host of large files"
        content = self.hub.holding(digest)
        if content is None:
            return self._error(404, "", "no such object")
        return self._content(content, {"ETag": f'"{digest}"'}, fault)

    def _content(self, content: bytes, headers: dict[str, str], fault: Fault | None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None:
            return self._send(200, content, headers, fault)
        begin, total = int(asked.group(1)), len(content)
        self.hub.requests.append(("RANGE", unquote(self.path), self.headers["Range"]))
        headers["Content-Range"] = f"bytes {begin}-{total - 1}/{total}"
        return self._send(206, content[begin:], headers, fault)

    # Writing

    def create(self, body: bytes, **_: Any) -> None:
        if not self._may_write():
            return None
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        if repo in self.hub.repositories:
            return self._json({"url": f"{self.hub.url}/{repo}", "error": "exists"}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.add(repo, {".gitattributes": b"*.safetensors filter=lfs\n"}, private)
        return self._json({"url": f"{self.hub.url}/{repo}"})

    def validate(self, body: bytes, **_: Any) -> None:
        problems = metadata_problems(json.loads(body)["content"])
        found = {"errors": [{"message": each} for each in problems], "warnings": []}
        self._json(found, 400 if problems else 200)

    def preupload(self, repo: str, revision: str, body: bytes, **_: Any) -> None:
        found = self._repository(repo)
        if found is None or not self._may_write():
            return None
        held = found.commits[found.find(revision) or ""]
        files = []
        for each in json.loads(body)["files"]:
            name = each["path"]
            mode = "lfs" if name.endswith(LARGE) else "regular"
            known = sha256 if mode == "lfs" else git_blob
            oid = known(held[name]) if name in held else None
            files.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return self._json({"files": files})

    def batch(self, repo: str, body: bytes, **_: Any) -> None:
        if self._repository(repo) is None or not self._may_write():
            return None
        objects = []
        for each in json.loads(body)["objects"]:
            actions = {}
            if self.hub.holding(each["oid"]) is None:
                href = f"{self.hub.storage}/upload/{each['oid']}"
                actions = {"actions": {"upload": {"href": href, "header": {}}}}
            objects.append({"oid": each["oid"], "size": each["size"], **actions})
        return self._json({"objects": objects, "transfer": "basic"})

    def upload(self, digest: str, body: bytes, **_: Any) -> None:
        if sha256(body) != digest:
            return self._error(400, "", "the content has another sha256")
        self.hub.uploads[digest] = body
        return self._send(200, b"")

    def commit(self, repo: str, revision: str, body: bytes, **_: Any) -> None:
        found = self._repository(repo)
        if found is None or not self._may_write():
            return None
        files = dict(found.commits[found.find(revision) or ""])
        for line in body.splitlines():
            each = json.loads(line)
            value = each["value"]
            if each["key"] == "header":
                if value.get("parentCommit") not in (None, found.branches["main"]):
                    return self._error(412, "", "A commit has happened since")
            elif each["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif each["key"] == "lfsFile":
                content = self.hub.holding(value["oid"])
                if content is None:
                    return self._error(400, "", f"{value['path']} was not uploaded")
                files[value["path"]] = content
            elif each["key"] == "deletedFile":
                del files[value["path"]]
        made = found.commit(files)
        return self._json({"commitOid": made, "commitUrl": f"{self.hub.url}/{repo}/commit/{made}"})


REPO = r"([\w.-]+(?:/[\w.-]+)?)"
ROUTES = [
    ("/api/whoami-v2", "GET", _Handler.whoami),
    ("/api/validate-yaml", "POST", _Handler.validate),
    ("/api/repos/create", "POST", _Handler.create),
    (rf"/api/models/{REPO}/preupload/(.+)", "POST", _Handler.preupload),
    (rf"/api/models/{REPO}/commit/(.+)", "POST", _Handler.commit),
    (rf"/api/models/{REPO}(?:/revision/(.+))?", "GET", _Handler.info),
    (rf"/{REPO}\.git/info/lfs/objects/batch", "POST", _Handler.batch),
    ("/upload/([0-9a-f]{64})", "PUT", _Handler.upload),
    ("/storage/([0-9a-f]{64})/.+", "GET", _Handler.stored),
    (rf"/{REPO}/resolve/([^/]+)/(.+)", "GET", _Handler.resolve),
]


def metadata_problems(card: str) -> list[str]:
    """Return what the hub's rules for the metadata of a model card refuse."""
    import yaml
    from huggingface_hub.repocard_data import model_index_to_eval_results

    if not card.startswith("---\n"):
        return ["there is no metadata"]
    facts = yaml.safe_load(card.split("---\n")[1])
    problems = []
    if facts.get("license") not in LICENSES:
        problems.append(f"license {facts.get('license')} is not known")
    if facts.get("license") == "other":
        if not re.fullmatch(r"[a-z0-9.-]+", str(facts.get("license_name"))):
            problems.append("license_name is no id")
        if not facts.get("license_link"):
            problems.append("license_link is missing")
    problems += [
        f"language {each} is no code"
        for each in facts.get("language", [])
        if not re.fullmatch("[a-z]{2,3}", str(each))
    ]
    problems += [
        f"datasets: {each} is no name"
        for each in facts.get("datasets", [])
        if not re.fullmatch(REPO, each)
    ]
    if "model-index" in facts:
        try:
            model_index_to_eval_results(facts["model-index"])
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"model-index: {error!r}")
    return problems


if __name__ == "__main__":  # for trying by hand
    with Server() as served:
        print(served.url)
        while True:
            time.sleep(60)
