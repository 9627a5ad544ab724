//! What the rooms say, in English and Japanese: id, English, Japanese.

/// The texts of the rooms.
pub(crate) const TEXTS: &[(&str, &str, &str)] = &[
    (
        "qr-order",
        "the item {0} is out of order: items come in the order of the Questionnaire",
        "項目 {0} の順序が Questionnaire と異なります",
    ),
    (
        "qr-place",
        "the item {0} is in the wrong place: the Questionnaire has it elsewhere",
        "項目 {0} の位置が正しくありません。Questionnaire では別の場所にあります",
    ),
    (
        "qr-unknown",
        "the Questionnaire has no item with the linkId {0}",
        "linkId {0} の項目は Questionnaire にありません",
    ),
    ("qr-required", "the item {0} must be answered", "項目 {0} には回答が必要です"),
    (
        "qr-once",
        "the item {0} occurs more than once but does not repeat",
        "項目 {0} が複数ありますが、繰り返しは許されていません",
    ),
    (
        "qr-disabled",
        "the item {0} has content although its question is not enabled by the other answers",
        "項目 {0} は他の回答により無効ですが、内容があります",
    ),
    (
        "qr-min",
        "the item {0} needs at least {1} answers, not {2}",
        "項目 {0} には {1} 個以上の回答が必要ですが、{2} 個です",
    ),
    ("qr-max", "the item {0} takes at most {1} answers, not {2}", "項目 {0} の回答は最大 {1} 個ですが、{2} 個あります"),
    (
        "qr-text",
        "the text of the item {0} is not that of the Questionnaire",
        "項目 {0} の文言が Questionnaire と異なります",
    ),
    (
        "qr-one-answer",
        "the item {0} takes one answer: it does not repeat",
        "項目 {0} の回答は 1 個だけです (繰り返し不可)",
    ),
    (
        "qr-group-answer",
        "the group {0} takes items, no answers",
        "グループ {0} に回答は置けません。項目を置いてください",
    ),
    (
        "qr-display",
        "the item {0} is only displayed: it takes neither answers nor items",
        "項目 {0} は表示専用で、回答も項目も置けません",
    ),
    (
        "qr-item-below-item",
        "the items below the question {0} belong into its answer",
        "質問 {0} の下の項目は answer の中に置く必要があります",
    ),
    (
        "qr-question-type",
        "the question {0} cannot be answered: its type is '{1}'",
        "質問 {0} の型は「{1}」なので回答できません",
    ),
    ("qr-no-value", "the answer to {0} has no value", "{0} の回答に値がありません"),
    ("qr-type", "the answer to {0} is a {1}; allowed: {2}", "{0} の回答の型は {1} ですが、許されるのは {2} です"),
    ("qr-least", "{0} is below the least value {1}", "{0} は最小値 {1} を下回っています"),
    ("qr-greatest", "{0} is above the greatest value {1}", "{0} は最大値 {1} を超えています"),
    (
        "qr-incomparable",
        "{0} cannot be compared with the bound {1}: both need comparable units with system and code",
        "{0} を限度 {1} と比較できません。両方に比較可能な単位 (system と code) が必要です",
    ),
    ("qr-places", "{0} has more than {1} decimal places", "{0} の小数は {1} 桁までです"),
    (
        "qr-long",
        "the answer has {0} characters but may have at most {1}",
        "回答は最大 {1} 文字ですが、{0} 文字あります",
    ),
    ("qr-short", "the answer has {0} characters but needs at least {1}", "回答は {1} 文字以上必要ですが、{0} 文字です"),
    (
        "qr-lines",
        "an answer to a question of type string has no line ends; a question of type text would",
        "string 型の質問の回答に改行は使えません (text 型なら使えます)",
    ),
    ("qr-pattern", "{0} does not match {1}", "{0} は {1} に一致しません"),
    (
        "qr-pattern-unreadable",
        "the answer was not compared with the pattern {0}: {1}",
        "パターン {0} と照合できませんでした: {1}",
    ),
    (
        "qr-media",
        "the media type '{0}' is not allowed here; allowed: {1}",
        "メディアタイプ「{0}」は使用できません。使用できるもの: {1}",
    ),
    (
        "qr-size",
        "the attachment has {0} bytes but may have at most {1}",
        "添付は最大 {1} バイトですが、{0} バイトあります",
    ),
    ("qr-unit", "the unit of {0} is not offered; offered: {1}", "{0} の単位は選択肢にありません。選択肢: {1}"),
    ("qr-not-in-set", "{0} is not in the value set {1}", "{0} はバリューセット {1} に含まれていません"),
    ("qr-option", "{0} is none of the options of {1}", "{0} は {1} の選択肢にありません"),
    ("qr-exclusive", "{0} excludes all other answers but is not alone", "{0} は他の回答と同時に選べません"),
    (
        "qr-not-found",
        "the Questionnaire {0} is not known here; the answers were not compared with it",
        "Questionnaire {0} が見つからないため、回答を照合していません",
    ),
    (
        "bundle-url-missing",
        "the entry has a resource but no fullUrl; in a Bundle of type {0} every resource has one",
        "エントリに fullUrl がありません。{0} 型の Bundle では必須です",
    ),
    ("bundle-url-relative", "the fullUrl {0} is not absolute", "fullUrl {0} は絶対 URL ではありません"),
    (
        "bundle-url-id",
        "the fullUrl {0} and the id {1} of the resource disagree",
        "fullUrl {0} とリソースの id {1} が一致しません",
    ),
    (
        "bundle-url-type",
        "the fullUrl {0} names another type than {1}",
        "fullUrl {0} の型とリソースの型 {1} が一致しません",
    ),
    (
        "bundle-orphan",
        "the resource {0} cannot be reached from the first entry of this {1}",
        "リソース {0} は、この {1} の最初のエントリからたどれません",
    ),
    (
        "bundle-reference",
        "the reference {0} leads to no entry of this {1}",
        "参照 {0} に対応するエントリがこの {1} にありません",
    ),
    (
        "bundle-reference-hint",
        "the reference {0} leads to no entry, although the Bundle has {1}: the fullUrl of the entry it is written in makes it {2}",
        "参照 {0} に対応するエントリがありません。Bundle には {1} がありますが、fullUrl により {2} と解釈されます",
    ),
    ("bundle-search-id", "a resource found by a search has an id", "検索結果のリソースには id が必要です"),
    (
        "bundle-search-type",
        "the resource {0} was not asked for by this search ({1})",
        "リソース {0} はこの検索 ({1}) の対象ではありません",
    ),
    (
        "attachment-size",
        "the size is given as {0} but the data has {1} bytes",
        "size は {0} ですが、data は {1} バイトです",
    ),
    ("unit-unknown", "the unit {0} is not UCUM: {1}", "単位 {0} は UCUM ではありません: {1}"),
    (
        "uri-uuid",
        "{0} is no UUID: urn:uuid: and 32 hexadecimal digits as 8-4-4-4-12, in lower case",
        "{0} は UUID ではありません (urn:uuid: と小文字 16 進 8-4-4-4-12)",
    ),
    (
        "uri-oid",
        "{0} is no OID: urn:oid: and numbers with dots between",
        "{0} は OID ではありません (urn:oid: とドット区切りの数)",
    ),
    (
        "uri-scheme",
        "{0} is not a URI of any known form; write urn:{0}",
        "{0} は正しい URI ではありません。urn:{0} と書いてください",
    ),
    (
        "text-script",
        "the text contains markup that runs script",
        "テキストにスクリプトを実行するマークアップが含まれています",
    ),
    ("system-relative", "the system {0} is not an absolute URI", "system {0} は絶対 URI ではありません"),
    (
        "system-value-set",
        "the system {0} is a value set, not a code system",
        "system {0} はバリューセットであり、コード体系ではありません",
    ),
    (
        "bundle-outcome",
        "an entry of mode 'outcome' is an OperationOutcome, not a {0}",
        "mode が outcome のエントリは OperationOutcome である必要がありますが、{0} です",
    ),
    (
        "bundle-match-outcome",
        "an OperationOutcome in a searchset has the mode 'outcome'",
        "検索結果の OperationOutcome の mode は outcome である必要があります",
    ),
    (
        "narrative-entity",
        "the narrative has the HTML entity &{0};, which XML does not know: write the character itself",
        "説明文に XML にない HTML 実体参照 &{0}; があります。文字そのものを書く必要があります",
    ),
    (
        "bundle-link-twice",
        "the Bundle has more than one link with the relation '{0}'",
        "Bundle に relation「{0}」のリンクが複数あります",
    ),
    (
        "attachment-hash",
        "the hash is given as {0} but the SHA-1 of the data is {1}",
        "hash は {0} ですが、data の SHA-1 は {1} です",
    ),
    (
        "reference-space",
        "the reference {0} has spaces in it; a reference is a URL",
        "参照「{0}」に空白があります。参照は URL です",
    ),
    (
        "id-twice",
        "the id {0} is given to more than one element; it must be unique within the resource",
        "要素の id {0} が重複しています。リソースの中で一意である必要があります",
    ),
    (
        "contained-twice",
        "more than one contained resource has the id {0}",
        "contained リソースの id {0} が重複しています",
    ),
    ("security-twice", "the security label {0} is given more than once", "セキュリティラベル {0} が重複しています"),
    (
        "canonical-relative",
        "the canonical URL {0} must be absolute, such as http://example.org/fhir/ValueSet/a, or #id of a contained resource",
        "canonical {0} は絶対 URL (http://example.org/fhir/ValueSet/a など) または contained リソースの #id である必要があります",
    ),
    (
        "identifier-system",
        "the system {0} of an identifier must be an absolute URI, such as urn:oid:1.2.3 or http://example.org/id",
        "identifier の system {0} は絶対 URI (urn:oid:1.2.3 や http://example.org/id など) である必要があります",
    ),
    (
        "identifier-uri",
        "the system says that the value is a URI, but {0} is not absolute; write for example urn:uuid:… or http://…",
        "system は値が URI であることを示していますが、{0} は絶対 URI ではありません。urn:uuid:… や http://… と書いてください",
    ),
    ("system-unknown-core", "FHIR R4 defines no code system {0}", "コード体系 {0} は FHIR R4 で定義されていません"),
    (
        "narrative-attribute",
        "the attribute {0} of <{1}> is not allowed in a narrative; only formatting is (txt-1)",
        "narrative では <{1}> の属性 {0} は使用できません。書式の属性のみ使えます (txt-1)",
    ),
    (
        "narrative-element",
        "<{0}> is not allowed in a narrative; use <b>, <i> or <span> (txt-1)",
        "narrative では <{0}> は使用できません。<b>、<i>、<span> を使ってください (txt-1)",
    ),
    (
        "narrative-parent",
        "<{0}> must stand directly in one of {1}, not in <{2}>",
        "<{0}> は {1} の直下に置く必要がありますが、<{2}> の中にあります",
    ),
    (
        "narrative-child",
        "<{0}> may not stand directly in <{1}>; allowed: {2}",
        "<{0}> は <{1}> の直下に置けません。置けるもの: {2}",
    ),
    ("narrative-text", "<{0}> may not hold text directly", "<{0}> の直下に文字は置けません"),
    ("narrative-block", "<{0}> may not stand within <{1}>", "<{0}> は <{1}> の中に置けません"),
    ("narrative-link-empty", "the target of <{0}> is empty", "<{0}> のリンク先が空です"),
    (
        "narrative-link-scheme",
        "nobody can follow a link to {0}; use http or https",
        "{0} へのリンクはたどれません。http または https を使ってください",
    ),
    (
        "narrative-link-invalid",
        "the link {0} has characters that a URL cannot have; encode them (%20 for a space)",
        "リンク {0} に URL で使えない文字があります。符号化してください (空白は %20)",
    ),
    (
        "narrative-link-missing",
        "the link #{0} leads to nothing: no element, anchor or contained resource has this id",
        "リンク #{0} の先がありません。この id の要素、アンカー、contained リソースはありません",
    ),
    (
        "code-system-count",
        "count is {0} but the code system, which is complete, has {1} concepts",
        "count は {0} ですが、complete のコード体系に {1} 個の concept があります",
    ),
    (
        "code-system-content",
        "content is not-present, but there are concepts; content should be fragment, example or complete",
        "content が not-present なのに concept があります。fragment、example、complete のいずれかにしてください",
    ),
    (
        "code-system-supplements",
        "a supplement says with 'supplements' which code system it is of",
        "supplement には、対象のコード体系を示す supplements が必要です",
    ),
    (
        "code-system-property",
        "the property {0} is declared to be a {1}, but the value is a {2}",
        "property {0} の型は {1} と宣言されていますが、値は {2} です",
    ),
    (
        "enable-self",
        "the item {0} cannot be enabled by itself",
        "項目 {0} を自分自身の回答で有効にすることはできません",
    ),
    (
        "enable-unknown",
        "enableWhen names the question {0}, which this Questionnaire does not have",
        "enableWhen が示す質問 {0} はこの Questionnaire にありません",
    ),
    ("expression", "{0} is not FHIRPath: {1}", "{0} は FHIRPath として読めません: {1}"),
    ("bundle-search-resource", "an entry of a searchset has a resource", "検索結果のエントリにはリソースが必要です"),
    (
        "example-url",
        "the URL {0} is made for examples and must not stand in real data",
        "URL {0} は例示用のもので、実際のデータには使えません",
    ),
    (
        "text-html",
        "the text holds HTML; write plain text (\\< for a plain < in Markdown)",
        "テキストに HTML が含まれています。通常の文字で書いてください (Markdown では \\< )",
    ),
    (
        "reference-unresolved",
        "the reference {0} leads to nothing that was sent along",
        "参照 {0} の示すリソースが、送られた内容にありません",
    ),
];
