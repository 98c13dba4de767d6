//! Names behind codes of organizations, streams of persons and keys, each asked once in a state of the rows (`remembered`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Most names of a kind that are kept: the organizations of a large province, some 10 MB.
const NAMES_MAX: usize = 65_536;

/// What was asked in one state of the rows; what has no name is in it too.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// In the order in which they came.
    organizations: HashMap<String, Vec<Named>>,
    persons: HashMap<String, Option<String>>,
    /// Person, and the person's name.
    holders: HashMap<String, (Option<String>, Option<String>)>,
}

impl Names {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked left whole answers: each is put in at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Makes room before more is put in.
    fn bounded(&mut self) -> &mut Self {
        if self.organizations.len().max(self.persons.len()).max(self.holders.len()) > NAMES_MAX {
            *self = Self::default();
        }
        self
    }
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
        let mut found: HashMap<&str, Vec<Named>> = HashMap::with_capacity(codes.len());
        {
            let known = self.memory.names.known();
            found.extend(codes.iter().filter_map(|code| Some((*code, known.organizations.get(*code)?.clone()))));
        }
        let unknown: Vec<&str> = codes.iter().copied().filter(|code| !found.contains_key(*code)).collect();
        for chunk in unknown.chunks(CHUNK) {
            let mut asked: HashMap<&str, Vec<Named>> = chunk.iter().map(|code| (*code, Vec::new())).collect();
            for row in self.rows(ORG_NAMES, in_chunk(chunk)).await? {
                let named = (row.maybe("from_on")?, row.maybe("name")?);
                if let Some(names) = asked.get_mut(row.text("code")?.as_str()) {
                    names.push(named);
                }
            }
            let kept = asked.iter().map(|(code, names)| ((*code).to_owned(), names.clone()));
            self.memory.names.known().bounded().organizations.extend(kept);
            found.extend(asked);
        }
        let day = day.to_string();
        let named = found.into_iter().filter_map(|(code, names)| {
            let held = names.into_iter().rfind(|(from, _)| from.as_ref().is_none_or(|from| *from <= day));
            Some((code.to_owned(), held?.1?))
        });
        Ok(named.collect())
    }

    /// Open names of persons, by stream.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn person_names(&mut self, persons: &[String]) -> Result<HashMap<String, String>, ReadError> {
        let mut names: HashMap<String, Option<String>> = HashMap::with_capacity(persons.len());
        {
            let known = self.memory.names.known();
            names
                .extend(persons.iter().filter_map(|person| Some((person.clone(), known.persons.get(person)?.clone()))));
        }
        let unknown: Vec<&str> =
            persons.iter().map(String::as_str).filter(|person| !names.contains_key(*person)).collect();
        for chunk in unknown.chunks(CHUNK) {
            let mut asked: HashMap<String, Option<String>> =
                chunk.iter().map(|person| ((*person).to_owned(), None)).collect();
            for row in self.rows(PERSON_NAMES, in_chunk(chunk)).await? {
                asked.insert(row.text("stream")?, row.maybe("name")?);
            }
            self.memory.names.known().bounded().persons.extend(asked.clone());
            names.extend(asked);
        }
        Ok(names.into_iter().filter_map(|(person, name)| Some((person, name?))).collect())
    }

    /// Names behind keys, for each statement whose signers these are, as JSON.
    pub(crate) async fn signers_of(&mut self, statements: &[String]) -> Result<Vec<Vec<SignerName>>, ReadError> {
        let parsed = statements.iter().map(|json| serde_json::from_str::<Vec<Signer>>(json));
        let statements = parsed.collect::<Result<Vec<_>, _>>()?;
        let mut keys: Vec<&str> = statements.iter().flatten().map(|signer| signer.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut holders: HashMap<String, (Option<String>, Option<String>)> = HashMap::with_capacity(keys.len());
        {
            let known = self.memory.names.known();
            holders.extend(keys.iter().filter_map(|key| Some(((*key).to_owned(), known.holders.get(*key)?.clone()))));
        }
        keys.retain(|key| !holders.contains_key(*key));
        for chunk in keys.chunks(CHUNK) {
            let mut asked: HashMap<String, _> = chunk.iter().map(|key| ((*key).to_owned(), (None, None))).collect();
            for row in self.rows(HOLDERS, in_chunk(chunk)).await? {
                asked.insert(row.text("key_name")?, (row.maybe("person")?, row.maybe("person_name")?));
            }
            self.memory.names.known().bounded().holders.extend(asked.clone());
            holders.extend(asked);
        }
        let named = |signer: Signer| {
            let (person, name) = holders.get(&signer.key).cloned().unwrap_or_default();
            let role_label = label_or(Role::from_wire(&signer.role).map(Role::label), &signer.role).to_owned();
            SignerName { role: signer.role, role_label, key: signer.key, person, name }
        };
        Ok(statements.into_iter().map(|signers| signers.into_iter().map(named).collect()).collect())
    }
}
