"""A small local stand-in for a Kili GraphQL backend, for exporter tests: needs ``graphql-core`` (kili brings it).

It speaks just enough of the protocol for the real, unmodified ``kili`` SDK (written against 26.2.4):
key check, version, schema introspection, project creation and reading, text/rich-text asset import
through signed URLs, predictions/labels, reading assets and labels back, deletion.

What it is and is not
* The SDL below is hand-written from the operations the SDK sends; Kili publishes no SDL. It is
  strict: an unknown field, argument, input key or enum value is refused with a GraphQL error, so a
  request that drifts from what the SDK sends is noticed. It is NOT Kili's real schema.
* Behaviour is modelled on the SDK's documentation (overwrite, label types, duplicate external ids).
  ``validate_json_response=True`` turns on job/category checks that the real backend is reported not to do.
* Listens on loopback only, keeps everything in memory, logs nothing secret, needs graphql-core.

Use: with KiliStub() as stub: Kili(api_key=stub.api_key, api_endpoint=stub.endpoint)

Test controls (plain HTTP, no auth):
  GET  /_stub/journal   -> every request seen: kind, operation, variables, bytes, content headers
  GET  /_stub/state     -> projects, assets (with decoded text), labels
  POST /_stub/faults    -> JSON list of rules, consumed in order of match, see Fault
  POST /_stub/reset     -> forget everything
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

from graphql import (
    GraphQLError,
    GraphQLScalarType,
    OperationDefinitionNode,
    build_schema,
    graphql_sync,
    parse,
)

SDL = """
scalar PageSize
scalar JSON

enum InputType { AUDIO GEOSPATIAL IMAGE LLM_INSTR_FOLLOWING LLM_RLHF LLM_STATIC PDF TEXT VIDEO }
enum LabelType { AUTOSAVE DEFAULT INFERENCE PREDICTION REVIEW }
enum Status { TODO ONGOING LABELED TO_REVIEW REVIEWED }

type User { id: ID! email: String! }
type License { uploadLocalData: Boolean! }
type Organization { id: ID! name: String license: License! }
type ApiKey { id: ID! expiryDate: String! }
type CurrentStep { name: String status: String }
type Step { id: ID! name: String! }
type Project {
  id: ID! title: String! description: String inputType: InputType! jsonInterface: String!
  instructions: String numberOfAssets: Int workflowVersion: String steps: [Step!]
}
type Resolution { width: Float height: Float }
type Asset {
  id: ID! externalId: String! content: String! jsonContent: String! jsonMetadata: String!
  status: Status! isHoneypot: Boolean! skipped: Boolean createdAt: String resolution: Resolution
  project: Project! labels: [Label!]! latestLabel: Label currentStep: CurrentStep
}
type Label {
  id: ID! assetId: ID! author: User! labelType: LabelType! modelName: String
  jsonResponse: String! jsonResponseUrl: String secondsToLabel: Float isLatestLabelForUser: Boolean
  createdAt: String labelOf: Asset!
}
type Ref { id: ID! }
type ActedOn { assetId: ID! externalId: String! details: String }
type AssetActionOutcome { succeeded: [ActedOn!]! declined: [ActedOn!]! failed: [ActedOn!]! }

input UserWhere { id: ID email: String }
input ApiKeyWhere { key: String }
input OrganizationWhere { id: ID user: UserWhere }
input ProjectWhere {
  id: ID searchQuery: String archived: Boolean deleted: Boolean starred: Boolean
  organizationId: ID tagIds: [ID!] updatedAtGte: String updatedAtLte: String
  createdAtGte: String createdAtLte: String shouldRelaunchKpiComputation: Boolean
}
input IssueWhere { type: String status: String }
input LabelInAssetWhere { typeIn: [LabelType!] authorIn: [String!] search: String }
input AssetWhere {
  id: ID idIn: [ID!] idNotIn: [ID!] project: ProjectWhere
  externalIdIn: [String!] externalIdStrictlyIn: [String!] statusIn: [Status!]
  label: LabelInAssetWhere issue: IssueWhere skipped: Boolean metadata: JSON
}
input LabelWhere {
  id: ID idIn: [ID!] project: ProjectWhere asset: AssetWhere typeIn: [LabelType!]
  authorIn: [String!] user: UserWhere search: String createdAt: String
}
input CreateProjectData {
  title: String! description: String inputType: InputType! jsonInterface: String!
  fromDemoProject: String complianceTags: [String!]
}
input AppendManyAssetsData {
  contentArray: [String!] externalIDArray: [String!] idArray: [String!] isHoneypotArray: [Boolean!]
  jsonContentArray: [String!] jsonMetadataArray: [String!]
}
input AppendLabelData {
  assetID: ID! authorID: ID clientVersion: Int jsonResponse: String! modelName: String
  referencedLabelId: ID secondsToLabel: Float
}
input AssetData { jsonMetadata: String }
input AppendManyLabelsData { labelType: LabelType! overwrite: Boolean labelsData: [AppendLabelData!]! stepId: ID }

type Query {
  viewer: User
  apiKeys(where: ApiKeyWhere!, first: PageSize!, skip: Int!): [ApiKey!]
  organizations(where: OrganizationWhere!, first: PageSize!, skip: Int!): [Organization!]
  countOrganizations(where: OrganizationWhere!): Int!
  projects(where: ProjectWhere!, first: PageSize!, skip: Int!): [Project!]
  countProjects(where: ProjectWhere!): Int!
  assets(where: AssetWhere!, first: PageSize!, skip: Int!): [Asset!]
  countAssets(where: AssetWhere!): Int!
  labels(where: LabelWhere!, first: PageSize!, skip: Int!): [Label!]
  countLabels(where: LabelWhere!): Int!
  filterExistingAssets(projectID: ID!, externalIDs: [String!]!): [String!]!
  createUploadBucketSignedUrls(filePaths: [String!]): [String!]
}
type Mutation {
  createProject(data: CreateProjectData!): Project
  appendManyAssets(data: AppendManyAssetsData!, where: ProjectWhere!): [Ref!]
  appendManyLabels(data: AppendManyLabelsData!, where: AssetWhere!): [Label!]
  deleteLabels(ids: [ID!]!): [ID!]
  deleteManyFromDataset(where: AssetWhere!): [Ref!]
  deleteProjectAsynchronously(where: ProjectWhere!): ID
  setAssetsPriority(where: AssetWhere!, priority: Int!): AssetActionOutcome!
  updatePropertiesInAssets(where: [AssetWhere!]!, data: [AssetData!]!): [Ref!]
}
"""


@functools.cache
def introspected(query: str) -> dict[str, Any] | None:
    """The answer to an introspection query, worked out once: every client asks for it."""
    return graphql_sync(make_schema(), query).data


@functools.cache
def make_schema():
    schema = build_schema(SDL)

    def page(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
            raise GraphQLError(f"PageSize must be an integer from 0 to 100, got {value!r}")
        return value

    scalar = schema.type_map["PageSize"]
    assert isinstance(scalar, GraphQLScalarType)
    scalar.parse_value = page
    scalar.parse_literal = lambda node, _vars=None: page(int(node.value))
    return schema


@dataclass
class Fault:
    """One programmed failure.

    match: GraphQL root field (``appendManyLabels``), or ``PUT``/``GET`` for the bucket, or ``*``
    after:  let this many matching requests through first;  times: then fail this many
    apply:  run the operation before failing (the answer is lost, the effect stays)
    status/body/headers: an HTTP answer;  errors: a 200 with these GraphQL errors
    drop:   close the socket without an answer;  delay: seconds to wait first
    hold:   an event to wait for before the ordinary answer;  held: whether it came
    then:   called before the answer is withheld, such as the kill of the client
    """

    match: str
    after: int = 0
    times: int = 1
    apply: bool = False
    status: int | None = None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    errors: list[dict] | None = None
    drop: bool = False
    delay: float = 0.0
    then: Callable[[], object] | None = None
    hold: threading.Event | None = None
    held: bool | None = None


class State:
    """Everything the stub knows. One lock around every operation."""

    def __init__(self, base_url: str, api_key: str, options: dict) -> None:
        self.base_url, self.api_key, self.options = base_url, api_key, options
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        with self.lock:
            self.ids = itertools.count(1)
            self.projects: dict[str, dict] = {}
            self.assets: dict[str, dict] = {}
            self.labels: dict[str, dict] = {}
            self.bucket: dict[str, bytes] = {}
            self.journal: list[dict] = []
            self.faults: list[Fault] = []
            self.index: dict[str, list[dict]] | None = None

    def new_id(self, kind: str) -> str:
        return f"stub-{kind}-{next(self.ids):06d}"

    def take_fault(self, name: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.match in (name, "*") and fault.times > 0:
                    if fault.after > 0:
                        fault.after -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None

    # -- views -------------------------------------------------------------------------------

    def user(self) -> dict:
        return {"id": "stub-user", "email": "tester@example.invalid"}

    def labels_of(self, asset_id: str) -> list[dict]:
        """The labels of an asset; the index lives for one request."""
        if self.index is None:
            self.index = {}
            for x in self.labels.values():
                self.index.setdefault(x["assetId"], []).append(x)
        return self.index.get(asset_id, [])

    def asset_view(self, a: dict) -> dict:
        labels = self.labels_of(a["id"])
        done = any(x["labelType"] in ("DEFAULT", "REVIEW") for x in labels)
        return {
            **a,
            "project": lambda *_: self.projects[a["projectId"]],
            "labels": lambda *_: [self.label_view(x) for x in labels],
            "latestLabel": lambda *_: self.label_view(labels[-1]) if labels else None,
            "status": "LABELED" if done else "TODO",
            "currentStep": {"name": "Labeling", "status": "DONE" if done else a.get("stepStatus", "TO_DO")},
            "resolution": None,
            "skipped": False,
            "createdAt": "2026-01-01T00:00:00.000Z",
        }

    def label_view(self, x: dict) -> dict:
        url = None
        if self.options.get("json_response_url"):
            self.bucket[f"jr/{x['id']}"] = x["jsonResponse"].encode()
            url = f"{self.base_url}/bucket/jr/{x['id']}"
        return {
            **x,
            "author": {"id": "stub-user", "email": x.get("author", self.user()["email"])},
            "jsonResponseUrl": url,
            "isLatestLabelForUser": True,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "labelOf": lambda *_: self.asset_view(self.assets[x["assetId"]]),
        }

    def text_of(self, a: dict) -> str | None:
        """The uploaded bytes of an asset, decoded, or None when it points elsewhere."""
        path = urlparse(a["content"] or a["jsonContent"]).path
        data = self.bucket.get(path.removeprefix("/bucket/"))
        return None if data is None else data.decode("utf-8", "replace")

    # -- filters -----------------------------------------------------------------------------

    def find_projects(self, w: dict) -> list[dict]:
        pattern = w.get("searchQuery")
        like = None if pattern is None else re.compile(ilike(pattern), re.IGNORECASE | re.DOTALL)
        return [
            p
            for p in self.projects.values()
            if w.get("id") in (None, p["id"]) and (like is None or like.fullmatch(p["title"]))
        ]

    def find_assets(self, w: dict) -> list[dict]:
        out = []
        project = (w.get("project") or {}).get("id")
        strict, partial = w.get("externalIdStrictlyIn"), w.get("externalIdIn")
        strict = None if strict is None else frozenset(strict)
        for a in self.assets.values():
            if project is not None and a["projectId"] != project:
                continue
            if w.get("id") is not None and a["id"] != w["id"]:
                continue
            if w.get("idIn") is not None and a["id"] not in w["idIn"]:
                continue
            if strict is not None and a["externalId"] not in strict:
                continue
            if partial is not None and not any(p in a["externalId"] for p in partial):
                continue
            out.append(a)
        return out

    def find_labels(self, w: dict) -> list[dict]:
        ids = {a["id"] for a in self.find_assets(w.get("asset") or {})}
        project = (w.get("project") or {}).get("id")
        out = []
        for x in self.labels.values():
            a = self.assets[x["assetId"]]
            if (project is not None and a["projectId"] != project) or a["id"] not in ids:
                continue
            if w.get("typeIn") is not None and x["labelType"] not in w["typeIn"]:
                continue
            if w.get("id") is not None and x["id"] != w["id"]:
                continue
            out.append(x)
        return out

    # -- resolvers ---------------------------------------------------------------------------

    def check_json_response(self, raw: str, project: dict) -> None:
        """Optional strictness. The real backend is reported to accept almost anything here."""
        try:
            response = json.loads(raw)
        except ValueError as err:
            raise GraphQLError("jsonResponse is not JSON") from err
        if not self.options.get("validate_json_response"):
            return
        jobs = json.loads(project["jsonInterface"]).get("jobs", {})
        for name, answer in response.items():
            if name not in jobs:
                raise GraphQLError(f"[jsonResponseMalformed] unknown job {name}")
            known = (jobs[name].get("content") or {}).get("categories") or {}
            used = list(answer.get("categories") or [])
            for ann in answer.get("annotations") or []:
                used += ann.get("categories") or []
            for cat in used:
                if not isinstance(cat, dict) or cat.get("name") not in known:
                    raise GraphQLError(f"[jsonResponseMalformed] unknown category {cat!r} in {name}")

    def root(self) -> dict:
        s = self

        def project_of(where):
            if where.get("id") not in s.projects:
                raise GraphQLError("[projectNotFound] no such project, or no access to it")
            return s.projects[where["id"]]

        def create_project(_info, data):
            try:
                json.loads(data["jsonInterface"])
            except ValueError as err:
                raise GraphQLError("jsonInterface is not JSON") from err
            p = {
                "id": s.new_id("project"),
                "instructions": None,
                "workflowVersion": "V1",
                "steps": [],
                "numberOfAssets": 0,
                "description": data.get("description"),
                "title": data["title"],
                "inputType": data["inputType"],
                "jsonInterface": data["jsonInterface"],
            }
            s.projects[p["id"]] = p
            return p

        def append_assets(_info, data, where):
            project = project_of(where)
            n = len(data["externalIDArray"])
            if n > 100:
                raise GraphQLError("at most 100 assets per call")
            made = []
            for i in range(n):
                a = {
                    "id": data["idArray"][i] or s.new_id("asset"),
                    "projectId": project["id"],
                    "externalId": data["externalIDArray"][i],
                    "content": data["contentArray"][i],
                    "jsonContent": data["jsonContentArray"][i],
                    "isHoneypot": data["isHoneypotArray"][i],
                    "jsonMetadata": data["jsonMetadataArray"][i],
                }
                s.assets[a["id"]] = a
                made.append({"id": a["id"]})
            return made

        def append_labels(_info, data, where):
            if len(data["labelsData"]) > 100:
                raise GraphQLError("at most 100 labels per call")
            if data["labelType"] == "PREDICTION" and any(not x.get("modelName") for x in data["labelsData"]):
                raise GraphQLError("modelName is required for PREDICTION labels")
            for item in data["labelsData"]:  # all or nothing inside one call
                if item["assetID"] not in s.assets:
                    raise GraphQLError(f"[assetNotFound] {item['assetID']}")
                s.check_json_response(item["jsonResponse"], s.projects[s.assets[item["assetID"]]["projectId"]])
            if data.get("overwrite"):
                hit = {(x["assetID"], x.get("modelName")) for x in data["labelsData"]}
                for key in [
                    k
                    for k, x in s.labels.items()
                    if x["labelType"] == data["labelType"] and (x["assetId"], x.get("modelName")) in hit
                ]:
                    del s.labels[key]
            made = []
            for item in data["labelsData"]:
                x = {
                    "id": s.new_id("label"),
                    "assetId": item["assetID"],
                    "labelType": data["labelType"],
                    "modelName": item.get("modelName"),
                    "jsonResponse": item["jsonResponse"],
                    "secondsToLabel": item.get("secondsToLabel"),
                }
                s.labels[x["id"]] = x
                made.append(s.label_view(x))
            return made

        def delete_labels(_info, ids):
            return [i for i in ids if s.labels.pop(i, None)]

        def delete_assets(_info, where):
            gone = s.find_assets(where)
            for a in gone:
                s.assets.pop(a["id"])
                for key in [k for k, x in s.labels.items() if x["assetId"] == a["id"]]:
                    del s.labels[key]
            return [{"id": a["id"]} for a in gone]

        def delete_project(_info, where):
            return s.projects.pop(project_of(where)["id"])["id"]

        def set_priority(_info, where, priority):
            done = {"succeeded": [], "declined": [], "failed": []}
            for a in s.find_assets(where):
                kind = "succeeded" if s.asset_view(a)["status"] == "TODO" else "declined"
                done[kind].append({"assetId": a["id"], "externalId": a["externalId"]})
                if kind == "succeeded":
                    a["priority"] = priority
            return done

        def update_properties(_info, where, data):
            for one, values in zip(where, data, strict=True):
                s.assets[one["id"]].update(values)
            return [{"id": one["id"]} for one in where]

        def signed(_info, filePaths=None):
            return [f"{s.base_url}/bucket/{p}?sig=stub&id={p}" for p in filePaths or []]

        def existing(_info, projectID, externalIDs):
            have = {a["externalId"] for a in s.assets.values() if a["projectId"] == projectID}
            return [e for e in externalIDs if e in have]

        def cut(rows, first, skip):
            return rows[skip : skip + first]

        orgs = [
            {"id": "stub-org", "name": "stub", "license": {"uploadLocalData": s.options.get("upload_local_data", True)}}
        ]
        expiry = {"id": "stub-key", "expiryDate": s.options.get("key_expiry", "2099-01-01T00:00:00.000Z")}
        return {
            "viewer": lambda _i: s.user(),
            "apiKeys": lambda _i, where, first, skip: cut([expiry], first, skip),
            "organizations": lambda _i, where, first, skip: cut(orgs, first, skip),
            "countOrganizations": lambda _i, where: len(orgs),
            "projects": lambda _i, where, first, skip: cut(s.find_projects(where), first, skip),
            "countProjects": lambda _i, where: len(s.find_projects(where)),
            "assets": lambda _i, where, first, skip: cut([s.asset_view(a) for a in s.find_assets(where)], first, skip),
            "countAssets": lambda _i, where: len(s.find_assets(where)),
            "labels": lambda _i, where, first, skip: cut([s.label_view(x) for x in s.find_labels(where)], first, skip),
            "countLabels": lambda _i, where: len(s.find_labels(where)),
            "filterExistingAssets": existing,
            "createUploadBucketSignedUrls": signed,
            "createProject": create_project,
            "appendManyAssets": append_assets,
            "appendManyLabels": append_labels,
            "deleteLabels": delete_labels,
            "deleteManyFromDataset": delete_assets,
            "deleteProjectAsynchronously": delete_project,
            "setAssetsPriority": set_priority,
            "updatePropertiesInAssets": update_properties,
        }


def ilike(pattern: str) -> str:
    """A PostgreSQL ILIKE pattern as a regular expression."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(part) or re.escape(part[-1]) for part in parts)


def root_field(query: str) -> tuple[str, str]:
    """(query|mutation, first root field) of a document; introspection is named __schema."""
    for d in parse(query).definitions:
        if isinstance(d, OperationDefinitionNode):
            return d.operation.value, d.selection_set.selections[0].name.value  # type: ignore[union-attr]
    return "?", "?"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State
    schema: Any

    def log_message(self, *args):  # quiet
        pass

    def body_bytes(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def answer(self, status: int, payload: Any, headers: dict | None = None) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for k, v in (headers or {}).items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)

    def note(self, **entry) -> None:
        with self.state.lock:
            self.state.journal.append({"t": time.time(), **entry})

    def misbehave(self, fault: Fault) -> None:
        if fault.then:
            fault.then()
        if fault.drop:
            self.close_connection = True
            self.connection.close()
        elif fault.errors is not None:
            self.answer(200, {"data": None, "errors": fault.errors})
        else:
            self.answer(fault.status or 500, fault.body.encode(), fault.headers)

    def do_GET(self) -> None:
        path = urlparse(self.path).path
        s = self.state
        if path == "/_stub/journal":
            with s.lock:
                return self.answer(200, s.journal)
        if path == "/_stub/state":
            with s.lock:
                return self.answer(
                    200,
                    {
                        "projects": list(s.projects.values()),
                        "assets": [{**a, "text": s.text_of(a)} for a in s.assets.values()],
                        "labels": [{**x, "jsonResponse": json.loads(x["jsonResponse"])} for x in s.labels.values()],
                    },
                )
        if path == "/api/label/v2/version":
            self.note(kind="version")
            version = s.options.get("app_version", "26.2.0-stub")
            return self.answer(200, {"version": version}) if version else self.answer(404, {})
        if path.startswith("/bucket/"):
            key = path.removeprefix("/bucket/")
            self.note(kind="bucket-get", key=key, auth="Authorization" in self.headers)
            fault = s.take_fault("GET")
            if fault:
                return self.misbehave(fault)
            with s.lock:
                data = s.bucket.get(key)
            return self.answer(200, data) if data is not None else self.answer(404, b"")
        return self.answer(404, {})

    def do_PUT(self) -> None:
        key = urlparse(self.path).path.removeprefix("/bucket/")
        data = self.body_bytes()
        self.note(
            kind="bucket-put",
            key=key,
            bytes=len(data),
            content_type=self.headers.get("Content-Type"),
            auth="Authorization" in self.headers,
        )
        fault = self.state.take_fault("PUT")
        if fault:
            time.sleep(fault.delay)
            if not fault.apply:
                return self.misbehave(fault)
        with self.state.lock:
            self.state.bucket[key] = data
        if fault:
            return self.misbehave(fault)
        return self.answer(200, b"")

    def do_POST(self) -> None:
        path, s = urlparse(self.path).path, self.state
        data = self.body_bytes()
        if path == "/_stub/reset":
            s.reset()
            return self.answer(200, {})
        if path == "/_stub/faults":
            with s.lock:
                s.faults = [Fault(**f) for f in json.loads(data)]
            return self.answer(200, {})
        if path != "/api/label/v2/graphql":
            return self.answer(404, {})
        request = json.loads(data)
        kind, name = root_field(request["query"])
        self.note(
            kind=kind,
            operation=name,
            variables=request.get("variables"),
            bytes=len(data),
            gzip=self.headers.get("Content-Encoding") == "gzip",
            document=" ".join(request["query"].split()) if name != "__schema" else "(introspection)",
            client={k: v for k, v in self.headers.items() if k.lower().startswith(("kili-", "apollo"))},
        )
        if self.headers.get("Authorization") != f"X-API-Key: {s.api_key}":
            return self.answer(401, {"errors": [{"message": "unauthorized"}]})
        fault = s.take_fault(name)
        if fault and fault.hold:
            fault.held, fault = fault.hold.wait(20), None
        if fault:
            time.sleep(fault.delay)
            if not fault.apply:
                return self.misbehave(fault)
        if name == "__schema" and not fault:
            return self.answer(200, {"data": introspected(request["query"])}, {"x-complexity": "1"})
        with s.lock:
            s.index = None
            result = graphql_sync(
                self.schema,
                request["query"],
                s.root(),
                variable_values=request.get("variables"),
                operation_name=request.get("operationName"),
            )
        if fault:
            return self.misbehave(fault)
        payload: dict[str, Any] = {"data": result.data}
        if result.errors:
            payload["errors"] = [e.formatted for e in result.errors]
        invalid = bool(result.errors) and result.data is None and all(e.path is None for e in result.errors or [])
        return self.answer(400 if invalid else 200, payload, {"x-complexity": "1"})


class KiliStub:
    """Context manager: a stub on a free loopback port, in a daemon thread."""

    def __init__(self, port: int = 0, api_key: str = "stub-key-not-a-secret", **options: Any) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.endpoint = f"{self.base_url}/api/label/v2/graphql"
        self.api_key = api_key
        self.state = State(self.base_url, api_key, options)
        self.server.RequestHandlerClass = type(
            "BoundHandler", (Handler,), {"state": self.state, "schema": make_schema()}
        )
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> KiliStub:
        self.thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fail(self, match: str, **rule: Any) -> Fault:
        fault = Fault(match, **rule)
        with self.state.lock:
            self.state.faults.append(fault)
        return fault

    def operations(self) -> list[str]:
        return [e.get("operation", e["kind"]) for e in self.state.journal]
