#!/usr/bin/env python3
"""A story against a running server: from the hospital's discharge summary to what happens at home, and who has read it.

    renraku serve --fls on
    discharge_to_home.py http://127.0.0.1:8080/fhir

Says what happens, line by line, and ends with an error when something does not: in the notebook, and as FHIR.
Everybody in it is made up. Days count from today.
"""
import base64
import datetime
import hashlib
import json
import os
import re
import socket
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib

BASE = sys.argv[1].rstrip("/")
NOTEBOOK = BASE.rsplit("/", 1)[0] + "/notebook/v1"
JST = datetime.timezone(datetime.timedelta(hours=9))
TODAY = datetime.datetime.now(JST).date()
SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "samples", "discharge-hip-fracture.json")
DISCHARGED = datetime.date(2025, 7, 14)
GUIDE = "http://renraku.example/fhir/StructureDefinition/"


def day(before):
    return (TODAY - datetime.timedelta(days=before)).isoformat()


def send(method, url, body=None, headers=None):
    """Status, headers, body as it came."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def ask(method, url, body=None, who=None, wants=(200, 201), headers=None):
    """JSON in, JSON out, by a member of the notebook."""
    sent = {"Content-Type": "application/fhir+json" if url.startswith(BASE) else "application/json"}
    sent.update({"X-Notebook-Member": who} if who else {})
    sent.update(headers or {})
    status, _, answer = send(method, url, None if body is None else json.dumps(body).encode(), sent)
    if status not in wants:
        sys.exit(f"! {method} {url}: {status} {answer.decode()}")
    return json.loads(answer) if answer else None


def fhir(path):
    return ask("GET", path if path.startswith("http") else f"{BASE}/{path}")


def read(path, who=None):
    return ask("GET", f"{NOTEBOOK}/{path}", who=who)


def write(path, body, who=None):
    return ask("POST", f"{NOTEBOOK}/{path}", body, who)


def must(what, is_so):
    print(("  " if is_so else "! ") + what)
    if not is_so:
        sys.exit(1)


def is_valid(resource):
    outcome = ask("POST", f"{BASE}/{resource['resourceType']}/$validate", resource)
    wrong = [issue for issue in outcome["issue"] if issue["severity"] in ("error", "fatal")]
    for issue in wrong:
        print(f"! {issue.get('expression')} {issue.get('diagnostics')}")
    return not wrong


# ---- a short film, drawn here: its pictures are noise, the form of the file is what counts ----------------------

def box(kind, *parts):
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + kind + content


def film(seconds, size):
    """An MP4 of some seconds whose pictures are noise; with a place that must not come back."""
    scale = 1000
    duration = seconds * scale
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    head = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, scale, duration), struct.pack(">IH10x", 0x10000, 0x100), matrix, bytes(24), struct.pack(">I", 2))
    track = box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, duration), bytes(16), matrix, struct.pack(">II", 320 << 16, 240 << 16))
    media = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, scale, duration, 0x55C4, 0))
    handler = box(b"hdlr", struct.pack(">II", 0, 0), b"vide", bytes(13))
    entry = box(b"jpeg", bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", 320, 240), struct.pack(">III", 0x480000, 0x480000, 0), struct.pack(">H", 1), bytes(32), struct.pack(">Hh", 24, -1))
    kind = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
    seed, noise = b"gait", b""
    while len(noise) < size:
        seed = hashlib.sha256(seed).digest()
        noise += zlib.compress(seed * 64) + seed * 31

    def whole(offset):
        table = box(
            b"stbl",
            box(b"stsd", struct.pack(">II", 0, 1), entry),
            box(b"stts", struct.pack(">IIII", 0, 1, 1, duration)),
            box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
            box(b"stsz", struct.pack(">III", 0, size, 1)),
            box(b"stco", struct.pack(">III", 0, 1, offset)),
        )
        information = box(b"minf", box(b"vmhd", struct.pack(">II", 1, 0), bytes(4)), box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), box(b"url ", struct.pack(">I", 1)))), table)
        place = box(b"udta", box(b"\xa9xyz", struct.pack(">HH", 18, 0x15C7), b"+35.0000+136.0000/"))
        return kind + box(b"moov", head, box(b"trak", track, box(b"mdia", media, handler, information)), place)

    start = whole(0)
    return whole(len(start) + 8) + box(b"mdat", noise[:size])


# ---- the story ------------------------------------------------------------------------------------------------

print("The hospital sends the discharge summary of a woman whose hip was operated on; she went home ten days ago.")
moved = (TODAY - datetime.timedelta(days=10)) - DISCHARGED
with open(SAMPLE, encoding="utf-8") as file:
    text = file.read()
text = re.sub(r'(?<=")202[4-7]-\d\d-\d\d', lambda found: (datetime.date.fromisoformat(found[0]) + moved).isoformat(), text)
# Another citizen and another document each time, so that the story can be told twice to the same server.
number = f"{time.time_ns() // 1_000_000 % 10_000_000:07}"
document = json.loads(text.replace("0000123", number).replace("見本:１２３", f"見本:{number}"))
answer = ask("POST", f"{BASE}/Bundle/$ingest-document", document)
said = {one["name"]: one for one in answer["parameter"]}
patient = said["patient"]["valueReference"]["reference"]
WHO = patient.split("/")[1]
citizen = f"citizens/{WHO}"
must(f"{said['created']['valueUnsignedInt']} resources came into being", said["created"]["valueUnsignedInt"] > 30)
again = {one["name"]: one for one in ask("POST", f"{BASE}/Bundle/$ingest-document", document)["parameter"]}
must("sent twice, it changes nothing", again["created"]["valueUnsignedInt"] == again["updated"]["valueUnsignedInt"] == 0)

print("The notebook knows her; a team is formed around her.")
hospital = write("facility", {"name": "サンプル病院"})
station = write("facility", {"name": "見本居宅サービス"})
team = {}
for role, name, work in (("nurse", "見本 看護師", "FLS看護師"), ("helper", "見本 ヘルパー", "訪問介護員"), ("therapist", "見本 作業療法士", "作業療法士"), ("pharmacist", "見本 薬剤師", "薬剤師")):
    person = write("member", {"name": name})
    team[role] = f"Practitioner/{person['id']}"
    facility = hospital if role == "nurse" else station
    write("role", {"member": team[role], "facility": f"Organization/{facility['id']}", "name": work})
    write(f"{citizen}/team/members", {"member": team[role], "name": work, "starts": day(9)})
daughter = ask("POST", f"{BASE}/RelatedPerson", {"resourceType": "RelatedPerson", "patient": {"reference": patient}, "name": [{"text": "見本 娘"}],
               "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "DAUC"}]}]})
team["daughter"] = f"RelatedPerson/{daughter['id']}"
team["citizen"] = patient
page = read(citizen, team["helper"])
must(f"{page['name']} is on the notebook with {len(page['team']['members'])} members of her team", len(page["team"]["members"]) == 4)
must("with her fracture among the diagnoses", any("大腿骨転子部骨折" in json.dumps(one, ensure_ascii=False) for one in page["diagnoses"]))
careteam = fhir(f"CareTeam?patient={WHO}")["entry"][0]["resource"]
must("as FHIR: a CareTeam of the same four", sorted(one["member"]["reference"] for one in careteam["participant"]) == sorted(team[role] for role in ("nurse", "helper", "therapist", "pharmacist")))

print("The nurse of the hospital tells the team; the team reads.")
told = write(f"{citizen}/articles", {"title": "退院のお知らせ", "text": "ご自宅へ退院されました。診療情報をご覧ください。", "category": "handover"}, team["nurse"])
articles = {"told": (told, {"nurse"})}


def marks(key):
    """Who reads an article, and that the marks say so: its writer and its readers, nobody else."""
    article, readers = articles[key]
    shown = read(f"articles/{article['id']}", team["nurse"])
    return {one["reader"] for one in shown["readBy"]} == {team[role] for role in readers if team[role] != article["sender"]}


def reads(role, key):
    ask("POST", f"{NOTEBOOK}/articles/{articles[key][0]['id']}/read", who=team[role])
    articles[key][1].add(role)


def unread_is_right():
    """For everybody: what they have not read is what they have not read."""
    for role, who in team.items():
        listed = read(f"{citizen}/unread", who)
        expected = {article["id"] for article, readers in articles.values() if role not in readers}
        if {one["id"] for one in listed["entries"]} != expected or listed["count"] != len(expected):
            print(f"! {role}: {listed['count']} unread, {len(expected)} expected")
            return False
        for article, readers in articles.values():
            if read(f"articles/{article['id']}", who)["isRead"] != (role in readers):
                print(f"! {role}: “{article['title']}” is marked wrongly")
                return False
    return True


must("all but its writer have it unread", unread_is_right())
timeline = read(f"{citizen}/timeline", team["helper"])
must("the helper finds the discharge summary on the timeline", len(timeline["entries"]) > 10)
for role in ("helper", "therapist", "pharmacist"):
    reads(role, "told")
must("three have read it, the daughter has not", marks("told") and unread_is_right())
must("as FHIR: a Communication that the nurse sent to the team", fhir(told["resource"])["sender"]["reference"] == team["nurse"])

print("The helper writes down what she ate.")
meal = write(f"{citizen}/nutrition", {"observed": f"{day(1)}T12:20:00+09:00", "amount": 60, "meal": "昼食", "note": "主菜を残されました"}, team["helper"])
articles["meal"] = (write(f"{citizen}/articles", {"title": "昼食", "text": "6割ほどでした。水分は300 mL。", "category": "nutrition"}, team["helper"]), {"helper"})
found = fhir(f"Observation?patient={WHO}&performer={team['helper']}")["entry"]
observation = found[0]["resource"]
must("the hospital finds an Observation by the helper", len(found) == 1 and observation["id"] == meal["id"])
must("with 60 % and the words", observation["valueQuantity"]["value"] == 60 and observation["note"][0]["text"] == "主菜を残されました")
must("valid against R4 and the guide", is_valid(observation))
communication = fhir(f"Communication?patient={WHO}&sender={team['helper']}")["entry"][0]["resource"]
must("and a Communication, valid too", communication["payload"][0]["contentString"].startswith("6割") and is_valid(communication))
reads("nurse", "meal")
must("the nurse has read it, the others have not", marks("meal") and unread_is_right())

print("The daughter films her mother walking; the line breaks while she sends it.")
video = film(8, 1_500_000)
digest = hashlib.sha256(video).hexdigest()
words = lambda word: base64.b64encode(word.encode()).decode()
TUS = {"Tus-Resumable": "1.0.0", "X-Notebook-Member": team["daughter"]}
status, headers, _ = send("POST", f"{NOTEBOOK}/media/uploads", b"", {**TUS, "Upload-Length": str(len(video)), "Upload-Metadata": f"filename {words('歩行.mp4')},filetype {words('video/mp4')}"})
must("the upload is begun", status == 201)
upload = headers["Location"]
where = urllib.parse.urlsplit(upload)
line = socket.create_connection((where.hostname, where.port))
line.sendall(f"PATCH {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
             f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(video)}\r\n\r\n".encode() + video[:700_000])
line.close()
offset = 0
for _ in range(100):
    time.sleep(0.1)
    status, headers, _ = send("HEAD", upload, None, TUS)
    if status == 200 and int(headers["Upload-Offset"]) > 0:
        time.sleep(0.3)
        offset = int(send("HEAD", upload, None, TUS)[1]["Upload-Offset"])
        break
must(f"{offset} bytes of {len(video)} have come", 0 < offset < len(video))
status, headers, _ = send("PATCH", upload, video[offset:], {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"})
must("the rest follows", status == 204 and int(headers["Upload-Offset"]) == len(video))
media = ask("POST", f"{NOTEBOOK}/{citizen}/media", {"upload": upload, "title": "廊下での歩行", "operator": team["daughter"], "sha256": digest}, team["daughter"])
must(f"the video is there: {media['type']}, {media.get('duration')} s, place removed: {media['placeRemoved']}", media["type"] == "video" and media["placeRemoved"])
resource = fhir(f"Media/{media['id']}")
must("as FHIR: a Media of the citizen by the daughter, valid", resource["subject"]["reference"] == patient and resource["operator"]["reference"] == team["daughter"] and is_valid(resource))
must("of 8 seconds, 320 by 240", (resource["duration"], resource["width"], resource["height"]) == (8, 320, 240))
status, headers, part = send("GET", media["links"]["content"], None, {"Range": "bytes=4-7"})
must("its bytes come in parts", status == 206 and part == b"ftyp")
must("and without the place", b"+35.0000" not in send("GET", media["links"]["content"])[2])
articles["walk"] = (write(f"{citizen}/articles", {"title": "歩く様子", "text": "廊下で少しつまずきます。", "category": "photo-video", "attachments": [f"Media/{media['id']}"]}, team["daughter"]), {"daughter"})

print("The occupational therapist watches it and sees a rug on which she stumbles.")
reads("therapist", "walk")
hazard = write(f"{citizen}/home_hazard", {"hazard": "rug", "text": "廊下の敷物の端がめくれています", "seen": day(0), "media": f"Media/{media['id']}"}, team["therapist"])
observation = fhir(hazard["resource"])
must("as FHIR: an Observation derived from the Media", observation["derivedFrom"][0]["reference"] == f"Media/{media['id']}" and observation["performer"][0]["reference"] == team["therapist"])
must("valid", is_valid(observation))
found = fhir(f"Observation?derived-from=Media/{media['id']}&_include=Observation:derived-from")
must("whoever has the video finds the hazard", sorted(one["resource"]["resourceType"] for one in found["entry"]) == ["Media", "Observation"])
must("marks are right", marks("walk") and unread_is_right())

print("The pharmacist asks how she takes her medicine.")
statement = write(f"{citizen}/medication", {"drug": "デノタスチュアブル配合錠", "usage": "1日1回 朝食後 1回2錠", "status": "active", "starts": day(10), "adherence": "partly", "asserted": day(0)}, team["pharmacist"])
now = read(f"{citizen}/medications", team["nurse"])
taken = next(one for one in now["current"] if one["drug"].startswith("デノタス"))
must("the notebook knows that a part is taken", taken["adherence"] == "partly" and f"MedicationStatement/{statement['id']}" in taken["sources"])
resource = fhir(statement["resource"])
must("as FHIR: a MedicationStatement by the pharmacist, valid", resource["informationSource"]["reference"] == team["pharmacist"] and is_valid(resource))

print("When is the next injection of denosumab?")
denosumab = next(one for one in now["current"] if one.get("class") == "denosumab")
given, due = datetime.date.fromisoformat(denosumab["last"]), datetime.date.fromisoformat(denosumab["nextDose"])
must(f"given on {given} in the hospital, due on {due}", 180 <= (due - given).days <= 185 and given == DISCHARGED - datetime.timedelta(days=7) + moved)
doses = [one["resource"] for one in fhir(f"MedicationAdministration?patient={WHO}")["entry"]]
must("as FHIR: the MedicationAdministration of the discharge summary", [one["effectiveDateTime"][:10] for one in doses] == [given.isoformat()] and denosumab["sources"] == [f"MedicationAdministration/{doses[0]['id']}"])
must("the page of the citizen says the same", any(one["nextDose"] == due.isoformat() for one in read(citizen, team["daughter"])["medication"]["current"]))
write(f"{citizen}/visit", {"title": "デノスマブ注射", "starts": f"{due}T10:00:00+09:00", "ends": f"{due}T10:30:00+09:00"}, team["nurse"])
visits = read(citizen, team["daughter"])["nextVisits"]
must("the daughter sees the appointment", any(one["title"] == "デノスマブ注射" and one["starts"].startswith(due.isoformat()) for one in visits))
bundle = fhir(f"Appointment?patient={WHO}") if any("Appointment/" in one["resource"] for one in visits) else fhir(f"Encounter?patient={WHO}")
must("as FHIR too", bundle["total"] >= 1)

print("Everybody reads the rest.")
for role in team:
    for key, (article, readers) in articles.items():
        if role not in readers:
            must(f"{role} still has “{article['title']}” unread", article["id"] in {one["id"] for one in read(f"{citizen}/unread", team[role])["entries"]})
            reads(role, key)
must("nobody has anything left, every mark is right", unread_is_right() and all(marks(key) for key in articles))
receipts = fhir(f"Communication/{told['id']}")
receipts = [one for one in receipts["extension"] if one["url"] == GUIDE + "read-receipt"]
must("as FHIR: five receipts with who and when", len(receipts) == 5 and all(len(one["extension"]) == 2 for one in receipts))
history = fhir(f"Communication/{told['id']}/_history")
must(f"and each in the history: {history['total']} versions", history["total"] == 6)
