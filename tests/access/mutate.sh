#!/usr/bin/env bash
# Proves that the tests of access notice when a filter is gone: takes them out one by one in a copy of the sources, and
# expects the named test to fail. Takes minutes: not part of `cargo test`.
#
#     tests/access/mutate.sh [NAME…]
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/mutants}
copy=$(mktemp -d "${TMPDIR:-/tmp}/renraku-mutants.XXXXXX")
trap 'rm -rf "$copy"' EXIT
failures=0

# name; file; what stands there; what is put in its place; the test that must notice
mutant() {
    local name=$1 file=$2 from=$3 to=$4 test=$5 expected=${6:-1} status=0
    if [ "${#wanted[@]}" -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return; fi
    rm -rf "$copy/tree"
    mkdir "$copy/tree"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -pt "$copy/tree"
    if ! FROM=$from TO=$to perl -0pi -e '$n = s/\Q$ENV{FROM}\E/$ENV{TO}/; END { exit 1 unless $n }' "$copy/tree/$file"; then
        echo "FAIL $name: $file no longer holds: $from"
        failures=$((failures + 1))
        return
    fi
    if ! (cd "$copy/tree" && cargo test --test access --no-run) >"$copy/log" 2>&1; then
        tail -20 "$copy/log"
        echo "FAIL $name: it does not compile"
        failures=$((failures + 1))
        return
    fi
    (cd "$copy/tree" && cargo test --test access -- --nocapture "$test") >"$copy/log" 2>&1 || status=1
    if [ "$status" = "$expected" ]; then
        echo "ok   $name: $test $(grep -aoE '[0-9]+ (wrong on [a-z]+|leaks)' "$copy/log" | head -1)"
    else
        grep -aA3 panicked "$copy/log" | cut -c1-600 || true
        echo "FAIL $name: $test did not notice"
        failures=$((failures + 1))
    fi
}

wanted=("$@")
# With no filter at all every door must leak: the test then says which did not.
export RENRAKU_EXPECT_LEAKS=every-door
mutant every-door src/store/view.rs 'VIEW.with(|current| current.borrow().clone())' 'None' every_door_leaks_without_its_filter 0
unset RENRAKU_EXPECT_LEAKS
mutant read-cache src/store/read.rs 'if self.view.is_some() { None } else { self.cache.get(type_number, id) }' 'self.cache.get(type_number, id)' nobody_reaches
mutant statements src/store/connection.rs 'let statement = match view::current() {' 'let statement = match view::current().filter(|_| false) {' nobody_reaches
mutant shown src/store/search.rs 'whole = Some(all & shown);' 'whole = Some(all);' searches_find_what_reading_reads
mutant shown-few src/store/search.rs 'narrowed.among.iter_mut().for_each(|among| among.retain(|found| is_among(found.key, shown)));' 'let _ = (shown, narrowed);' searches_find_what_reading_reads
mutant shown-across src/store/search.rs 'keys.into_iter().filter(|key| is_among(*key, &shown))' 'keys.into_iter().filter(|_| !shown.is_empty())' searches_find_what_reading_reads
mutant shown-included src/store/search.rs 'Ok(Some(found.into_iter().filter(is_shown).collect()))' 'Ok(Some(found.into_iter().filter(|found| is_shown(found) || true).collect()))' searches_find_what_reading_reads
mutant shown-links src/store/shown.rs 'let keys = keys & shown.as_ref();' 'let keys = keys | Keys::new();' searches_find_what_reading_reads
mutant shown-linked src/store/shown.rs 'shown = Arc::new(shown.as_ref() & set.as_ref());' 'shown = set;' searches_find_what_reading_reads
mutant shown-since src/store/shown.rs 'current.remove(place);' 'let _ = place;' searches_find_what_reading_reads
mutant refusals src/store/view.rs 'if !managed_by.except.is_empty() {' 'if false {' consent_withdrawn
mutant labels src/access/relation.rs '_ => vec![Undelivered, VeryRestricted, SingleRecipient],' '_ => vec![],' a_label_hides
mutant past-owners src/store/view.rs 'let counts = match (is_past, type_of) {' 'let counts = match (false, type_of) {' a_history_is_not_told
mutant written-about src/store/write.rs 'if !view.may_write(type_number) {' 'if false {' laymen_do_not_change
mutant clock src/store/canonical.rs 'if written.iter().any(|(type_number, _)| relation_types().contains(type_number)) {' 'if false {' leaving_a_team
mutant audit-readers src/http/audit_events.rs '_ => shared.engine.is_auditor(interaction),' '_ => true,' nobody_reaches
mutant audit-in-searches src/engine.rs 'if type_name == "AuditEvent" && self.audit.is_some() {' 'if false {' nobody_reaches
mutant accesses-of-others src/http/audit_events.rs ' && user.id == id)' ')' nobody_reaches
mutant reviewers src/engine/emergency.rs 'if permitted.is_ok() {' 'if true {' nobody_reaches
mutant a-new-path src/http/access.rs 'get(
        "emergencies",' 'get("all-of-them", "allOfThem", "everything", &[], emergencies),
    get(
        "emergencies",' every_path_is_a_door
mutant liaison src/store/view.rs 'WHERE x.citizen IN (SELECT citizen FROM in_liaison))' 'WHERE 1 = 1)' rows_are_of_citizens
mutant policy src/engine.rs 'return self.permit_by_policy(interaction, type_name);' 'return Ok(());' definitions_are_written
mutant refused-labels src/store/view.rs 'for (label, citizens) in &view.hidden_of {' 'for (label, citizens) in view.hidden_of.iter().take(0) {' consents_deny_by
exit "$((failures > 0))"
