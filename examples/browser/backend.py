"""The backend of the upload page: it creates a PresignedURL for each upload and each download, waits until
the operator has issued it, and hands the URL or the form to the page. It holds no key of S3 and sees no file.

It runs in a pod with the account of backend.yaml, and needs nothing but Python. In a program of your own,
take `presign` into your web framework, behind your login.
"""

import json
import os
import re
import ssl
import uuid
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ACCOUNT = Path(os.environ.get("ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
NAMESPACE = (ACCOUNT / "namespace").read_text()
API = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}".format(**os.environ)
TLS = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
URLS = f"/apis/presigned.dev/v1alpha1/namespaces/{NAMESPACE}/presignedurls"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
PAGE = Path(__file__).with_name("index.html").read_bytes()


class Refused(Exception):
    """An answer for the page: a status and a sentence."""


def kubernetes(method, path, body=None):
    """Sends one request to the API server by the pod's account."""
    request = Request(API + path, method=method, data=json.dumps(body).encode() if body else None)
    # Kubelet renews the token, so it is read each time.
    request.add_header("Authorization", "Bearer " + (ACCOUNT / "token").read_text())
    request.add_header("Content-Type", "application/json")
    return urlopen(request, context=TLS, timeout=60)


def spec(wish):
    """What the page wishes, as a PresignedURL. The policy decides whether it may."""
    method = wish["method"]
    spec = {"storeRef": {"name": os.environ["STORE"]}, "bucket": os.environ["BUCKET"], "method": method}
    # Issued once. If this program ends before it deletes the resource, the operator deletes it.
    spec |= {"renew": "Never", "duration": "15m", "ttlAfterExpiry": "0s"}
    if method == "GET":
        return spec | {"key": wish["key"]}
    # A name that no other upload has, without what means something in a path.
    spec["key"] = f"{NAMESPACE}/{uuid.uuid4()}-" + re.sub(r"[^A-Za-z0-9.-]", "_", wish["name"])[-80:]
    if method == "PUT":
        return spec | {"put": {"contentType": wish["type"], "contentLength": wish["size"]}}
    return spec | {"post": {"contentType": wish["type"], "contentLengthRange": {"max": wish["size"]}}}


def wait(name):
    """Follows the resource until the operator has issued or refused it."""
    query = urlencode({"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": 30})
    for line in kubernetes("GET", f"{URLS}?{query}"):
        status = json.loads(line)["object"].get("status", {})
        conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
        if "Ready" in conditions and conditions["Ready"]["status"] == "True":
            return
        if "Stalled" in conditions:  # It stays so until somebody changes something.
            print(f"{name}: {conditions['Ready']['message']}", flush=True)
            raise Refused(403, f"The operator refused it: {conditions['Ready']['reason']}")
    raise Refused(504, "The operator has not answered within 30 seconds.")


def presign(wish):
    """Creates the resource, reads its Secret and deletes both: the URL lives on until it expires."""
    resource = {"apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL", "spec": spec(wish)}
    resource["metadata"] = {"generateName": "page-"}
    name = json.load(kubernetes("POST", URLS, resource))["metadata"]["name"]
    try:
        wait(name)
        data = json.load(kubernetes("GET", f"{SECRETS}/{name}"))["data"]
    finally:
        kubernetes("DELETE", f"{URLS}/{name}")
    files = {file: b64decode(value).decode() for file, value in data.items()}
    key = resource["spec"]["key"]
    if "fields.json" in files:
        fields = json.loads(files["fields.json"])
        return {"key": key, "method": "POST", "href": files["url"], "fields": fields}
    return {"key": key, **json.loads(files["action.json"])}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, "text/html; charset=utf-8", PAGE)

    def do_POST(self):
        # Your login belongs here: whoever reaches this program may upload what the policy allows.
        try:
            wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(200, "application/json", json.dumps(presign(wish)).encode())
        except Refused as refused:
            self.answer(refused.args[0], "text/plain; charset=utf-8", refused.args[1].encode())
        except HTTPError as error:
            print(error.read().decode(), flush=True)
            self.answer(502, "text/plain; charset=utf-8", f"The API server refused it: {error.code}".encode())

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    host, port = os.environ.get("LISTEN", "0.0.0.0:8080").rsplit(":", 1)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
