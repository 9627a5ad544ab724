-- Words for _text and _content: only an inverted index, no text. What is superseded is taken out
-- with the tokens it was put in with, which are computed again from its body (columnsize = 0: no row
-- a resource beside the index).
CREATE VIRTUAL TABLE full_text USING fts5 (
    narrative,
    content,
    content = '',
    columnsize = 0,
    detail = full,
    tokenize = 'ascii'
);
