//! Every way in, and what comes out of it for somebody who has to do with a citizen.

use serde_json::json;

use crate::town::{Town, secret};

/// What a door shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The citizen's secret, to whoever has to do with them.
    Secret,
    /// Nothing of the secret, but 2xx for whoever has to do with them, and the same as nothing at all for others.
    Existence,
    /// A number under this pointer: this many for each citizen the caller has to do with.
    Count(&'static str, u64),
    /// The secret, to some of those who have to do with the citizen: it also asks who acts.
    Sometimes,
    /// Auditors come in, others are refused.
    Auditors,
    /// Auditors and the citizen come in, others are refused.
    Accesses,
    /// Who reviews accesses comes in, others are refused.
    Reviewers,
    /// Nobody comes in.
    Nobody,
    /// Nobody is shown an AuditEvent.
    NoEvents,
    /// Rows of those citizens, whom they name; nobody comes in without any (`liaison.rs` says who does).
    Rows,
}

/// A request through a door.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// What it is, for messages and for counting doors.
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    pub(crate) shows: Shows,
}

fn door(name: &'static str, path: String, shows: Shows) -> Door {
    Door { name, method: "GET", path, headers: Vec::new(), body: None, shows }
}

impl Door {
    fn post(mut self, body: impl Into<String>) -> Self {
        self.method = "POST";
        self.body = Some(body.into());
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// All doors to one citizen.
pub(crate) fn doors(town: &Town, citizen: &str) -> Vec<Door> {
    use Shows::{Accesses, Auditors, Count, Existence, NoEvents, Nobody, Reviewers, Rows, Secret, Sometimes};
    let secret = secret(citizen);
    let kilos = if citizen == "a" { 40 } else { 60 };
    let media = &town.media[usize::from(citizen == "b")];
    let binary = &town.binaries[usize::from(citizen == "b")];
    let form = "application/x-www-form-urlencoded";
    let period = "periodStart=2026-01-01&periodEnd=2026-12-31";
    let exists = |name, path: String| door(name, format!("fhir/{path}"), Existence);
    let all = |name, path: &str| door(name, format!("fhir/{path}"), Rows);
    let resolving = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "expression", "valueString": "subject.resolve().name.text" },
        { "name": "resource", "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "subject": { "reference": format!("Patient/shimin-{citizen}") } } },
    ] })
    .to_string();
    let fhir = |name, path: String| door(name, format!("fhir/{path}"), Secret);
    let counts = |name, path: &str, number| door(name, format!("fhir/{path}"), Count("/total", number));
    let bundle = |kind: &str, url: &str| {
        json!({ "resourceType": "Bundle", "type": kind, "entry": [{ "request": { "method": "GET", "url": url } }] })
            .to_string()
    };
    vec![
        fhir("read", format!("Patient/shimin-{citizen}")),
        fhir("read", format!("Observation/weight-{citizen}")),
        fhir("read, elements", format!("Observation/weight-{citizen}?_elements=note")),
        fhir("read, XML", format!("Observation/weight-{citizen}?_format=xml")),
        door("read, HEAD and tags", format!("fhir/Observation/weight-{citizen}"), Existence).header("If-None-Match", "W/\"9\""),
        fhir("version", format!("Observation/weight-{citizen}/_history/1")),
        fhir("past version", format!("Condition/condition-{citizen}/_history/1")),
        fhir("history", format!("Condition/condition-{citizen}/_history")),
        fhir("history of a type", "Condition/_history?_count=100".to_owned()),
        fhir("history of all", "_history?_count=1000".to_owned()),
        fhir("search by id", format!("Observation?_id=weight-{citizen}")),
        fhir("search by token", "Observation?code=http://loinc.org|29463-7".to_owned()),
        fhir("search by token of two", "Observation?code=29463-7&status=final".to_owned()),
        fhir("search by string", format!("Patient?family={secret}")),
        fhir("search by name contains", "Patient?name:contains=hanako".to_owned()),
        fhir("search by identifier", format!("Patient?identifier=urn:town|no-{secret}")),
        fhir("search by reference", format!("Condition?patient=shimin-{citizen}")),
        fhir("search by date", "Observation?date=2026-05-01".to_owned()),
        fhir("search by date range", "Condition?onset-date=ge2026-01-01&onset-date=le2026-12-31".to_owned()),
        fhir("search by quantity", format!("Observation?value-quantity={kilos}")),
        fhir("search by quantity range", "Observation?value-quantity=gt10".to_owned()),
        fhir("search by not", "Observation?code:not=1".to_owned()),
        fhir("search by missing", "Condition?severity:missing=true".to_owned()),
        fhir("search by tag", "Observation?_tag=urn:town|weighed".to_owned()),
        fhir("search by filter", "Observation?_filter=code%20eq%20http://loinc.org|29463-7".to_owned()),
        fhir("search by POST", "Observation/_search".to_owned()).post("code=29463-7").header("Content-Type", form),
        fhir("search across types", "?_type=Observation,Condition&_lastUpdated=gt2020-01-01&_count=100".to_owned()),
        fhir("compartment", format!("Patient/shimin-{citizen}/Observation")),
        fhir("compartment of all", format!("Patient/shimin-{citizen}/*?_count=100")),
        fhir("chain", format!("Observation?subject:Patient.name={secret}")),
        fhir("chain of two", format!("Observation?encounter.subject:Patient.family={secret}")),
        fhir("reverse chain", "Patient?_has:Observation:patient:code=29463-7".to_owned()),
        fhir("include", "Condition?_include=Condition:encounter&_include=Condition:patient&_count=100".to_owned()),
        fhir("include of all", "Condition?_include=*".to_owned()),
        fhir("include backwards", "Patient?_revinclude=Observation:subject".to_owned()),
        fhir("include backwards from what is open", "Practitioner?_id=member&_revinclude=Communication:sender".to_owned()),
        fhir("include backwards, iterated", "Organization?_id=city,town&_revinclude=Patient:organization&_revinclude:iterate=Condition:patient".to_owned()),
        counts("count", "Observation?_summary=count", 1),
        counts("count of a code", "Observation?code=29463-7&_summary=count", 1),
        counts("count of two conditions", "Observation?code=29463-7&status=final&_summary=count", 1),
        counts("count by not", "Observation?code:not=1&_summary=count", 1),
        counts("total of a page", "Observation?_total=accurate&_count=1", 1),
        counts("count by reverse chain", "Patient?_has:Observation:patient:code=29463-7&_summary=count", 1),
        counts("count of a history", "Condition/_history?_count=1", 2),
        counts("count across types", "?_type=Observation,Condition&_summary=count", 2),
        fhir("sort", "Observation?_sort=date&_count=100".to_owned()),
        fhir("sort backwards", "Patient?_sort=-family&_count=100".to_owned()),
        fhir("sort by two", "Observation?_sort=code,-date&code=29463-7".to_owned()),
        fhir("list", format!("Observation?_list=list-{citizen}")),
        fhir("functional list", format!("Condition?patient=shimin-{citizen}&_list=$current-problems")),
        fhir("text", "Observation?_text=taijuu".to_owned()),
        fhir("content", format!("Condition?_content={secret}")),
        fhir("everything", format!("Patient/shimin-{citizen}/$everything")),
        fhir("everything of all", "Patient/$everything?_count=100".to_owned()),
        fhir("document", format!("Composition/letter-{citizen}/$document")),
        fhir("summary document", format!("Patient/shimin-{citizen}/$summary")),
        fhir("last observations", format!("Observation/$lastn?patient=Patient/shimin-{citizen}&category=vital-signs")),
        fhir("graph", format!("$graphql?query={{Patient(id:\"shimin-{citizen}\"){{name{{text}}}}}}").replace(['{', '}', '"'], "%")).graph(citizen),
        fhir("match", "Patient/$match".to_owned()).post(
            json!({ "resourceType": "Parameters", "parameter": [
                { "name": "resource", "resource": { "resourceType": "Patient", "name": [{ "family": secret }], "birthDate": "1940-01-01", "gender": "female",
                  "identifier": [{ "system": "urn:town", "value": format!("no-{secret}") }] } }] })
            .to_string(),
        ),
        fhir("batch", String::new()).post(bundle("batch", &format!("Observation/weight-{citizen}"))).at("fhir"),
        fhir("batch, search", String::new()).post(bundle("batch", "Condition?_count=100")).at("fhir"),
        fhir("transaction", String::new()).post(bundle("transaction", "Patient?_count=100")).at("fhir"),
        fhir("binary by its document", format!("DocumentReference/file-{citizen}")),
        door("media", format!("notebook/v1/media/{media}"), Secret),
        door("media, content", format!("notebook/v1/media/{media}/content"), Existence),
        door("media, part", format!("notebook/v1/media/{media}/content"), Existence).header("Range", "bytes=0-3"),
        door("media, small", format!("notebook/v1/media/{media}/thumbnail"), Existence),
        door("notebook, citizens", "notebook/v1/citizens?count=100".to_owned(), Secret),
        door("notebook, citizens by name", format!("notebook/v1/citizens?q={secret}"), Secret),
        door("notebook, page", format!("notebook/v1/citizens/shimin-{citizen}"), Secret),
        door("notebook, timeline", format!("notebook/v1/citizens/shimin-{citizen}/timeline?count=100"), Secret),
        door("notebook, articles", format!("notebook/v1/citizens/shimin-{citizen}/articles"), Secret),
        door("notebook, article", format!("notebook/v1/articles/article-{citizen}"), Secret),
        door("notebook, history", format!("notebook/v1/articles/article-{citizen}/history"), Secret),
        door("notebook, entries", format!("notebook/v1/citizens/shimin-{citizen}/measurement"), Secret),
        door("notebook, media", format!("notebook/v1/citizens/shimin-{citizen}/media"), Secret),
        door("notebook, calendar", format!("notebook/v1/citizens/shimin-{citizen}/visits?from=2030-05-01&to=2030-05-31"), Secret),
        door("notebook, calendar of all", format!("notebook/v1/visits?citizen=shimin-{citizen}&from=2030-05-01&to=2030-05-31"), Secret),
        door("notebook, medication", format!("notebook/v1/citizens/shimin-{citizen}/medications"), Secret),
        door("notebook, summary", format!("notebook/v1/citizens/shimin-{citizen}/summary.html"), Secret),
        fhir("search across types by POST", "_search".to_owned())
            .post("_type=Observation,Condition&_lastUpdated=gt2020-01-01&_count=100")
            .header("Content-Type", form),
        fhir("graph of one", format!("Observation/weight-{citizen}/$graphql?query=%7Bnote%7Btext%7D%7D")),
        fhir("graph, list", "$graphql".to_owned())
            .post(json!({ "query": "{ ConditionList(_count: 100) { code { text } encounter { resource { ... on Encounter { reasonCode { text } } } } } }" }).to_string())
            .header("Content-Type", "application/json"),
        fhir("path in one", format!("Observation/weight-{citizen}/$fhirpath?expression=note.text")),
        fhir("path that follows a reference", "$fhirpath".to_owned()).post(resolving.clone()),
        fhir("path that follows a reference, of a type", "Observation/$fhirpath".to_owned()).post(resolving),
        fhir("document by parameter", format!("Composition/$document?id=letter-{citizen}")),
        exists("difference", format!("Condition/condition-{citizen}/$diff?fromVersion=1")),
        exists("difference of two", format!("$diff?from=Condition/condition-{citizen}/_history/1&to=Condition/condition-{citizen}/_history/2")),
        exists("meta", format!("Observation/weight-{citizen}/$meta")),
        exists("validation of one", format!("Observation/weight-{citizen}/$validate")),
        exists("statistics", format!("Observation/$stats?subject=Patient/shimin-{citizen}&system=http://loinc.org&code=29463-7&duration=100000&statistic=count")),
        fhir("list by function", format!("List/$find?patient=shimin-{citizen}&name=current-allergies")),
        exists("binary", format!("Binary/{binary}")),
        exists("binary, part", format!("Binary/{binary}")).header("Range", "bytes=0-3"),
        exists("binary, resource", format!("Binary/{binary}?_format=json")),
        all("measure of a type", &format!("Measure/$evaluate-measure?measure=fls-kpi-01&{period}")),
        all("measure's data", &format!("Measure/fls-kpi-01/$collect-data?{period}&subject=Patient/shimin-{citizen}")),
        all("measure's data of a type", &format!("Measure/$collect-data?measure=fls-kpi-01&{period}&subject=Patient/shimin-{citizen}")),
        all("gaps", &format!("Measure/$care-gaps?{period}&topic=fls&subject=Patient/shimin-{citizen}")),
        door("notebook, citizens of the liaison", "notebook/v1/citizens?fls=active&count=100".to_owned(), Existence),
        door("notebook, basics", format!("notebook/v1/citizens/shimin-{citizen}/basics"), Secret),
        door("notebook, history of a citizen", format!("notebook/v1/citizens/shimin-{citizen}/history"), Secret),
        door("notebook, team", format!("notebook/v1/citizens/shimin-{citizen}/team/members"), Existence),
        door("notebook, unread of a citizen", format!("notebook/v1/citizens/shimin-{citizen}/unread"), Sometimes),
        door("notebook, unread", "notebook/v1/unread?count=100".to_owned(), Sometimes),
        door("notebook, articles of all", "notebook/v1/articles?count=100".to_owned(), Sometimes),
        door("notebook, articles a member has not read", "notebook/v1/articles?unread-by=Practitioner/abroad&count=100".to_owned(), Sometimes),
        door("notebook, articles of a citizen a member has not read", format!("notebook/v1/citizens/shimin-{citizen}/articles?unread-by=Practitioner/abroad"), Sometimes),
        door("notebook, comments", format!("notebook/v1/articles/article-{citizen}/comments"), Existence),
        door("notebook, entry", format!("notebook/v1/citizens/shimin-{citizen}/measurement/weight-{citizen}"), Secret),
        door("notebook, history of an entry", format!("notebook/v1/citizens/shimin-{citizen}/measurement/weight-{citizen}/history"), Secret),
        door("notebook, entry of a type", format!("notebook/v1/citizens/shimin-{citizen}/medication/MedicationStatement/drug-{citizen}"), Secret),
        door("notebook, history of an entry of a type", format!("notebook/v1/citizens/shimin-{citizen}/medication/MedicationStatement/drug-{citizen}/history"), Secret),
        door("accesses", format!("notebook/v1/citizens/shimin-{citizen}/accesses"), Accesses),
        door("audit, search", format!("fhir/AuditEvent?patient=shimin-{citizen}"), Auditors),
        door("audit, search by POST", "fhir/AuditEvent/_search".to_owned(), Auditors).post(format!("patient=shimin-{citizen}")).header("Content-Type", form),
        door("audit, read", "fhir/AuditEvent/1-1".to_owned(), Auditors),
        door("audit, version", "fhir/AuditEvent/1-1/_history/1".to_owned(), Auditors),
        door("audit by chain", format!("fhir/AuditEvent?patient.name={secret}"), Nobody),
        door("audit by reverse chain", "fhir/Patient?_has:AuditEvent:patient:action=R".to_owned(), NoEvents),
        door("audit by include", "fhir/Patient?_revinclude=AuditEvent:patient".to_owned(), NoEvents),
        door("audit of a compartment", format!("fhir/Patient/shimin-{citizen}/AuditEvent"), Nobody),
        door("audit in a batch", String::new(), Auditors).post(bundle("transaction", "AuditEvent?_count=5")).at("fhir").only(Nobody),
        door("why", format!("access/explain?as=Practitioner/member&do=read&on=Observation/weight-{citizen}"), Reviewers),
        door("emergencies", "access/emergencies".to_owned(), Reviewers),
        door("liaison, registry", "fls/registry".to_owned(), Rows),
        door("liaison, alarms", "fls/alarms".to_owned(), Rows),
        door("liaison, indicators", "fls/indicators".to_owned(), Rows),
        door("measure", "fhir/Measure/fls-kpi-01/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-12-31".to_owned(), Rows),
    ]
}

impl Door {
    fn at(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    const fn only(mut self, shows: Shows) -> Self {
        self.shows = shows;
        self
    }

    /// GraphQL goes by POST.
    fn graph(mut self, citizen: &str) -> Self {
        self.path = "fhir/$graphql".to_owned();
        let query = format!(
            "{{ Patient(id: \"shimin-{citizen}\") {{ name {{ text }} }} PatientList(_count: 100) {{ name {{ text }} }} }}"
        );
        self.post(json!({ "query": query }).to_string()).header("Content-Type", "application/json")
    }
}
