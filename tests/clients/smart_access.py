"""SMART App Launch 2.2 and Backend Services as clients see them; every check prints a line.

Usage: smart_access.py PROGRAM FOLDER DATABASE
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives import serialization

PROGRAM, FOLDER, DATABASE = sys.argv[1:4]
failures = 0


def check(what, holds, seen=""):
    global failures
    if not holds:
        failures += 1
    print(f"{'ok  ' if holds else 'FAIL'} {what}" + ("" if holds else f": {seen}"))


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)


def ask(method, url, form=None, body=None, token=None, headers=None):
    data = urllib.parse.urlencode(form).encode() if form is not None else body
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        answer = opener.open(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read()
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text.decode(errors="replace")
    return answer.status if hasattr(answer, "status") else answer.code, parsed, answer.headers


def run(*arguments, stdin=None):
    done = subprocess.run([PROGRAM, *arguments, "--database", DATABASE], input=stdin, capture_output=True, text=True, cwd=FOLDER)
    if done.returncode != 0:
        raise SystemExit(f"{arguments}: {done.stderr}")
    return done.stdout.strip()


def jwk(key, kid, algorithm):
    public = key.public_key()
    convert = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
    }
    for kind, algorithm_class in convert.items():
        if isinstance(key, kind):
            made = json.loads(algorithm_class.to_jwk(public))
            break
    else:
        made = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(public))
    made.update({"kid": kid, "alg": algorithm, "use": "sig"})
    made.pop("key_ops", None)
    return made


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
ISSUER_KEYS = {"r1": (RSA, "RS256"), "e1": (ec.generate_private_key(ec.SECP256R1()), "ES256")}
issuer_port = free_port()
ISSUER = f"http://127.0.0.1:{issuer_port}/realm"
issuer_asked = {"keys": 0}


class Issuer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/realm/.well-known/openid-configuration":
            answer = {"issuer": ISSUER, "jwks_uri": f"http://127.0.0.1:{issuer_port}/keys"}
        elif self.path == "/keys":
            issuer_asked["keys"] += 1
            answer = {"keys": [jwk(key, kid, algorithm) for kid, (key, algorithm) in ISSUER_KEYS.items()]}
        else:
            self.send_error(404)
            return
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", issuer_port), Issuer)
threading.Thread(target=server.serve_forever, daemon=True).start()

with open(f"{FOLDER}/keys.json", "w") as file:
    json.dump({"keys": [jwk(EC, "c1", "ES384"), jwk(RSA, "c2", "RS384")]}, file)
SYSTEM = run("client", "add", "Ward system", "--jwks", "keys.json", "--scope",
             "system/Patient.cruds system/Observation.rs system/CareTeam.cruds system/Practitioner.cruds")
REDIRECT = "http://127.0.0.1:9/back"
APP = run("client", "add", "Notebook app", "--redirect", REDIRECT, "--scope",
          "openid fhirUser launch/patient offline_access user/*.cruds patient/*.rs system/*.rs")
PASSWORD = "a long enough password"
otp = run("user", "add", "nurse1", "--fhir-user", "Practitioner/p1", "--totp", stdin=PASSWORD)
TOTP = re.search("secret=([A-Z2-7]+)", otp).group(1)
run("user", "add", "locked1", "--fhir-user", "Practitioner/p2", stdin=PASSWORD)

port = free_port()
ROOT = f"http://127.0.0.1:{port}"
BASE = f"{ROOT}/fhir"
log = open(f"{FOLDER}/log", "w")
program = subprocess.Popen(
    [PROGRAM, "serve", "--no-guide", "--listen", f"127.0.0.1:{port}", "--database", DATABASE, "--authentication", "required",
     "--base-url", BASE, "--issuers", ISSUER], cwd=FOLDER, stdout=subprocess.PIPE, stderr=log, text=True)
if "listening" not in program.stdout.readline():
    raise SystemExit(open(f"{FOLDER}/log").read())


def assertion(key=EC, kid="c1", algorithm="ES384", **changes):
    now = int(time.time())
    claims = {"iss": SYSTEM, "sub": SYSTEM, "aud": f"{ROOT}/auth/token", "exp": now + 240, "jti": secrets.token_hex(8)}
    claims.update(changes)
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=algorithm, headers={"kid": kid})


def token_form(signed, scope="system/Patient.cruds", **more):
    return {
        "grant_type": "client_credentials", "scope": scope, "client_assertion": signed,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", **more,
    }


def totp_code():
    digest = hmac.new(base64.b32decode(TOTP), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1000000:06}"


def pkce():
    verifier = secrets.token_urlsafe(48)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_query(challenge, **changes):
    query = {
        "response_type": "code", "client_id": APP, "redirect_uri": REDIRECT, "state": "s 1", "aud": BASE,
        "scope": "openid fhirUser launch/patient offline_access user/*.rs", "code_challenge": challenge,
        "code_challenge_method": "S256", "nonce": "n1",
    }
    query.update(changes)
    return urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})


def sign_in(query, login="nurse1", password=PASSWORD, code=None, **more):
    form = {"request": query, "login": login, "password": password, "code": totp_code() if code is None else code, **more}
    return ask("POST", f"{ROOT}/auth/authorize", form=form)


def sent_back(headers):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlparse(headers.get("Location", "")).query))


try:
    # Discovery
    status, found, _ = ask("GET", f"{BASE}/.well-known/smart-configuration")
    check("smart-configuration is public", status == 200, found)
    for name in ["issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "capabilities", "grant_types_supported",
                 "code_challenge_methods_supported", "introspection_endpoint", "revocation_endpoint"]:
        check(f"smart-configuration has {name}", name in found, found)
    check("only S256", found["code_challenge_methods_supported"] == ["S256"], found)
    check("permission-v2", "permission-v2" in found["capabilities"], found)
    status, metadata, _ = ask("GET", f"{BASE}/metadata")
    security = metadata["rest"][0].get("security", {})
    check("CapabilityStatement.rest.security says SMART-on-FHIR", "SMART-on-FHIR" in json.dumps(security), security)
    status, openid, _ = ask("GET", f"{BASE}/.well-known/openid-configuration")
    check("openid-configuration names the issuer", openid.get("issuer") == BASE, openid)

    # Without a token
    status, answer, headers = ask("GET", f"{BASE}/Patient")
    check("no token is 401 with a challenge and an OperationOutcome",
          status == 401 and "Bearer" in headers.get("WWW-Authenticate", "") and answer["resourceType"] == "OperationOutcome", answer)

    # Backend services
    for key, kid, algorithm in [(EC, "c1", "ES384"), (RSA, "c2", "RS384")]:
        status, answer, headers = ask("POST", f"{ROOT}/auth/token", form=token_form(assertion(key, kid, algorithm)))
        check(f"backend services with {algorithm}", status == 200 and answer["token_type"].lower() == "bearer"
              and 0 < answer["expires_in"] <= 300 and answer["scope"] == "system/Patient.cruds", answer)
        check("the answer is not stored by caches", headers.get("Cache-Control") == "no-store", headers)
    system = answer["access_token"]
    jwks = jwt.PyJWKClient(found["jwks_uri"])
    claims = jwt.decode(system, jwks.get_signing_key_from_jwt(system).key, algorithms=["ES256"], audience=BASE, issuer=BASE)
    check("the token verifies with the published keys", claims["client_id"] == SYSTEM, claims)
    status, answer, _ = ask("POST", f"{BASE}/Patient", body=b'{"resourceType":"Patient"}', token=system,
                            headers={"Content-Type": "application/fhir+json"})
    check("system/Patient.cruds creates a Patient", status == 201, answer)
    status, answer, _ = ask("GET", f"{BASE}/Observation", token=system)
    check("what no scope allows is 403", status == 403 and answer["resourceType"] == "OperationOutcome", answer)

    refused = {
        "wrong key": assertion(OTHER),
        "wrong aud": assertion(aud="https://other.example/token"),
        "expired": assertion(exp=int(time.time()) - 300),
        "exp far ahead": assertion(exp=int(time.time()) + 3600),
        "no exp": assertion(exp=None),
        "no jti": assertion(jti=None),
        "iss is not sub": assertion(iss="somebody"),
        "unknown client": assertion(iss="nobody", sub="nobody"),
        "unknown kid": assertion(kid="c9"),
    }
    for what, signed in refused.items():
        status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(signed))
        check(f"assertion with {what} is refused", status == 401 and answer["error"] == "invalid_client", answer)
    unsigned = jwt.encode({"iss": SYSTEM, "sub": SYSTEM, "aud": f"{ROOT}/auth/token", "exp": int(time.time()) + 100, "jti": "x"},
                          None, algorithm="none")
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(unsigned))
    check("assertion with alg none is refused", status == 401, answer)
    public_pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "c2"}).encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps({"iss": SYSTEM, "sub": SYSTEM, "aud": f"{ROOT}/auth/token",
                                                "exp": int(time.time()) + 100, "jti": "y"}).encode()).rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.new(public_pem, head + b"." + body, hashlib.sha256).digest()).rstrip(b"=")
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form((head + b"." + body + b"." + mac).decode()))
    check("HS256 with the public key as secret is refused", status == 401, answer)
    signed = assertion()
    ask("POST", f"{ROOT}/auth/token", form=token_form(signed))
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(signed))
    check("a replayed jti is refused", status == 401 and answer["error"] == "invalid_client", answer)
    for what, form, error in [
        ("unknown grant_type", {**token_form(assertion()), "grant_type": "password"}, "unsupported_grant_type"),
        ("no grant_type", {"scope": "x"}, "invalid_request"),
        ("scopes it may not have", token_form(assertion(), scope="system/Condition.cruds"), "invalid_scope"),
        ("user scopes", token_form(assertion(), scope="user/Patient.rs"), "invalid_scope"),
    ]:
        status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=form)
        check(f"{what}: {error}", status in (400, 401) and answer["error"] == error, answer)
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(assertion(), scope="system/Observation.cruds system/Patient.r"))
    check("of what is asked only what it may have is given (scopes v2)", answer.get("scope") == "system/Observation.rs system/Patient.r", answer)
    narrow = answer["access_token"]
    status, answer, _ = ask("GET", f"{BASE}/Patient", token=narrow)
    check(".r does not search", status == 403, answer)
    status, answer, _ = ask("GET", f"{BASE}/Observation", token=narrow)
    check(".rs searches", status == 200, answer)
    status, answer, _ = ask("GET", f"{BASE}/Observation?subject:Patient.name=x", token=narrow)
    check("a chain goes only through what may be searched", status in (200, 403), answer)

    # Tokens that are not ours
    forged = jwt.encode(claims, EC, algorithm="ES384", headers={"kid": "x"})
    tampered = system[:-6] + ("AAAAAA" if not system.endswith("AAAAAA") else "BBBBBB")
    parts = system.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode() + "." + parts[1] + "."
    for what, token in [("forged", forged), ("tampered", tampered), ("alg none", none), ("nonsense", "abc"), ("empty", "a.b.c")]:
        status, answer, headers = ask("GET", f"{BASE}/Patient", token=token)
        check(f"a token that is {what} is 401 invalid_token",
              status == 401 and "invalid_token" in headers.get("WWW-Authenticate", ""), (status, answer))

    # An issuer beside this server
    def outside(kid="r1", audience=BASE, **changes):
        key, algorithm = ISSUER_KEYS[kid]
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "sub": "svc", "client_id": "svc", "scope": "system/Patient.rs",
                  "iat": now, "exp": now + 300}
        claims.update(changes)
        return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=algorithm, headers={"kid": kid})

    for kid in ["r1", "e1"]:
        status, answer, _ = ask("GET", f"{BASE}/Patient", token=outside(kid))
        check(f"a token of another issuer ({ISSUER_KEYS[kid][1]})", status == 200, answer)
    before = issuer_asked["keys"]
    for _ in range(20):
        ask("GET", f"{BASE}/Patient", token=outside())
    check("its keys are kept", issuer_asked["keys"] == before, issuer_asked)
    ISSUER_KEYS["o2"] = (ed25519.Ed25519PrivateKey.generate(), "EdDSA")
    deadline, status = time.time() + 25, 0
    while status != 200 and time.time() < deadline:
        status, answer, _ = ask("GET", f"{BASE}/Patient", token=outside("o2"))
        time.sleep(0.5)
    check("a new key of it is found (rotation, EdDSA)", status == 200, answer)
    now = int(time.time())
    for what, token in {
        "wrong aud": outside(audience="https://other.example/fhir"), "expired": outside(exp=now - 120),
        "not valid yet": outside(nbf=now + 600), "unknown issuer": outside(iss="https://other.example"),
        "azp of another client": outside(azp="another"), "no scope": outside(scope=None), "no sub": outside(sub=None),
    }.items():
        status, answer, _ = ask("GET", f"{BASE}/Patient", token=token)
        check(f"a token of another issuer with {what} is refused", status == 401, (status, answer))
    for _ in range(30):
        ask("GET", f"{BASE}/Patient", token=jwt.encode({"iss": ISSUER, "aud": BASE}, OTHER, algorithm="ES384", headers={"kid": secrets.token_hex(4)}))
    check("unknown keys do not make it ask again and again", issuer_asked["keys"] <= before + 6, issuer_asked)

    # Authorization code with PKCE
    verifier, challenge = pkce()
    status, page, headers = ask("GET", f"{ROOT}/auth/authorize?{authorize_query(challenge)}")
    check("the sign-in page is Japanese and English and runs no scripts", status == 200 and "サインイン" in page and "Sign in" in page
          and "default-src 'none'" in headers.get("Content-Security-Policy", ""), page)
    for what, changes in [("an unknown client", {"client_id": "nobody"}), ("another redirect_uri", {"redirect_uri": REDIRECT + "x"})]:
        status, page, headers = ask("GET", f"{ROOT}/auth/authorize?{authorize_query(challenge, **changes)}")
        check(f"{what} is shown an error and sent nowhere", status in (400, 401) and "Location" not in headers, (status, page))
    for what, changes in [("no PKCE", {"code_challenge": None}), ("plain PKCE", {"code_challenge_method": "plain"}),
                          ("a wrong aud", {"aud": "https://other.example/fhir"}), ("no scope", {"scope": "nothing"})]:
        status, page, headers = ask("GET", f"{ROOT}/auth/authorize?{authorize_query(challenge, **changes)}")
        check(f"{what} is sent back with an error and the state", status == 302 and "error" in sent_back(headers)
              and sent_back(headers).get("state") == "s 1", (status, page))
    query = authorize_query(challenge)
    for what, more in [("a wrong password", {"password": "wrong"}), ("a wrong one-time code", {"code": "000000"}), ("no such account", {"login": "ghost"})]:
        status, page, headers = sign_in(query, **more)
        check(f"{what} does not sign in", status == 401 and "Location" not in headers, status)
    status, page, headers = sign_in(query, patient="c1")
    code = sent_back(headers).get("code")
    check("signing in gives a code", status == 302 and code and sent_back(headers)["state"] == "s 1", (status, page))
    status, page, headers = sign_in(query)
    check("a one-time code counts once", status == 401, status)

    def exchange(code, verifier=verifier, **changes):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": APP, "code_verifier": verifier}
        form.update(changes)
        return ask("POST", f"{ROOT}/auth/token", form=form)

    status, answer, _ = exchange(code, client_id=SYSTEM)
    check("another client cannot use the code", status in (400, 401), answer)
    status, tokens, _ = exchange(code)
    check("the code becomes tokens", status == 200 and "refresh_token" in tokens and tokens.get("patient") == "c1", tokens)
    identity = jwt.decode(tokens["id_token"], jwks.get_signing_key_from_jwt(tokens["id_token"]).key, algorithms=["ES256"], audience=APP, issuer=BASE)
    check("the id_token tells fhirUser, nonce and how they signed in", identity["fhirUser"] == f"{BASE}/Practitioner/p1"
          and identity["nonce"] == "n1" and "mfa" in identity["amr"], identity)
    status, answer, _ = ask("POST", f"{ROOT}/auth/introspect", form={**token_form(assertion()), "token": tokens["access_token"]})
    check("introspection tells what a token is worth", answer.get("active") is True and answer.get("patient") == "c1"
          and answer.get("fhirUser") == f"{BASE}/Practitioner/p1", answer)
    status, answer, _ = ask("POST", f"{ROOT}/auth/introspect", form={"client_id": APP, "token": tokens["access_token"]})
    check("introspection is for clients that prove who they are", status == 401, answer)

    # Refresh with rotation and reuse detection
    def refresh(token, **more):
        return ask("POST", f"{ROOT}/auth/token", form={"grant_type": "refresh_token", "refresh_token": token, "client_id": APP, **more})

    status, second, _ = refresh(tokens["refresh_token"], scope="user/Patient.rs offline_access")
    check("a refresh token gives a new one, with fewer scopes when asked", status == 200 and second["refresh_token"] != tokens["refresh_token"]
          and second["scope"] == "user/Patient.rs offline_access", second)
    status, answer, _ = refresh(tokens["refresh_token"])
    check("a refresh token counts once", status == 400 and answer["error"] == "invalid_grant", answer)
    status, answer, _ = refresh(second["refresh_token"])
    check("reuse ends the whole family", status == 400 and answer["error"] == "invalid_grant", answer)
    status, answer, _ = ask("GET", f"{BASE}/Patient", token=second["access_token"])
    check("and its access tokens", status == 401, answer)
    status, answer, _ = exchange(code)
    check("a code counts once", status == 400 and answer["error"] == "invalid_grant", answer)

    # Wrong verifier; revocation
    time.sleep(max(0, 30 - time.time() % 30) + 0.2)
    verifier, challenge = pkce()
    _, _, headers = sign_in(authorize_query(challenge))
    status, answer, _ = exchange(sent_back(headers).get("code", ""), verifier=secrets.token_urlsafe(48))
    check("a wrong code_verifier is refused", status == 400 and answer["error"] == "invalid_grant", answer)
    status, answer, _ = ask("POST", f"{ROOT}/auth/revoke", form={**token_form(assertion()), "token": system})
    check("a client revokes its token", status == 200, answer)
    status, answer, _ = ask("GET", f"{BASE}/Patient", token=system)
    check("a revoked token is refused at once", status == 401, answer)
    status, answer, _ = ask("POST", f"{ROOT}/auth/introspect", form={**token_form(assertion()), "token": system})
    check("and is not active", answer == {"active": False}, answer)

    # Lockout
    for _ in range(5):
        sign_in(authorize_query(challenge), login="locked1", password="wrong", code="")
    status, _, _ = sign_in(authorize_query(challenge), login="locked1", code="")
    check("after five failures even the right password waits", status == 401, status)

    # Rotation and revocation by command, while the server runs
    with open(f"{FOLDER}/new.json", "w") as file:
        json.dump({"keys": [jwk(OTHER, "n1", "ES384")]}, file)
    run("client", "rotate", SYSTEM, "--jwks", "new.json")
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(assertion()))
    check("after rotation the old key is refused", status == 401, answer)
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(assertion(OTHER, "n1")))
    check("and the new one counts", status == 200, answer)
    last = answer["access_token"]
    run("client", "revoke", SYSTEM)
    status, answer, _ = ask("POST", f"{ROOT}/auth/token", form=token_form(assertion(OTHER, "n1")))
    check("a revoked client gets no token", status == 401, answer)
    time.sleep(2.5)
    status, answer, _ = ask("GET", f"{BASE}/Patient", token=last)
    check("and those it has no longer count", status == 401, answer)
finally:
    program.terminate()
    program.wait()
    log.close()
text = open(f"{FOLDER}/log").read()
check("the server did not panic", "panicked" not in text, text[-2000:])
for secret in [PASSWORD, TOTP]:
    check("no secret is in the log", secret not in text)
print(f"{failures} failures")
sys.exit(1 if failures else 0)
