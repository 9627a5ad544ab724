-- Words for _text and _content, in order.
CREATE TABLE full_text (
    key       BIGINT PRIMARY KEY,
    narrative TSVECTOR NOT NULL,
    content   TSVECTOR NOT NULL
);
CREATE INDEX full_text_narrative ON full_text USING gin (narrative);
CREATE INDEX full_text_content ON full_text USING gin (content);
