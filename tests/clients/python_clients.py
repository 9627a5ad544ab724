"""fhirclient (SMART) and fhirpy against a running server: python_clients.py BASE_URL"""

import sys
import traceback

from fhirclient import client as smart
from fhirclient.models import bundle as bundles
from fhirclient.models import condition as conditions
from fhirclient.models import patient as patients
from fhirclient.server import FHIRNotFoundException
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

BASE = sys.argv[1]
SYSTEM = "http://renraku.example/fhir/clients"


def person(value, family="見本", given="太郎"):
    return {
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": value}],
        "name": [{"family": family, "given": [given], "text": f"{family}　{given}"}],
        "birthDate": "1942-05-03",
        "gender": "male",
    }


def patient_of(client, body):
    return client.resource("Patient", **{name: value for name, value in body.items() if name != "resourceType"})


# fhirclient


def fhirclient_reads_the_capability_statement():
    server = smart.FHIRClient(settings={"app_id": "clients", "api_base": BASE})
    assert server.prepare()
    assert server.server.capabilityStatement.fhirVersion == "4.0.1"


def fhirclient_creates_reads_updates_searches_and_deletes():
    server = smart.FHIRClient(settings={"app_id": "clients", "api_base": BASE}).server
    created = patients.Patient(person("smart-1")).create(server)
    read = patients.Patient.read(created["id"], server)
    assert read.name[0].family == "見本" and read.birthDate.isostring == "1942-05-03"
    assert read.meta.versionId == "1"
    read.active = True
    read.update(server)
    assert patients.Patient.read(created["id"], server).meta.versionId == "2"

    condition = conditions.Condition(
        {
            "resourceType": "Condition",
            "subject": {"reference": f"Patient/{created['id']}"},
            "code": {"text": "大腿骨頚部骨折"},
        }
    ).create(server)
    found = conditions.Condition.where({"subject": f"Patient/{created['id']}"}).perform_resources(server)
    assert [each.id for each in found] == [condition["id"]]
    subject = found[0].subject.resolved(patients.Patient)
    assert subject.id == created["id"]

    read.delete()
    try:
        patients.Patient.read(created["id"], server)
    except Exception as error:  # fhirclient has no type for 410
        assert "410" in str(error) or getattr(getattr(error, "response", None), "status_code", 0) == 410, error
    else:
        raise AssertionError("a deleted resource was read")
    try:
        patients.Patient.read("never-there", server)
    except FHIRNotFoundException:
        pass
    else:
        raise AssertionError("an unknown resource was read")


def fhirclient_follows_pages():
    server = smart.FHIRClient(settings={"app_id": "clients", "api_base": BASE}).server
    for number in range(7):
        patients.Patient(person(f"smart-page-{number}", family="頁")).create(server)
    first = patients.Patient.where({"family": "頁", "_count": "3"}).perform(server)
    assert isinstance(first, bundles.Bundle) and first.total == 7 and len(first.entry) == 3
    everyone = list(patients.Patient.where({"family": "頁", "_count": "3"}).perform_resources_iter(server))
    assert len({each.id for each in everyone}) == 7


# fhirpy


def fhirpy_saves_reads_updates_and_deletes():
    client = SyncFHIRClient(BASE)
    patient = patient_of(client, person("py-1"))
    patient.save()
    assert patient.id and patient["meta"]["versionId"] == "1"
    patient["active"] = True
    patient.save()
    assert patient["meta"]["versionId"] == "2"
    assert client.reference("Patient", patient.id).to_resource()["active"] is True
    patient.delete()
    try:
        client.reference("Patient", patient.id).to_resource()
    except (ResourceNotFound, OperationOutcome):
        pass
    else:
        raise AssertionError("a deleted resource was read")


def fhirpy_keeps_the_client_id_of_a_put():
    client = SyncFHIRClient(BASE)
    patient = patient_of(client, {**person("py-put"), "id": "py-put"})
    patient.save()
    assert patient["meta"]["versionId"] == "1"
    assert client.reference("Patient", "py-put").to_resource().id == "py-put"


def fhirpy_searches_sorts_counts_includes_and_pages():
    client = SyncFHIRClient(BASE)
    for number in range(5):
        patient = patient_of(client, person(f"py-search-{number}", family="検索", given=f"名{number}"))
        patient.save()
        client.resource(
            "Observation",
            status="final",
            code={"coding": [{"system": "http://loinc.org", "code": "89423-8"}], "text": "TUG"},
            subject=patient.to_reference(),
            effectiveDateTime=f"2026-01-0{number + 1}",
            valueQuantity={"value": 10 + number, "unit": "s", "system": "http://unitsofmeasure.org", "code": "s"},
        ).save()
    named = client.resources("Patient").search(family="検索")
    assert named.count() == 5
    assert len(named.limit(2).fetch()) == 2
    assert len(named.limit(2).fetch_all()) == 5
    observations = client.resources("Observation").search(code="http://loinc.org|89423-8")
    dates = [each["effectiveDateTime"] for each in observations.sort("-date").fetch()]
    assert dates == sorted(dates, reverse=True) and len(dates) == 5
    slow = client.resources("Observation").search(value_quantity="gt12|http://unitsofmeasure.org|s")
    assert slow.count() == 2
    between = client.resources("Observation").search(date__ge="2026-01-02", date__lt="2026-01-04")
    assert between.count() == 2
    bundle = client.resources("Observation").search(date="2026-01-01").include("Observation", "subject").fetch_raw()
    assert sorted(entry.search["mode"] for entry in bundle.entry) == ["include", "match"]
    one = client.resources("Patient").search(identifier=f"{SYSTEM}|py-search-3").get()
    assert one["name"][0]["given"] == ["名3"]
    try:
        named.get()
    except MultipleResourcesFound:
        pass
    else:
        raise AssertionError("several were one")


def fhirpy_conditionally_updates():
    client = SyncFHIRClient(BASE)
    search = client.resources("Patient").search(identifier=f"{SYSTEM}|py-once")
    first, was_created = search.update(patient_of(client, person("py-once")))
    assert was_created
    updated, was_created = search.update(patient_of(client, {**person("py-once"), "active": False}))
    assert not was_created and updated["active"] is False and updated.id == first.id


def fhirpy_get_or_create_is_refused_rather_than_misunderstood():
    # It sends POST Patient?identifier=…, which is not FHIR's conditional create (the header
    # If-None-Exist is): a server that ignored the criteria would create a second Patient.
    client = SyncFHIRClient(BASE)
    search = client.resources("Patient").search(identifier=f"{SYSTEM}|py-get-or-create")
    try:
        search.get_or_create(patient_of(client, person("py-get-or-create")))
    except OperationOutcome as outcome:
        assert "If-None-Exist" in outcome.resource["issue"][0]["diagnostics"]
    else:
        raise AssertionError("criteria in the URL of a create were accepted")
    assert search.count() == 0


def fhirpy_carries_out_a_transaction_and_a_batch():
    client = SyncFHIRClient(BASE)
    urn = "urn:uuid:7f7b8a1e-5d6f-4a53-9a3f-0d6d5b0e9c11"
    transaction = client.resource(
        "Bundle",
        type="transaction",
        entry=[
            {"fullUrl": urn, "resource": person("py-tx"), "request": {"method": "POST", "url": "Patient"}},
            {
                "resource": {"resourceType": "Condition", "subject": {"reference": urn}, "code": {"text": "骨折"}},
                "request": {"method": "POST", "url": "Condition"},
            },
        ],
    )
    answer = client.execute("", method="post", data=transaction.serialize())
    assert answer["type"] == "transaction-response"
    locations = [entry["response"]["location"] for entry in answer["entry"]]
    patient = locations[0].split("/")[1]
    assert client.resources("Condition").search(patient=patient).count() == 1

    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": f"Patient/{patient}"}},
            {"request": {"method": "GET", "url": "Patient/never-there"}},
            {"request": {"method": "DELETE", "url": locations[1].split("/_history")[0]}},
        ],
    }
    answer = client.execute("", method="post", data=batch)
    statuses = [entry["response"]["status"][:3] for entry in answer["entry"]]
    assert statuses == ["200", "404", "200"], statuses


def fhirpy_reads_history_and_versions():
    client = SyncFHIRClient(BASE)
    patient = patient_of(client, person("py-history"))
    patient.save()
    patient["active"] = True
    patient.save()
    patient.delete()
    history = client.execute(f"Patient/{patient.id}/_history", method="get")
    assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "PUT", "POST"]
    assert history["total"] == 3
    first = client.execute(f"Patient/{patient.id}/_history/1", method="get")
    assert "active" not in first


def fhirpy_gets_an_outcome_for_wrong_content():
    client = SyncFHIRClient(BASE)
    try:
        client.resource("Patient", birthDate="3 May 1942").save()
    except OperationOutcome as outcome:
        assert outcome.resource["issue"][0]["expression"] == ["Patient.birthDate"]
    else:
        raise AssertionError("wrong content was taken")


CHECKS = [
    check
    for name, check in list(globals().items())
    if name.startswith(("fhirclient_", "fhirpy_")) and callable(check)
]
failed = 0
for check in CHECKS:
    try:
        check()
        print("ok    ", check.__name__)
    except Exception:
        failed += 1
        print("FAILED", check.__name__)
        traceback.print_exc(file=sys.stdout)
print(f"python: {len(CHECKS) - failed} of {len(CHECKS)} passed")
sys.exit(1 if failed else 0)
