//! What people tell and show each other: articles, comments, posts of groups, attachments, read marks, photos, summaries.

use super::*;

/// Article.
pub(super) const ARTICLE: Entity = Entity {
    name: "article",
    ja: "記事",
    en: "Article",
    profile: "notebook-article",
    fields: &[
        TITLE,
        CONTENT,
        field("category", "種別", "Category", Code),
        field("audience", "公開範囲", "Audience", Code),
        SENDER,
        ADDRESSEES,
        SENT,
        STATUS,
        ATTACHMENTS,
    ],
    sources: &[Source {
        resource: "Communication",
        citizen: "subject",
        absent: &["inResponseTo"],
        defaults: &[("status", "completed")],
        paths: &[
            ("title", "topic.text"),
            ("text", PAYLOAD),
            (
                "category",
                "category{coding.system=http://renraku.example/fhir/CodeSystem/notebook-article-category}.coding{system=http://renraku.example/fhir/CodeSystem/notebook-article-category}.code",
            ),
            ("audience", AUDIENCE),
            ("sender", "sender.reference"),
            ("recipients", "recipient*"),
            ("sent", "sent"),
            ("status", "status"),
            ("attachments", PAYLOAD_SHOWN),
        ],
        ..SOURCE
    }],
};

/// Comment.
pub(super) const COMMENT: Entity = Entity {
    name: "comment",
    ja: "コメント",
    en: "Comment",
    profile: "notebook-comment",
    fields: &[
        indexed(needed("parent", "返信先", "Answers", Reference(&["Communication"]))),
        CONTENT,
        field("audience", "公開範囲", "Audience", Code),
        SENDER,
        ADDRESSEES,
        SENT,
        STATUS,
        ATTACHMENTS,
    ],
    sources: &[Source {
        resource: "Communication",
        citizen: "subject",
        present: &["inResponseTo"],
        defaults: &[("status", "completed")],
        paths: &[
            ("parent", "inResponseTo.reference"),
            ("text", PAYLOAD),
            ("audience", AUDIENCE),
            ("sender", "sender.reference"),
            ("recipients", "recipient*"),
            ("sent", "sent"),
            ("status", "status"),
            ("attachments", PAYLOAD_SHOWN),
        ],
        ..SOURCE
    }],
};

/// Article in a group.
pub(super) const GROUP_POST: Entity = Entity {
    name: "group_post",
    ja: "グループの記事",
    en: "Article in a group",
    profile: "",
    fields: &[
        TITLE,
        CONTENT,
        SENDER,
        needed("recipients", "宛先", "Recipients", References(&["Group"])),
        SENT,
        STATUS,
        ATTACHMENTS,
    ],
    sources: &[Source {
        resource: "Communication",
        absent: &["subject"],
        defaults: &[("status", "completed")],
        paths: &[
            ("title", "topic.text"),
            ("text", PAYLOAD),
            ("sender", "sender.reference"),
            ("recipients", "recipient*"),
            ("sent", "sent"),
            ("status", "status"),
            ("attachments", PAYLOAD_SHOWN),
        ],
        ..SOURCE
    }],
};

/// Attachment.
pub(super) const ATTACHMENT: Entity = Entity {
    name: "attachment",
    ja: "添付",
    en: "Attachment",
    profile: "",
    fields: &[
        field("title", "ファイル名", "File name", Text),
        needed("content_type", "形式", "Format", Code),
        field("url", "場所", "Address", Text),
        field("size", "大きさ（バイト）", "Size in bytes", Integer),
        field("hash", "SHA-1", "SHA-1", Text),
    ],
    sources: &[
        Source {
            resource: "DocumentReference",
            citizen: "subject",
            per: "content*",
            paths: &[
                ("title", "attachment.title"),
                ("content_type", "attachment.contentType"),
                ("url", "attachment.url"),
                ("size", "attachment.size"),
                ("hash", "attachment.hash"),
            ],
            ..SOURCE
        },
        Source {
            resource: "Communication",
            citizen: "subject",
            per: "payload*",
            present: &["contentAttachment"],
            paths: &[
                ("title", "contentAttachment.title"),
                ("content_type", "contentAttachment.contentType"),
                ("url", "contentAttachment.url"),
                ("size", "contentAttachment.size"),
                ("hash", "contentAttachment.hash"),
            ],
            ..SOURCE
        },
    ],
};

/// Read mark.
pub(super) const READ_MARK: Entity = Entity {
    name: "read_mark",
    ja: "既読",
    en: "Read mark",
    profile: "",
    fields: &[needed_writer("reader", "読んだ人", "Reader"), now("read_at", "読んだ日時", "Read at")],
    sources: &[
        Source {
            resource: "Communication",
            citizen: "subject",
            per: READ_RECEIPT,
            paths: &[("reader", READER), ("read_at", READ_AT)],
            ..SOURCE
        },
        // Of what is written in a group.
        Source {
            resource: "Communication",
            per: READ_RECEIPT,
            absent: &["subject"],
            paths: &[("reader", READER), ("read_at", READ_AT)],
            ..SOURCE
        },
    ],
};

/// Photo or video.
pub(super) const MEDIA: Entity = Entity {
    name: "media",
    ja: "写真・動画",
    en: "Photo or video",
    profile: "",
    fields: &[
        field("title", "題名", "Title", Text),
        needed("kind", "種類", "Kind", Code),
        needed("content_type", "形式", "Format", Code),
        field("url", "場所", "Address", Text),
        field("size", "大きさ（バイト）", "Size in bytes", Integer),
        field("hash", "SHA-1", "SHA-1", Text),
        needed("created", "撮影日時", "Taken", Date),
        writer("operator", "撮影者", "Taken by"),
        field("width", "幅", "Width", Integer),
        field("height", "高さ", "Height", Integer),
        field("duration", "長さ（秒）", "Length in seconds", Decimal),
        NOTE,
    ],
    sources: &[Source {
        resource: "Media",
        citizen: "subject",
        defaults: &[("status", "completed")],
        paths: &[
            ("title", "content.title"),
            ("kind", "type.coding{system=http://terminology.hl7.org/CodeSystem/media-type}.code"),
            ("content_type", "content.contentType"),
            ("url", "content.url"),
            ("size", "content.size"),
            ("hash", "content.hash"),
            ("created", "createdDateTime"),
            ("operator", "operator.reference"),
            ("width", "width"),
            ("height", "height"),
            ("duration", "duration"),
            ("note", "note.text"),
        ],
        ..SOURCE
    }],
};

/// Summary.
pub(super) const SUMMARY: Entity = Entity {
    name: "summary",
    ja: "サマリー",
    en: "Summary",
    profile: "",
    fields: &[
        needed("title", "題名", "Title", Text),
        field("kind", "種別", "Kind", Code),
        STATUS,
        needed("written", "作成日", "Written", Date),
        writer("author", "作成者", "Author"),
    ],
    sources: &[Source {
        resource: "Composition",
        citizen: "subject",
        paths: &[
            ("title", "title"),
            ("kind", "type.coding.code"),
            ("status", "status"),
            ("written", "date"),
            ("author", "author.reference"),
        ],
        ..SOURCE
    }],
};
