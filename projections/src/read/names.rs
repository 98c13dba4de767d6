//! Names behind codes of organizations, streams of persons and keys. Within one moment they do not change, so each is asked
//! once, however many parts of a page want it; on a server every question is a journey.

use std::collections::HashMap;

use chrono::NaiveDate;
use gongkai_domain::Role;
use gongkai_log::Signer;

use super::{CHUNK, Columns as _, ReadError, Reader, SignerName, in_chunk, label_or};

const ORG_NAMES: &str = "SELECT code, name, from_on, entry_index FROM organization_names WHERE code IN ($1, $2, $3, $4, $5, $6, $7, \
     $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32) \
     ORDER BY code, entry_index";
const PERSON_NAMES: &str = "SELECT stream, name FROM persons WHERE stream IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
     $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)";
const HOLDERS: &str = "SELECT k.name AS key_name, k.person, p.name AS person_name FROM keys k LEFT JOIN persons p ON p.stream = k.person \
     WHERE k.name IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
     $26, $27, $28, $29, $30, $31, $32)";

pub(super) const STATEMENTS: &[(&str, &str)] =
    &[("names.organizations", ORG_NAMES), ("names.persons", PERSON_NAMES), ("names.holders", HOLDERS)];

/// From which day a name holds, if not from the start, and the name unless it was withdrawn.
type Named = (Option<String>, Option<String>);

/// What was asked in this moment; what has no name is in it too.
#[derive(Default)]
pub(super) struct Names {
    /// In the order in which they came.
    organizations: HashMap<String, Vec<Named>>,
    /// Person, and the person's name.
    holders: HashMap<String, (Option<String>, Option<String>)>,
}

impl Reader {
    /// Names of organizations today, by code; one without an open name is absent.
    pub async fn org_names<'c>(
        &mut self,
        codes: impl IntoIterator<Item = &'c str>,
    ) -> Result<HashMap<String, String>, ReadError> {
        self.org_names_on(codes, self.today).await
    }

    /// Open names of organizations on a day, by code; those without one are absent.
    pub(crate) async fn org_names_on<'c>(
        &mut self,
        codes: impl IntoIterator<Item = &'c str>,
        day: NaiveDate,
    ) -> Result<HashMap<String, String>, ReadError> {
        let mut codes: Vec<&str> = codes.into_iter().collect();
        codes.sort_unstable();
        codes.dedup();
        let unknown: Vec<&str> =
            codes.iter().copied().filter(|code| !self.names.organizations.contains_key(*code)).collect();
        for chunk in unknown.chunks(CHUNK) {
            let rows = self.rows(ORG_NAMES, in_chunk(chunk)).await?;
            let known = &mut self.names.organizations;
            known.extend(chunk.iter().map(|code| ((*code).to_owned(), Vec::new())));
            for row in rows {
                known.entry(row.text("code")?).or_default().push((row.maybe("from_on")?, row.maybe("name")?));
            }
        }
        let day = day.to_string();
        let named = codes.into_iter().filter_map(|code| {
            let names = self.names.organizations.get(code)?;
            let held = names.iter().rfind(|(from, _)| from.as_ref().is_none_or(|from| *from <= day));
            Some((code.to_owned(), held?.1.clone()?))
        });
        Ok(named.collect())
    }

    /// Open names of persons, by stream.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn person_names(&mut self, persons: &[String]) -> Result<HashMap<String, String>, ReadError> {
        let mut names = HashMap::new();
        for chunk in persons.chunks(CHUNK) {
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            for row in self.rows(PERSON_NAMES, in_chunk(&chunk)).await? {
                if let Some(name) = row.maybe::<String>("name")? {
                    names.insert(row.text("stream")?, name);
                }
            }
        }
        Ok(names)
    }

    /// Names behind keys, for each statement whose signers these are, as JSON.
    pub(crate) async fn signers_of(&mut self, statements: &[String]) -> Result<Vec<Vec<SignerName>>, ReadError> {
        let parsed = statements.iter().map(|json| serde_json::from_str::<Vec<Signer>>(json));
        let statements = parsed.collect::<Result<Vec<_>, _>>()?;
        let mut keys: Vec<&str> = statements.iter().flatten().map(|signer| signer.key.as_str()).collect();
        keys.retain(|key| !self.names.holders.contains_key(*key));
        keys.sort_unstable();
        keys.dedup();
        for chunk in keys.chunks(CHUNK) {
            let rows = self.rows(HOLDERS, in_chunk(chunk)).await?;
            let known = &mut self.names.holders;
            known.extend(chunk.iter().map(|key| ((*key).to_owned(), (None, None))));
            for row in rows {
                known.insert(row.text("key_name")?, (row.maybe("person")?, row.maybe("person_name")?));
            }
        }
        let named = |signer: Signer| {
            let (person, name) = self.names.holders.get(&signer.key).cloned().unwrap_or_default();
            let role_label = label_or(Role::from_wire(&signer.role).map(Role::label), &signer.role).to_owned();
            SignerName { role: signer.role, role_label, key: signer.key, person, name }
        };
        Ok(statements.into_iter().map(|signers| signers.into_iter().map(named).collect()).collect())
    }
}
