DROP TABLE concept_above;
DROP TABLE concept_text;
DROP TABLE concept;
DROP TABLE code_system;
DROP TABLE closure_entry;
DROP TABLE closure_concept;
DROP TABLE closure;
