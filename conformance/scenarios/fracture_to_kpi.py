#!/usr/bin/env python3
"""A story against a running server: fracture, pathway, missed follow-up, alarm, acted on, the figures move.

    renraku serve --fls on
    fracture_to_kpi.py http://127.0.0.1:8080/fhir

Says what happens, line by line, and ends with an error when something does not. The citizen is made up.
"""
import datetime
import json
import sys
import urllib.error
import urllib.request

BASE = sys.argv[1].rstrip("/")
ROOT = BASE.rsplit("/", 1)[0]
JST = datetime.timezone(datetime.timedelta(hours=9))
TODAY = datetime.datetime.now(JST).date()
LOCAL = "http://renraku.example/fhir/CodeSystem/"
WHO = "story-1"


def day(before):
    return (TODAY - datetime.timedelta(days=before)).isoformat()


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    kind = "application/fhir+json" if url.startswith(BASE) else "application/json"
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {url}: {error.code} {error.read().decode()}")


def put(kind, key, **members):
    subject = {} if kind == "Patient" else {"subject": {"reference": f"Patient/{WHO}"}}
    call("PUT", f"{BASE}/{kind}/{key}", {"resourceType": kind, "id": key, **subject, **members})


def activity(code):
    return {"coding": [{"system": LOCAL + "fls-activity", "code": code}]}


def row():
    return call("GET", f"{ROOT}/fls/registry?patient=Patient/{WHO}")["episodes"][0]


def state(code):
    return next(one["state"] for one in row()["activities"] if one["code"] == code)


def score(measure, subject=f"&subject=Patient/{WHO}"):
    report = call("GET", f"{BASE}/Measure/{measure}/$evaluate-measure?periodStart={day(200)}&periodEnd={day(0)}{subject}")
    counts = {one["code"]["coding"][0]["code"]: one.get("count") for one in report["group"][0]["population"]}
    return counts["numerator"], counts["denominator"]


def must(what, is_so):
    print(("  " if is_so else "! ") + what)
    if not is_so:
        sys.exit(1)


def tasks():
    found = call("GET", f"{BASE}/Task?patient=Patient/{WHO}&_count=50")
    return {entry["resource"]["code"]["coding"][0]["code"]: entry["resource"] for entry in found.get("entry", [])}


print(f"A woman of 82 breaks her hip on {day(113)}, 113 days ago; alendronate is prescribed on day 20.")
put("Patient", WHO, birthDate=f"{TODAY.year - 82}-01-01", gender="female", name=[{"text": "見本 物語"}])
put("Condition", f"{WHO}-fracture", onsetDateTime=day(113), code={"coding": [{"system": "http://medis.or.jp/CodeSystem/master-disease-exCode", "code": "BCRD"}], "text": "右大腿骨頚部骨折"})
put("MedicationRequest", f"{WHO}-drug", status="active", intent="order", authoredOn=day(93), medicationCodeableConcept={"text": "アレンドロン酸錠35mg"},
    dispenseRequest={"expectedSupplyDuration": {"value": 84, "system": "http://unitsofmeasure.org", "code": "d"}})
must("the pathway is open", row()["state"] == "active")
must("as an EpisodeOfCare, a CarePlan and 11 Tasks", len(tasks()) == 11)
must("the start of treatment is done, by the prescription", tasks()["treatment-start"]["output"][0]["valueReference"]["reference"] == f"MedicationRequest/{WHO}-drug")

print("Nobody called by day 112.")
must("the follow-up is late", state("follow-up-16w") == "overdue")
alarms = call("GET", f"{ROOT}/fls/alarms?patient=Patient/{WHO}&acknowledged=false")["alarms"]
alarm = next(one for one in alarms if one["about"] == "follow-up-16w")
must(f"an alarm stands: {alarm['text']['ja']}", call("GET", f"{BASE}/Flag/{alarm['id']}")["status"] == "active")
must("KPI 9 counts her as not followed up", score("fls-kpi-09") == (0, 1))
must("KPI 10 counts her as treated", score("fls-kpi-10") == (1, 1))
gaps = call("GET", f"{BASE}/Measure/$care-gaps?periodStart={day(200)}&periodEnd={day(0)}&topic=fls&subject=Patient/{WHO}")
named = [entry["resource"]["code"]["coding"][0]["code"] for entry in gaps["entry"] if entry["resource"]["resourceType"] == "DetectedIssue"]
must("the care gaps name it", "follow-up" in named)
before = score("fls-kpi-09", "")

print("The nurse takes note of the alarm and calls; it turns out that she had been called on day 100 already.")
call("POST", f"{ROOT}/fls/alarms/{alarm['id']}/acknowledge", {"who": "FLS看護師", "reason": "本日電話します"})
must("the alarm stands as acknowledged", row()["alarms"].count("overdue") < [one["code"] for one in alarms].count("overdue"))
put("Communication", f"{WHO}-call", status="completed", category=[activity("follow-up-16w")], sent=f"{day(13)}T14:00:00+09:00", payload=[{"contentString": "服薬は続いています。"}])
must("the follow-up is done", state("follow-up-16w") == "done")
must("its Task is closed by the call", tasks()["follow-up-16w"]["output"][0]["valueReference"]["reference"] == f"Communication/{WHO}-call")
must("the alarm is over", call("GET", f"{BASE}/Flag/{alarm['id']}")["status"] == "inactive")
must("KPI 9 counts her as followed up", score("fls-kpi-09") == (1, 1))
after = score("fls-kpi-09", "")
must(f"and the figure of all moves: {before[0]} of {before[1]} → {after[0]} of {after[1]}", after[0] == before[0] + 1 and after[1] == before[1])
