#!/usr/bin/env python3
"""A made-up cohort: citizens with fractures, what was done for them, and what was not.

    generate.py [--citizens 2000] [--seed 1] [--share 0.6] > cohort.ndjson

FHIR R4 resources, one a line. Everybody is made up. The same arguments give the same bytes. Days crowd around the
limits of the rules (90 and 91, 112 and 113, 365); codes, forms of dates and ways to say a treatment vary as they do
between senders. Only Python's standard library is needed.
"""
import argparse
import datetime
import json
import random
import sys

LOCAL = "http://renraku.example/fhir/CodeSystem/"
PROFILE = "http://renraku.example/fhir/StructureDefinition/"
ICD = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full"
EXCHANGE = "http://medis.or.jp/CodeSystem/master-disease-exCode"
CLAIM = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterB-disease"
LOINC = "http://loinc.org"
JLAC = "http://medis.or.jp/CodeSystem/master-JLAC10-17digits"
START = datetime.date(2023, 1, 1)
DAYS = 1096

FRACTURES = {
    "hip": [(ICD, "S72.0"), (ICD, "S721"), (ICD, "S72.20"), (EXCHANGE, "BCRD"), (EXCHANGE, "S0K6"), (CLAIM, "8208009"), (None, "大腿骨転子部骨折")],
    "vertebra": [(ICD, "S22.0"), (ICD, "S320"), (EXCHANGE, "BDPA"), (EXCHANGE, "TLGJ"), (CLAIM, "8054003"), (None, "第1腰椎圧迫骨折")],
    "distal-forearm": [(ICD, "S52.5"), (EXCHANGE, "CJTR"), (CLAIM, "8838017")],
    "proximal-humerus": [(ICD, "S42.2"), (EXCHANGE, "KCNB")],
    "unspecified": [(EXCHANGE, "D88V")],
    "other": [(ICD, "S82.1"), (ICD, "S62.5")],
}
SIDE = {"left": "左", "right": "右"}
DRUGS = [
    ("denosumab", "デノスマブ皮下注60mg", True),
    ("zoledronate", "ゾレドロン酸点滴静注5mg", True),
    ("romosozumab", "ロモソズマブ皮下注105mg", True),
    ("teriparatide", "テリパラチド皮下注キット", False),
    ("alendronate-weekly", "アレンドロン酸錠35mg", False),
    ("eldecalcitol", "エルデカルシトールカプセル0.75μg", False),
    ("raloxifene", "ラロキシフェン塩酸塩錠60mg", False),
    ("supplement", "デノタスチュアブル配合錠", False),
]
HOSPITALS = ["Organization/cohort-hospital-a", "Organization/cohort-hospital-b", "Organization/cohort-hospital-c"]
CITIES = ["Organization/cohort-city-a", "Organization/cohort-city-b"]


class Writer:
    def __init__(self, dice):
        self.dice, self.count = dice, 0

    def write(self, resource):
        sys.stdout.write(json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n")

    def add(self, kind, citizen, **members):
        self.count += 1
        key = f"{citizen}-{self.count}"
        self.write({"resourceType": kind, "id": key, **members})
        return f"{kind}/{key}"

    def when(self, day):
        """A day as a date, or as a moment of that day in Japan written in one zone or another."""
        form = self.dice.random()
        if form < 0.7:
            return day.isoformat()
        if form < 0.8:
            return f"{day.isoformat()}T00:00:00+09:00"
        if form < 0.9:
            return f"{(day - datetime.timedelta(days=1)).isoformat()}T15:00:00Z"
        return f"{day.isoformat()}T23:59:59+09:00"


def concept(system, code):
    return {"text": code} if system is None else {"coding": [{"system": system, "code": code}]}


def local(name, code):
    return {"coding": [{"system": LOCAL + name, "code": code}]}


def around(dice, limit, wide):
    """A day near a limit, or anywhere before `wide`."""
    return limit + dice.choice([-2, -1, 0, 0, 1, 1, 2]) if dice.random() < 0.4 else dice.randrange(0, wide)


def citizen(out, number, share):
    dice = out.dice
    key = f"cohort-{number:06d}"
    subject = {"reference": f"Patient/{key}"}
    sex = dice.choice(["female", "female", "female", "male"])
    birth = datetime.date(1930, 1, 1) + datetime.timedelta(days=dice.randrange(0, 45 * 365))
    if dice.random() < 0.02:
        birth = datetime.date(dice.choice([1936, 1944, 1952, 1964]), 2, 29)
    patient = {
        "resourceType": "Patient",
        "id": key,
        "identifier": [{"system": "http://renraku.example/fhir/IdSystem/notebook", "value": f"C-{number:06d}"}],
        "name": [{"text": f"見本 {number}"}],
        "gender": sex,
        "birthDate": birth.isoformat(),
    }
    if dice.random() < 0.02:
        del patient["gender"]
    city = dice.choice(CITIES)
    patient["managingOrganization"] = {"reference": city}
    if dice.random() < 0.05:
        # Moved from one municipality to the other.
        moved = START + datetime.timedelta(days=dice.randrange(DAYS))
        other = CITIES[1 - CITIES.index(city)]
        place = lambda name: [{"url": PROFILE + "address-municipality", "valueReference": {"reference": name}}]
        patient["address"] = [
            {"extension": place(other), "text": "前の住所", "period": {"end": moved.isoformat()}},
            {"extension": place(city), "text": "今の住所", "period": {"start": (moved + datetime.timedelta(days=1)).isoformat()}},
        ]
    records = []
    if dice.random() < share:
        fracture(out, key, subject, dice, patient, records)
    elif dice.random() < 0.2 and share > 0:
        certify(out, key, subject, dice, START + datetime.timedelta(days=dice.randrange(DAYS)), [])
    out.write(patient)


def condition(out, key, subject, dice, site, side, day, **more):
    system, code = dice.choice(FRACTURES[site])
    name = concept(system, code)
    body = []
    if side:
        if dice.random() < 0.7:
            body = [{"extension": [{"url": PROFILE + "laterality", "valueCode": side}], "text": "部位"}]
        else:
            name["text"] = SIDE[side] + name.get("text", "骨折")
    onset = {"onsetDateTime": out.when(day)} if dice.random() < 0.9 else {"recordedDate": out.when(day)}
    if body:
        more["bodySite"] = body
    return out.add("Condition", key, code=name, subject=subject, **onset, **more)


def fracture(out, key, subject, dice, patient, records):
    site = dice.choices(["hip", "vertebra", "distal-forearm", "proximal-humerus", "unspecified", "other"], [40, 30, 12, 8, 5, 5])[0]
    side = None if site == "vertebra" or dice.random() < 0.05 else dice.choice(["left", "right"])
    day = START + datetime.timedelta(days=dice.randrange(DAYS))
    if dice.random() < 0.02:
        day = datetime.date(2024, 2, 29)
    at = lambda days: day + datetime.timedelta(days=days)
    stay = None
    hospital = dice.choice(HOSPITALS)
    if site in ("hip", "vertebra") and dice.random() < 0.85:
        stay = out.add(
            "Encounter", key, status="finished", subject=subject, serviceProvider={"reference": hospital},
            period={"start": out.when(day), "end": out.when(at(20))}, **{"class": {"code": "IMP"}},
        )
    more = {"encounter": {"reference": stay}} if stay and dice.random() < 0.7 else {}
    first = condition(out, key, subject, dice, site, side, day, **more)
    records.append(first)
    if dice.random() < 0.1:
        # Coded again, in time or not.
        condition(out, key, subject, dice, site, side, at(dice.choice([1, 5, 29, 30, 31, 40])))
    if dice.random() < 0.03:
        refuted = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "refuted"}]}
        condition(out, key, subject, dice, "hip", "left", at(100), verificationStatus=refuted)
    second = None
    if dice.random() < 0.12:
        later = dice.randrange(32, 500)
        other = dice.choice(["hip", "vertebra", site if site != "other" else "hip"])
        turned = None if other == "vertebra" else ("left" if side == "right" else "right")
        second = (condition(out, key, subject, dice, other, turned, at(later)), at(later))
    pathway(out, key, subject, dice, at, site, stay)
    treatment(out, key, subject, dice, at)
    if dice.random() < 0.10:
        died = at(dice.choice([3, 15, 50, 50, 111, 112, 113, 200, 364, 365, 366, 500]))
        patient["deceasedDateTime"] = out.when(died)
    if dice.random() < 0.05:
        exit_ = dice.choice(["declined", "moved-away", "other"])
        out.add("Observation", key, status="final", code=local("observation-code", "fls-exit"), subject=subject,
                effectiveDateTime=at(dice.randrange(1, 300)).isoformat(), valueCodeableConcept=local("fls-exit", exit_))
    if dice.random() < 0.35:
        cause = dice.random()
        named = [first] if cause < 0.5 else ([second[0]] if second and cause < 0.8 else [])
        begin = second[1] if second and dice.random() < 0.8 else day
        certify(out, key, subject, dice, begin + datetime.timedelta(days=dice.randrange(20, 200)), named, renew=True)


def pathway(out, key, subject, dice, at, site, stay):
    seen = lambda code, system, days, **more: out.add(
        "Observation", key, status=more.pop("status", "final"), code=concept(system, code), subject=subject,
        effectiveDateTime=out.when(at(days)), **more)
    if dice.random() < 0.8:
        if dice.random() < 0.5:
            out.add("Encounter", key, status="finished", subject=subject, period={"start": out.when(at(around(dice, 90, 150)))},
                    type=[local("fls-activity", "assessment")], **{"class": {"code": "AMB"}})
        else:
            seen("90265-0", LOINC, around(dice, 90, 150), valueQuantity={"value": 20, "unit": "%"})
    if dice.random() < 0.7:
        if dice.random() < 0.6:
            out.add("ServiceRequest", key, status="active", intent="order", subject=subject, authoredOn=out.when(at(dice.randrange(0, 60))),
                    code={"coding": [{"system": LOINC, "code": "38263-0"}]})
        if dice.random() < 0.8:
            code, system = dice.choice([("38263-0", LOINC), ("24966-4", LOINC), ("9Z507195600000001", JLAC)])
            seen(code, system, around(dice, 90, 200), bodySite={"text": "大腿骨頚部"})
        elif dice.random() < 0.5:
            # Not done: no evidence.
            seen("38263-0", LOINC, 40, dataAbsentReason={"text": "not performed"})
    if dice.random() < 0.6:
        seen("3B222000002302301", JLAC, dice.randrange(0, 60))
    if dice.random() < 0.7:
        code, system = dice.choice([("59460-6", LOINC), ("89423-8", LOINC), ("75856-5", LOINC)])
        seen(code, system, dice.randrange(-5, 200), status=dice.choice(["final", "final", "preliminary"]))
    if dice.random() < 0.6:
        out.add("Procedure", key, status="completed", subject=subject, code=local("fls-activity", "exercise"),
                performedDateTime=out.when(at(around(dice, 112, 200))))
    if dice.random() < 0.2:
        out.add("Observation", key, status="final", subject=subject, code=local("observation-code", "home-hazard"),
                effectiveDateTime=at(dice.randrange(10, 200)).isoformat(), valueCodeableConcept=local("home-hazard", "rug"))
    if dice.random() < 0.7:
        days = around(dice, 112, 200)
        code = dice.choice(["follow-up", "follow-up-16w"])
        if dice.random() < 0.5:
            out.add("Communication", key, status="completed", subject=subject, category=[local("fls-activity", code)], sent=f"{at(days).isoformat()}T10:00:00+09:00")
        else:
            out.add("Appointment", key, status=dice.choice(["fulfilled", "fulfilled", "noshow"]), serviceType=[local("fls-activity", code)],
                    start=f"{at(days).isoformat()}T09:00:00+09:00", end=f"{at(days).isoformat()}T09:30:00+09:00",
                    participant=[{"actor": subject, "status": "accepted"}])
    if dice.random() < 0.5:
        out.add("Encounter", key, status="finished", subject=subject, period={"start": out.when(at(around(dice, 365, 400) + 20))},
                type=[local("fls-activity", dice.choice(["follow-up", "follow-up-52w"]))], **{"class": {"code": "AMB"}})
    if site == "hip" and stay and dice.random() < 0.8:
        out.add("Procedure", key, status="completed", subject=subject, code={"coding": [{"code": dice.choice(["150019210", "150049510"]), "system": "urn:example:procedure"}]},
                performedDateTime=out.when(at(2)))
        if dice.random() < 0.7:
            bill(out, key, subject, "113036510", at(15))
            if dice.random() < 0.5:
                out.add("Encounter", key, status="finished", subject=subject, period={"start": at(21).isoformat(), "end": at(80).isoformat()},
                        type=[local("fls-activity", "recovery-ward")], **{"class": {"code": "IMP"}})
                if dice.random() < 0.7:
                    bill(out, key, subject, "113036610", at(30))
            for month in range(1, dice.randrange(2, 15)):
                visit = at(15 + 30 * month)
                out.add("Encounter", key, status="finished", subject=subject, period={"start": visit.isoformat()}, **{"class": {"code": "AMB"}})
                if dice.random() < 0.6:
                    bill(out, key, subject, "113036710", visit)


def bill(out, key, subject, code, day):
    out.add("ChargeItem", key, status="billed", subject=subject, occurrenceDateTime=day.isoformat(), code={"coding": [{"system": "urn:example:fee", "code": code}]})


def treatment(out, key, subject, dice, at):
    if dice.random() < 0.5:
        out.add("ServiceRequest", key, status="active", intent="proposal", subject=subject, authoredOn=out.when(at(dice.randrange(5, 100))),
                code=local("fls-activity", "treatment-recommendation"))
    if dice.random() < 0.2:
        # Taken before the fracture.
        _, name, _ = dice.choice(DRUGS[4:7])
        period = {"start": at(-dice.randrange(30, 600)).isoformat()}
        end = dice.choice([None, -1, 0, 20, 120, 364, 365])
        if end is not None:
            period["end"] = at(end).isoformat()
        out.add("MedicationStatement", key, status="active" if end is None else "completed", subject=subject, effectivePeriod=period,
                dateAsserted=at(dice.randrange(0, 60)).isoformat(), medicationCodeableConcept={"text": name})
    if dice.random() < 0.1:
        out.add("MedicationStatement", key, status="not-taken", subject=subject, statusReason=[local("treatment-stop-reason", "refused")],
                medicationCodeableConcept={"text": DRUGS[0][1]}, effectiveDateTime=at(40).isoformat(), dateAsserted=at(40).isoformat())
        return
    if dice.random() < 0.35:
        return
    code, name, long_acting = dice.choice(DRUGS)
    begin = around(dice, 112, 130)
    drug = {"text": name}
    if long_acting:
        every = {"denosumab": 183, "zoledronate": 365, "romosozumab": 30}[code]
        day = begin
        for _ in range(dice.randrange(1, 4 if every > 100 else 13)):
            if dice.random() < 0.7:
                out.add("MedicationAdministration", key, status="completed", subject=subject, effectiveDateTime=out.when(at(day)), medicationCodeableConcept=drug)
            else:
                out.add("MedicationRequest", key, status="completed", intent="order", subject=subject, authoredOn=out.when(at(day)), medicationCodeableConcept=drug)
            day += every + dice.choice([-10, 0, 5, 25, 30, 31, 60])
        return
    form = dice.random()
    if form < 0.5:
        day = begin
        for _ in range(dice.randrange(1, 8)):
            supply = dice.choice([28, 56, 84])
            out.add("MedicationRequest", key, status="active", intent="order", subject=subject, authoredOn=out.when(at(day)), medicationCodeableConcept=drug,
                    dispenseRequest={"expectedSupplyDuration": {"value": supply, "system": "http://unitsofmeasure.org", "code": "d"}})
            day += supply + dice.choice([0, 0, 7, 28, 29, 30, 60])
        if dice.random() < 0.2:
            stop = begin + dice.randrange(10, 200)
            out.add("MedicationStatement", key, status="stopped", subject=subject, statusReason=[local("treatment-stop-reason", "side-effect")],
                    effectivePeriod={"start": at(begin).isoformat(), "end": at(stop).isoformat()}, dateAsserted=at(stop).isoformat(), medicationCodeableConcept=drug)
    elif form < 0.75:
        out.add("MedicationDispense", key, status="completed", subject=subject, whenHandedOver=out.when(at(begin)), medicationCodeableConcept=drug,
                daysSupply={"value": dice.choice([28, 90, 180]), "system": "http://unitsofmeasure.org", "code": "d"})
    else:
        out.add("MedicationStatement", key, status="active", subject=subject, effectivePeriod={"start": at(begin).isoformat()},
                dateAsserted=at(begin + dice.choice([0, 30, 300])).isoformat(), medicationCodeableConcept=drug)


def certify(out, key, subject, dice, day, causes, renew=False):
    levels = ["12", "13", "21", "22", "23", "24", "25"]
    level = dice.choice(levels)

    def one(start, level, causes):
        end = start + datetime.timedelta(days=364)
        members = {}
        if causes:
            members["extension"] = [{"url": PROFILE + "care-level-cause", "valueReference": {"reference": cause}} for cause in causes]
        out.add("Observation", key, status="final", code=local("observation-code", "care-level"), subject=subject,
                effectivePeriod={"start": start.isoformat(), "end": end.isoformat()}, performer=[{"reference": dice.choice(CITIES)}],
                valueCodeableConcept=local("care-level", level), **members)

    if renew and dice.random() < 0.4:
        # Certified before, with or without a gap.
        gap = dice.choice([1, 1, 2, 60])
        one(day - datetime.timedelta(days=364 + gap), dice.choice(levels[:4]), [])
    one(day, level, causes)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--citizens", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--share", type=float, default=0.6, help="share of citizens with a fracture")
    given = arguments.parse_args()
    out = Writer(random.Random(given.seed))
    for name in HOSPITALS + CITIES:
        out.write({"resourceType": "Organization", "id": name.split("/")[1], "name": name})
    for number in range(given.citizens):
        citizen(out, number, given.share)


main()
