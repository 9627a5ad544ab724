//! From one resource to its facts. Total: whatever the resource looks like, there is an answer, if an empty one.

use super::{Fact, Kind, MADE, Person, Resolve, Side, medication};
use crate::fls::{Day, Rules};
use crate::format::json::Node;
use crate::r4::guide::CANONICAL;
use crate::r4::reference::Reference;

/// Whether fracture liaison made a resource.
pub(super) fn is_made(resource: &Node<'_>) -> bool {
    resource.list("identifier").iter().any(|one| one.text("system") == Some(MADE))
}

/// The first of these members that is a date: its day. `effective` also stands for `effectiveDateTime`,
/// `effectivePeriod` and `effectiveInstant`.
pub(super) fn day(resource: &Node<'_>, names: &[&str]) -> Option<Day> {
    names.iter().find_map(|name| {
        let forms = ["", "DateTime", "Instant", "Period", "Date"];
        forms.iter().find_map(|form| {
            let node = resource.get(&format!("{name}{form}"))?;
            Day::parse(node.as_str().or_else(|| node.text("start")).or_else(|| node.text("end"))?)
        })
    })
}

/// The last day of a period; of a date without a time the day itself.
pub(super) fn end(resource: &Node<'_>, name: &str) -> Option<Day> {
    Day::last_of(resource.get(name)?.text("end")?)
}

/// A local reference below a member, as `Type/id`.
pub(super) fn reference(resource: &Node<'_>, name: &str) -> String {
    resource.get(name).map(local).unwrap_or_default()
}

pub(super) fn local(reference: &Node<'_>) -> String {
    match reference.text("reference").map(Reference::parse) {
        Some(Reference::Local { resource_type, id, .. }) => format!("{resource_type}/{id}"),
        // Elsewhere, or by identifier: still one and the same place.
        _ => reference
            .text("reference")
            .or_else(|| reference.path(&["identifier", "value"])?.as_str())
            .unwrap_or_default()
            .to_owned(),
    }
}

fn has_code(concept: Option<&Node<'_>>, codes: &[&str]) -> bool {
    let codings = concept.map_or(&[][..], |concept| concept.list("coding"));
    codings.iter().any(|coding| coding.text("code").is_some_and(|code| codes.contains(&code)))
}

pub(super) fn extension<'n>(node: &'n Node<'_>, name: &str) -> Option<&'n Node<'n>> {
    node.list("extension").iter().find(|one| {
        one.text("url").and_then(|url| url.strip_prefix(CANONICAL)?.strip_prefix("/StructureDefinition/")) == Some(name)
    })
}

pub(super) fn number(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Number(digits) => digits.parse().ok().filter(|value: &f64| value.is_finite()),
        _ => None,
    }
}

pub(super) fn person(patient: &Node<'_>) -> Person {
    let residence = |address: &Node<'_>| {
        let name = local(extension(address, "address-municipality")?.get("valueReference")?);
        let from = address.get("period").and_then(|period| Day::parse(period.text("start")?));
        Some((from, end(address, "period"), name))
    };
    Person {
        id: patient.text("id").unwrap_or_default().to_owned(),
        birth: patient.text("birthDate").and_then(Day::parse),
        sex: patient.text("gender").unwrap_or_default().to_owned(),
        death: patient.text("deceasedDateTime").and_then(Day::parse),
        died: patient.get("deceasedBoolean").and_then(Node::as_bool) == Some(true)
            || patient.get("deceasedDateTime").is_some(),
        municipality: reference(patient, "managingOrganization"),
        residences: patient.list("address").iter().filter_map(residence).collect(),
    }
}

/// Collects the facts of one resource.
struct Reader<'r, 'n> {
    rules: &'r Rules,
    resource: &'n Node<'n>,
    source: String,
    out: &'r mut Vec<Fact>,
}

impl Reader<'_, '_> {
    fn add(&mut self, day: Option<Day>, kind: Kind) {
        if let Some(day) = day {
            self.out.push(Fact { day, source: self.source.clone(), kind });
        }
    }

    fn status(&self) -> &str {
        self.resource.text("status").unwrap_or_default()
    }

    /// What the codes of some members are evidence of.
    fn codes(&self, names: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for name in names {
            let Some(member) = self.resource.get(name) else { continue };
            let concepts: Vec<&Node<'_>> =
                if let Node::Array(items) = member { items.iter().collect() } else { vec![member] };
            for concept in concepts {
                for coding in concept.list("coding") {
                    let Some(code) = coding.text("code") else { continue };
                    let system = coding.text("system").unwrap_or_default();
                    found.extend(self.rules.evidence.coding(system, code));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|place| self.rules.evidence.code(place).to_owned()).collect()
    }

    fn evidence(&mut self, statuses: &[&str], names: &[&str], dates: &[&str]) {
        if statuses.contains(&self.status()) {
            let day = day(self.resource, dates);
            for code in self.codes(names) {
                self.add(day, Kind::Evidence { code });
            }
        }
    }
}

const FINAL: &[&str] = &["final", "amended", "corrected"];
const DONE: &[&str] = &["completed", "finished", "fulfilled", "amended", "in-progress"];

/// Adds the facts of a resource.
pub(super) fn facts(rules: &Rules, type_name: &str, resource: &Node<'_>, resolve: Resolve<'_>, out: &mut Vec<Fact>) {
    let id = resource.text("id").unwrap_or_default();
    if resource.text("status") == Some("entered-in-error") {
        return;
    }
    let mut reader = Reader { rules, resource, source: format!("{type_name}/{id}"), out };
    match type_name {
        "Condition" => condition(&mut reader),
        "Observation" => observation(&mut reader),
        "Procedure" => reader.evidence(DONE, &["code", "category"], &["performed"]),
        "Appointment" => reader.evidence(
            &["fulfilled"],
            &["serviceType", "appointmentType", "serviceCategory", "reasonCode"],
            &["start"],
        ),
        "Communication" => reader.evidence(&["completed"], &["category", "topic", "reasonCode"], &["sent", "received"]),
        "QuestionnaireResponse" => questionnaire(&mut reader),
        "ClinicalImpression" => reader.evidence(&["completed"], &["code"], &["effective", "date"]),
        "DiagnosticReport" => reader.evidence(FINAL, &["code", "category"], &["effective", "issued"]),
        "NutritionOrder" => {
            if matches!(reader.status(), "active" | "completed") {
                reader.add(day(resource, &["dateTime"]), Kind::Evidence { code: "nutrition".to_owned() });
            }
        }
        "ServiceRequest" => service_request(&mut reader),
        "Encounter" => encounter(&mut reader),
        "ChargeItem" => {
            if !matches!(reader.status(), "aborted" | "not-billable") {
                reader.evidence(
                    &[resource.text("status").unwrap_or_default()],
                    &["code"],
                    &["occurrence", "enteredDate"],
                );
            }
        }
        "Claim" => claim(&mut reader),
        "CarePlan" => care_plan(&mut reader),
        "Task" => task(&mut reader),
        "Flag" => flag(&mut reader),
        "EpisodeOfCare" => {
            let owner = reference(resource, "careManager");
            if !owner.is_empty() {
                reader.add(day(resource, &["period"]), Kind::Owner { of: id.to_owned(), owner });
            }
        }
        _ => {
            let source = reader.source;
            medication::facts(rules, type_name, resource, &source, resolve, out);
        }
    }
}

fn condition(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if has_code(resource.get("verificationStatus"), &["refuted", "entered-in-error", "differential"]) {
        return;
    }
    let Some(code) = resource.get("code") else { return };
    let Some(mut place) = reader.rules.sites.concept(code) else { return };
    let sites = resource.list("bodySite");
    let texts = || {
        code.text("text")
            .into_iter()
            .chain(sites.iter().filter_map(|site| site.text("text")))
            .chain(code.list("coding").iter().filter_map(|coding| coding.text("display")))
    };
    if reader.rules.sites.code(place) == "unspecified"
        && let Some(better) = sites.iter().find_map(|site| {
            reader.rules.sites.concept(site).or_else(|| site_of_words(reader.rules, site.text("text")?))
        })
    {
        place = better;
    }
    let stated = sites.iter().find_map(|site| extension(site, "laterality")?.text("valueCode"));
    let side = match stated {
        Some("left") => Some(Side::Left),
        Some("right") => Some(Side::Right),
        Some("both") => Some(Side::Both),
        _ => texts().find_map(|text| match (text.contains('左'), text.contains('右'), text.contains("両側")) {
            (true, true, _) | (_, _, true) => Some(Side::Both),
            (true, false, _) => Some(Side::Left),
            (false, true, _) => Some(Side::Right),
            _ => None,
        }),
    };
    let site = reader.rules.sites.code(place).to_owned();
    let side = if reader.rules.is_sided(&site) { side } else { None };
    let encounter = reference(resource, "encounter");
    let (onset, recorded) = (day(resource, &["onset"]), day(resource, &["recordedDate"]));
    let known = recorded.filter(|recorded| onset.is_some_and(|onset| *recorded > onset));
    // A healed fracture may be a recent one; without a day of its own, a record of it tells of the past.
    let is_over = has_code(resource.get("clinicalStatus"), &["inactive", "remission", "resolved"]);
    let says_when = ["onsetAge", "onsetRange", "onsetString"].iter().any(|name| resource.get(name).is_some());
    let undated = onset.is_none() && (is_over || says_when);
    reader.add(onset.or(recorded), Kind::Fracture { site, side, encounter, known, undated });
}

/// Where a body site only has words: 大腿骨頚部 and the like.
fn site_of_words(rules: &Rules, text: &str) -> Option<usize> {
    rules.sites.words(&format!("{text}骨折"))
}

fn observation(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if !FINAL.contains(&reader.status()) || resource.get("dataAbsentReason").is_some() {
        return;
    }
    let when = day(resource, &["effective", "issued"]);
    for code in reader.codes(&["code", "category"]) {
        match code.as_str() {
            "care-level" => certification(reader),
            "exit" => {
                let reason = resource.path(&["valueCodeableConcept", "coding", "code"]).and_then(Node::as_str);
                reader.add(when, Kind::Exit { reason: reason.unwrap_or("other").to_owned() });
            }
            "weight" | "grip" | "gait" => {
                let quantity = resource.get("valueQuantity");
                let wanted = if code == "gait" { "m/s" } else { "kg" };
                // Another unit (lbf) is not converted by guessing: what has none of ours is no fact.
                let unit = quantity.and_then(|quantity| quantity.text("code").or_else(|| quantity.text("unit")));
                let value = quantity
                    .filter(|quantity| quantity.get("comparator").is_none())
                    .and_then(|quantity| number(quantity.get("value")?));
                if let (Some(value), true) = (value, unit == Some(wanted)) {
                    reader.add(when, Kind::Measured { code, value });
                }
            }
            _ => reader.add(when, Kind::Evidence { code }),
        }
    }
}

fn certification(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    let codings = resource.get("valueCodeableConcept").map_or(&[][..], |value| value.list("coding"));
    let Some(level) = codings.iter().find_map(|coding| coding.text("code")?.parse::<i32>().ok()) else { return };
    let causes = resource.list("extension").iter().filter(|one| {
        one.text("url").is_some_and(|url| url.starts_with(CANONICAL) && url.ends_with("/care-level-cause"))
    });
    let causes = causes.filter_map(|one| Some(cause(reader.rules, resource, one.get("valueReference")?))).collect();
    let municipality = resource.list("performer").first().map(local).unwrap_or_default();
    let start = day(resource, &["effective"]);
    reader.add(start, Kind::Certified { level, end: end(resource, "effectivePeriod"), causes, municipality });
}

/// What caused a certification: a Condition, or `#` and the site of a fracture where the diagnosis stands in the
/// certification itself.
fn cause(rules: &Rules, resource: &Node<'_>, reference: &Node<'_>) -> String {
    let Some(id) = reference.text("reference").and_then(|text| text.strip_prefix('#')) else { return local(reference) };
    let contained = resource.list("contained").iter().find(|one| one.text("id") == Some(id));
    let site = contained.and_then(|condition| rules.sites.concept(condition.get("code")?));
    site.map_or_else(|| "#".to_owned(), |place| format!("#{}", rules.sites.code(place)))
}

/// A questionnaire is evidence of what the end of its canonical URL says.
fn questionnaire(reader: &mut Reader<'_, '_>) {
    if !matches!(reader.status(), "completed" | "amended") {
        return;
    }
    let canonical = reader.resource.text("questionnaire").unwrap_or_default();
    let name = canonical.split('|').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    if reader.rules.evidence.find(name).is_some() {
        let code = name.to_owned();
        reader.add(day(reader.resource, &["authored"]), Kind::Evidence { code });
    }
}

fn service_request(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if !matches!(reader.status(), "active" | "completed")
        || resource.get("doNotPerform").and_then(Node::as_bool) == Some(true)
    {
        return;
    }
    let when = day(resource, &["authoredOn", "occurrence"]);
    for code in reader.codes(&["code", "category", "orderDetail"]) {
        // To recommend treatment is done by saying so.
        let kind = if code == "treatment-recommendation" { Kind::Evidence { code } } else { Kind::Ordered { code } };
        reader.add(when, kind);
    }
}

fn encounter(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if !matches!(reader.status(), "finished" | "in-progress" | "onleave" | "arrived" | "triaged") {
        return;
    }
    let when = day(resource, &["period"]);
    let facility = reference(resource, "serviceProvider");
    let codes = reader.codes(&["type", "serviceType", "reasonCode"]);
    let class = resource.get("class").and_then(|class| class.text("code")).unwrap_or_default();
    if matches!(class, "IMP" | "ACUTE" | "NONAC" | "OBSENC" | "SS") {
        let recovery = codes.iter().any(|code| code == "recovery-ward");
        reader.add(when, Kind::Stay { end: end(resource, "period"), facility, recovery });
    } else {
        reader.add(when, Kind::Visit { facility });
    }
    if DONE.contains(&reader.status()) {
        for code in codes.into_iter().filter(|code| !code.ends_with("-ward")) {
            reader.add(when, Kind::Evidence { code });
        }
    }
}

fn claim(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if reader.status() != "active" {
        return;
    }
    for item in resource.list("item") {
        let codings = item.get("productOrService").map_or(&[][..], |code| code.list("coding"));
        let found = codings.iter().find_map(|coding| {
            reader.rules.evidence.coding(coding.text("system").unwrap_or_default(), coding.text("code")?)
        });
        if let Some(place) = found {
            let code = reader.rules.evidence.code(place).to_owned();
            let when = day(item, &["serviced"]).or_else(|| day(resource, &["billable", "created"]));
            reader.add(when, Kind::Evidence { code });
        }
    }
}

/// A plan that somebody else wrote (a discharge summary's) recommends what it lists; ours lists everything.
fn care_plan(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if is_made(resource) || !matches!(reader.status(), "active" | "completed") {
        return;
    }
    let when = day(resource, &["created", "period"]);
    for activity in resource.list("activity") {
        let Some(detail) = activity.get("detail") else { continue };
        let codings = detail.get("code").map_or(&[][..], |code| code.list("coding"));
        let recommends = codings.iter().any(|coding| {
            coding.text("code") == Some("treatment-recommendation")
                && coding.text("system") == Some(crate::fls::rules::ACTIVITY)
        });
        if recommends && !matches!(detail.text("status"), Some("cancelled" | "stopped" | "entered-in-error")) {
            reader.add(when, Kind::Evidence { code: "treatment-recommendation".to_owned() });
        }
    }
}

/// A task of ours that a person closed: done or not, it has a reason that says so, and ours never has one.
fn task(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    if !is_made(resource) {
        return;
    }
    let id = resource.text("id").unwrap_or_default().to_owned();
    let stored = resource.get("meta").and_then(|meta| Day::parse(meta.text("lastUpdated")?));
    let when = day(resource, &["lastModified"]).or(stored).or_else(|| day(resource, &["authoredOn"]));
    let owner = reference(resource, "owner");
    if !owner.is_empty() {
        reader.add(when, Kind::Owner { of: id.clone(), owner });
    }
    let reason = resource.get("statusReason").and_then(|reason| {
        reason
            .text("text")
            .or_else(|| reason.path(&["coding", "display"])?.as_str())
            .or_else(|| reason.path(&["coding", "code"])?.as_str())
    });
    let is_automatic = has_code(resource.get("statusReason"), &["automatic"]);
    let done = match reader.status() {
        "completed" => true,
        "cancelled" | "rejected" | "failed" => false,
        _ => return,
    };
    if is_automatic {
        return;
    }
    let closed = end(resource, "executionPeriod").or(when);
    reader.add(closed, Kind::Closed { task: id, done, reason: reason.unwrap_or_default().to_owned() });
}

fn flag(reader: &mut Reader<'_, '_>) {
    let resource = reader.resource;
    let Some(acknowledged) = extension(resource, "alarm-acknowledgement") else { return };
    let part = |name: &str, member: &str| {
        let found = acknowledged.list("extension").iter().find(|one| one.text("url") == Some(name))?;
        found.text(member).map(str::to_owned)
    };
    let when = part("when", "valueDateTime").and_then(|text| Day::parse(&text));
    let alarm = resource.text("id").unwrap_or_default().to_owned();
    let (who, reason) = (part("who", "valueString"), part("reason", "valueString"));
    reader.add(when, Kind::Acknowledged { alarm, who: who.unwrap_or_default(), reason: reason.unwrap_or_default() });
}
