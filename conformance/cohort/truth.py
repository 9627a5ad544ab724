#!/usr/bin/env python3
"""What the measures must come to, from exported resources alone.

    truth.py --from 2023-01-01 --to 2025-12-31 --as-of 2026-11-25 < export.ndjson

Reads FHIR resources, one a line, and answers JSON: {group: [looked at, denominator, numerator]}. It shares no code
and no table with the server: rules are written out here a second time, in the plainest way there is (sets of days,
loops over everything), from docs/fls-rules.md.
"""
import argparse
import collections
import datetime
import json
import sys

JST = datetime.timezone(datetime.timedelta(hours=9))
EPOCH = datetime.date(1970, 1, 1)


def day(text):
    """The calendar day in Japan, as a number."""
    if text is None:
        return None
    if "T" in text:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment.astimezone(JST).date() - EPOCH).days
    return (datetime.date.fromisoformat(text) - EPOCH).days


def date(number):
    return EPOCH + datetime.timedelta(days=number)


def age(on, born):
    on, born = date(on), date(born)
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def codes(concept):
    return [coding.get("code") for coding in (concept or {}).get("coding", [])]


def any_codes(*concepts):
    found = []
    for concept in concepts:
        for one in concept if isinstance(concept, list) else [concept]:
            found += codes(one)
    return found


SITES = [
    ("hip", ("S72.0", "S72.1", "S72.2", "S720", "S721", "S722"), ("BCRD", "S0K6", "8208009", "8837314"), ("大腿骨転子部骨折",)),
    ("vertebra", ("S22.0", "S22.1", "S220", "S221", "S32.0", "S320"), ("BDPA", "TLGJ", "8054003", "8832545", "S22", "S32"), ("圧迫骨折",)),
    ("distal-forearm", ("S52.5", "S525"), ("CJTR", "8838017"), ()),
    ("proximal-humerus", ("S42.2", "S422"), ("KCNB", "8835505"), ()),
    ("unspecified", ("M80",), ("D88V", "NCPP", "8848369", "8844209"), ()),
    ("other", ("S82", "S62"), (), ()),
]
# Name in the text → (medicine, interval, grace, long-acting); a supplement is no treatment.
DRUGS = [
    ("デノスマブ", "denosumab", 183, 30, True),
    ("ゾレドロン", "zoledronate", 365, 60, True),
    ("ロモソズマブ", "romosozumab", 30, 14, True),
    ("テリパラチド", "teriparatide", 1, 14, False),
    ("アレンドロン", "alendronate", 7, 28, False),
    ("エルデカルシトール", "eldecalcitol", 1, 28, False),
    ("ラロキシフェン", "raloxifene", 1, 28, False),
]


def site(concept):
    for code in codes(concept):
        for name, beginnings, exact, _ in SITES:
            if code in exact or code.startswith(beginnings):
                return name
    for name, _, _, words in SITES:
        if any(word in concept.get("text", "") for word in words):
            return name
    return None


def side(condition):
    for body in condition.get("bodySite", []):
        for extension in body.get("extension", []):
            return extension.get("valueCode")
    text = condition["code"].get("text", "")
    return "left" if "左" in text else "right" if "右" in text else None


def subject(resource):
    for name in ("subject", "patient", "for"):
        if name in resource:
            return resource[name].get("reference")
    for participant in resource.get("participant", []):
        reference = participant.get("actor", {}).get("reference", "")
        if reference.startswith("Patient/"):
            return reference
    return None


class Citizen:
    def __init__(self, patient, resources):
        self.patient, self.resources = patient, resources
        self.born = day(patient.get("birthDate"))
        self.died = day(patient.get("deceasedDateTime"))
        self.evidence = collections.defaultdict(list)
        self.ordered, self.recommended, self.refused = [], [], []
        self.stays, self.visits, self.certified = [], [], []
        self.fractures = {}
        self.intervals, self.stops = [], collections.defaultdict(list)
        for resource in resources:
            getattr(self, "read_" + resource["resourceType"], lambda _: None)(resource)
        self.treat()
        self.find_episodes()

    def alive_after(self, on):
        return self.died is None or self.died > on

    def municipality(self, on):
        for address in self.patient.get("address", []):
            period = address.get("period", {})
            begins, ends = day(period.get("start")), day(period.get("end"))
            if (begins is None or begins <= on) and (ends is None or on <= ends):
                return address["extension"][0]["valueReference"]["reference"]
        return self.patient.get("managingOrganization", {}).get("reference")

    # What resources say.

    def read_Condition(self, resource):
        if "refuted" in codes(resource.get("verificationStatus")):
            return
        where = site(resource["code"])
        if where:
            on = day(resource.get("onsetDateTime") or resource.get("recordedDate"))
            turned = None if where == "vertebra" else side(resource)
            self.fractures["Condition/" + resource["id"]] = (on, where, turned, resource.get("encounter", {}).get("reference"))

    def read_Observation(self, resource):
        if resource["status"] not in ("final", "amended", "corrected") or "dataAbsentReason" in resource:
            return
        for code in codes(resource["code"]):
            if code == "care-level":
                period = resource["effectivePeriod"]
                causes = [one["valueReference"]["reference"] for one in resource.get("extension", [])]
                level = int(codes(resource["valueCodeableConcept"])[0])
                self.certified.append((day(period["start"]), day(period.get("end")), level, causes))
                continue
            on = day(resource.get("effectiveDateTime"))
            if code == "90265-0":
                self.evidence["assessment"].append(on)
            if code in ("38263-0", "24966-4") or code.startswith(("9Z5071956", "9Z5071957")):
                self.evidence["dxa"].append(on)
            if code.startswith("3B222"):
                self.evidence["bloods"].append(on)
            if code in ("59460-6", "89423-8", "75856-5"):
                self.evidence["falls"].append(on)
            if code == "home-hazard":
                self.evidence["home"].append(on)

    def activity(self, found, on):
        for code in found:
            if code in ("assessment", "exercise", "follow-up", "follow-up-16w", "follow-up-52w"):
                self.evidence[code].append(on)

    def read_Procedure(self, resource):
        found = any_codes(resource["code"])
        on = day(resource["performedDateTime"])
        self.activity(found, on)
        if set(found) & {"150019210", "150049510"}:
            self.evidence["surgery"].append(on)

    def read_Encounter(self, resource):
        period = resource["period"]
        on = day(period["start"])
        if resource["class"]["code"] == "IMP":
            facility = resource.get("serviceProvider", {}).get("reference")
            self.stays.append((on, day(period.get("end")), "recovery-ward" in any_codes(resource.get("type", [])), "Encounter/" + resource["id"], facility))
        else:
            self.visits.append(on)
            self.activity(any_codes(resource.get("type", [])), on)

    def read_Communication(self, resource):
        self.activity(any_codes(resource["category"]), day(resource["sent"]))

    def read_Appointment(self, resource):
        if resource["status"] == "fulfilled":
            self.activity(any_codes(resource["serviceType"]), day(resource["start"]))

    def read_ServiceRequest(self, resource):
        on = day(resource["authoredOn"])
        found = codes(resource["code"])
        if "38263-0" in found:
            self.ordered.append(on)
        if "treatment-recommendation" in found:
            self.recommended.append(on)

    def read_ChargeItem(self, resource):
        for code, name in (("113036510", "fee-1"), ("113036610", "fee-2"), ("113036710", "fee-3")):
            if code in codes(resource["code"]):
                self.evidence[name].append(day(resource["occurrenceDateTime"]))

    def drug(self, resource):
        text = resource["medicationCodeableConcept"]["text"]
        for word, *rest in DRUGS:
            if word in text:
                return rest
        return None

    def read_MedicationAdministration(self, resource):
        drug = self.drug(resource)
        if drug:
            on = day(resource["effectiveDateTime"])
            self.intervals.append([drug[0], on, on + drug[1] + drug[2], True])

    def supply(self, resource, on, days):
        name, interval, grace, long_acting = self.drug(resource)
        self.intervals.append([name, on, on + (interval if long_acting else days) + grace, True])
        self.recommended.append(on)

    def read_MedicationRequest(self, resource):
        if self.drug(resource):
            days = resource.get("dispenseRequest", {}).get("expectedSupplyDuration", {}).get("value", 30)
            self.supply(resource, day(resource["authoredOn"]), days)

    def read_MedicationDispense(self, resource):
        if self.drug(resource):
            self.supply(resource, day(resource["whenHandedOver"]), resource["daysSupply"]["value"])

    def read_MedicationStatement(self, resource):
        drug = self.drug(resource)
        if not drug:
            return
        said = day(resource["dateAsserted"])
        if resource["status"] == "not-taken":
            self.refused.append(said)
            return
        begins = day(resource["effectivePeriod"]["start"])
        ends = day(resource["effectivePeriod"].get("end"))
        if ends is None:
            self.intervals.append([drug[0], begins, max(begins, said) + 400, True])
        else:
            self.intervals.append([drug[0], begins, max(begins, ends), False])
        if resource["status"] == "stopped":
            self.stops[drug[0]].append(ends)

    # What follows from it.

    def treat(self):
        self.on = collections.defaultdict(set)
        for name, begins, ends, can_be_cut in self.intervals:
            cuts = [stop for stop in sorted(self.stops[name]) if begins <= stop <= ends]
            if cuts and can_be_cut:
                ends = cuts[0]
            self.on[name].update(range(begins, ends + 1))
        self.treated = set().union(*self.on.values()) if self.on else set()

    def first_treated(self, since):
        return min((on for on in self.treated if on >= since), default=None)

    def find_episodes(self):
        known = []
        records = [(on, turned is None, source, where, turned, encounter) for source, (on, where, turned, encounter) in self.fractures.items() if where != "other"]
        for on, _, source, where, turned, encounter in sorted(records, key=lambda record: record[:3]):
            for one in known:
                same_site = one["site"] == where or "unspecified" in (one["site"], where)
                same_side = one["side"] is None or turned is None or one["side"] == turned
                if on - one["day"] <= 30 and same_site and same_side:
                    one["records"].append(source)
                    one["side"] = one["side"] or turned
                    if one["site"] == "unspecified":
                        one["site"] = where
                    one["encounters"].append(encounter)
                    break
            else:
                known.append({"day": on, "site": where, "side": turned, "records": [source], "encounters": [encounter]})
        self.episodes = [one for one in known if self.born is None or age(one["day"], self.born) >= 50]
        for place, one in enumerate(self.episodes):
            one["secondary"] = place > 0
            named = [stay[4] for encounter in one["encounters"] for stay in self.stays if stay[3] == encounter]
            near = [stay[4] for stay in sorted(self.stays, key=lambda stay: (stay[0], stay[3])) if stay[4] and (0 <= stay[0] - one["day"] <= 30 or stay[0] <= one["day"] <= (stay[1] or 10**9))]
            one["facility"] = (named + near + [None])[0]


def first(days, since, until):
    return min((on for on in days if since <= on <= until), default=None)


def count_episode(citizen, episode, as_of):
    """{group: (denominator, numerator)}"""
    zero = episode["day"]
    out = {}
    past = lambda days: zero + days <= as_of
    seen = {name: first(days, zero, as_of) for name, days in citizen.evidence.items()}
    by = lambda name, days: int(seen.get(name) is not None and seen[name] <= zero + days)
    put = lambda group, denominator, numerator: out.__setitem__(group, (int(denominator), int(bool(denominator) and bool(numerator))))
    alive = lambda days: citizen.alive_after(zero + days)

    put("identification", 1, 1)
    put("spine", 1, episode["site"] == "vertebra")
    put("assessed", past(90), by("assessment", 90))
    ordered = any(zero <= on <= as_of for on in citizen.ordered)
    put("dxa", past(90) and (ordered or seen.get("dxa") is not None), by("dxa", 90))
    put("falls", 1, seen.get("falls") is not None)
    begun = citizen.first_treated(zero)
    begun = begun if begun is not None and begun <= as_of else None
    recommended = any(zero <= on <= min(zero + 365, as_of) for on in citizen.recommended) or (begun is not None and begun <= zero + 365)
    put("recommended", 1, recommended)
    put("exercise", past(112) and episode["site"] != "hip", by("exercise", 112))

    early = citizen.evidence["follow-up-16w"] + [on for on in citizen.evidence["follow-up"] if on - zero <= 238]
    late = citizen.evidence["follow-up-52w"] + [on for on in citizen.evidence["follow-up"] if on - zero > 238]
    contact = first(early, zero, min(zero + 112, as_of))
    due = recommended and past(112) and alive(112)
    put("follow-up", due, contact is not None)
    put("commenced", due, begun is not None and begun <= (zero + 112 if contact is None else contact))
    put("one-year", recommended and past(365) and alive(365), zero + 365 in citizen.treated)
    put("started", past(112) and alive(112), begun is not None and begun <= zero + 112)
    put("continued", begun is not None and begun <= zero + 112 and past(365) and alive(365), zero + 365 in citizen.treated)

    put("iof-evaluated", 1, seen.get("assessment") is not None)
    for weeks in (8, 12, 16):
        put(f"iof-within-{weeks}w", past(weeks * 7), by("assessment", weeks * 7))
    put("iof-bloods", recommended, seen.get("bloods") is not None)
    put("iof-falls", seen.get("falls") is not None, seen.get("exercise") is not None or seen.get("home") is not None)
    before = begun is not None and begun == zero
    put("iof-initiated", not before and past(365), begun is not None and begun <= zero + 365)
    put("iof-long-term", past(365) and alive(365), first(late, zero, as_of) is not None)
    reviewed = False
    if before:
        # The medicine of that day that was begun first.
        starts = {}
        for name, days in citizen.on.items():
            if zero in days:
                on = zero
                while on - 1 in days:
                    on -= 1
                starts[name] = on
        taken = min(starts, key=lambda name: (starts[name], name))
        until = min(zero + 365, as_of)
        other = any(name != taken and any(on in days and on - 1 not in days for on in range(zero, until + 1)) for name, days in citizen.on.items())
        reviewed = other or any(zero <= on <= until for on in citizen.recommended)
    put("iof-reviewed", before, reviewed)

    # Fees.
    put("fee-1", 0, 0)
    put("fee-2", 0, 0)
    put("fee-3", 0, 0)
    if episode["site"] == "hip":
        for begins, ends, recovery, _, _ in sorted(citizen.stays, key=lambda stay: (stay[0], stay[3])):
            ends = as_of if ends is None else ends
            if recovery or begins < zero - 30 or ends < zero or begins > as_of:
                continue
            surgery = first(citizen.evidence["surgery"], max(begins, zero), ends)
            treated = any(begins <= on <= ends for on in citizen.treated) or any(begins <= on <= ends for on in citizen.recommended)
            if surgery is not None and treated:
                put("fee-1", 1, first(citizen.evidence["fee-1"], begins, ends) is not None)
                break
        billed = first(citizen.evidence["fee-1"], zero, as_of)
        for begins, ends, recovery, _, _ in sorted(citizen.stays, key=lambda stay: (stay[0], stay[3])):
            ends = as_of if ends is None else ends
            if billed is not None and recovery and begins >= billed and begins <= as_of and ends >= zero:
                put("fee-2", 1, first(citizen.evidence["fee-2"], begins, ends) is not None)
                break
    month = lambda on: date(on).year * 12 + date(on).month
    billed = first(citizen.evidence["fee-1"] + citizen.evidence["fee-2"], zero, as_of)
    if billed is not None:
        window = range(month(billed), month(billed) + 12)
        months = lambda days: {month(on) for on in days if zero <= on <= as_of and month(on) in window}
        visited = months(citizen.visits) - months(citizen.evidence["fee-1"] + citizen.evidence["fee-2"])
        out["fee-3"] = (len(visited), len(visited & months(citizen.evidence["fee-3"])))

    # Fields.
    put("field-sex", 1, citizen.patient.get("gender") not in (None, "unknown"))
    put("field-birth-date", 1, citizen.born is not None)
    put("field-site", 1, episode["site"] != "unspecified")
    put("field-side", 1, episode["side"] is not None or episode["site"] == "vertebra")
    put("field-facility", 1, episode["facility"] is not None)
    put("field-municipality", 1, citizen.municipality(zero) is not None)
    put("field-assessment", 1, seen.get("assessment") is not None)
    put("field-dxa", 1, seen.get("dxa") is not None or any(on >= zero for on in citizen.ordered))
    put("field-falls-assessment", 1, seen.get("falls") is not None)
    put("field-recommendation", 1, recommended or any(on >= zero for on in citizen.refused))
    put("field-follow-up", 1, first(early, zero, as_of) is not None or not past(112) or not alive(112))
    return out


def count_citizen(citizen, begin, end):
    out = {}
    need = [(start, stop, level, causes) for start, stop, level, causes in citizen.certified if level in (12, 13, 21, 22, 23, 24, 25)]
    new, risen = [], []
    for start, stop, level, causes in need:
        earlier = [one for one in need if one[0] < start]
        if begin <= start <= end:
            if not any(one[1] is None or one[1] + 1 >= start for one in earlier):
                new.append(bool(causes) and causes[0] in citizen.fractures)
            second = False
            for episode in citizen.episodes[1:]:
                if episode["day"] <= start:
                    named = bool(set(causes) & set(episode["records"]))
                    second = second or named or (not causes and start - episode["day"] <= 365)
            if level >= 23 and max([one[2] for one in earlier], default=0) < 23 and second:
                risen.append(start)
    insured = citizen.born is not None and age(end, citizen.born) >= 65 and citizen.alive_after(begin - 1)
    out["a-insured"] = (int(insured), int(insured and any(new)))
    out["a-certified"] = (int(bool(new)), int(any(new)))
    first_fracture = bool(citizen.episodes) and citizen.episodes[0]["day"] <= end and citizen.alive_after(begin - 1)
    out["b"] = (int(first_fracture), int(first_fracture and bool(risen)))
    return out


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--from", dest="begin", required=True)
    arguments.add_argument("--to", dest="end", required=True)
    arguments.add_argument("--as-of", required=True)
    arguments.add_argument("--municipality", help="only records of this one, on the day of the fracture")
    given = arguments.parse_args()
    begin, end, as_of = day(given.begin), day(given.end), day(given.as_of)
    patients, about = {}, collections.defaultdict(list)
    for line in sys.stdin:
        resource = json.loads(line)
        if resource["resourceType"] == "Patient":
            patients["Patient/" + resource["id"]] = resource
        elif subject(resource):
            about[subject(resource)].append(resource)
    totals = collections.defaultdict(lambda: [0, 0, 0])
    for reference, patient in patients.items():
        citizen = Citizen(patient, about[reference])
        counted = [count_episode(citizen, episode, as_of) for episode in citizen.episodes
                   if begin <= episode["day"] <= min(end, as_of) and given.municipality in (None, citizen.municipality(episode["day"]))]
        if given.municipality is None:
            counted.append({group: pair for group, pair in count_citizen(citizen, begin, min(end, as_of)).items() if pair[0]})
        for groups in counted:
            for group, (denominator, numerator) in groups.items():
                total = totals[group]
                total[0] += 1
                total[1] += denominator
                total[2] += numerator
    json.dump(dict(sorted(totals.items())), sys.stdout, indent=1)
    print()


main()
