-- Several nodes write to one ledger, each with published files of its own: `publication` has a row a node.

ALTER TABLE publication DROP CONSTRAINT publication_id_check;
ALTER TABLE publication ADD CONSTRAINT publication_id_check CHECK (id >= 1);
