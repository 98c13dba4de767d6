//! Names behind codes of organizations, streams of persons and keys, each asked once in a state of the rows (`remembered`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use gongkai_domain::Role;
use gongkai_log::Signer;

use super::{CHUNK, Columns as _, ReadError, Reader, Row, SignerName, in_chunk, label_or};

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

/// The person who holds a key, and the person's name.
type Holder = (Option<String>, Option<String>);

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
    holders: HashMap<String, Holder>,
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

/// A kind of name: how it is asked, and where it is kept.
struct Question<V> {
    sql: &'static str,
    /// The column with what was asked for.
    key: &'static str,
    of: fn(&mut Known) -> &mut HashMap<String, V>,
    /// Takes a row in.
    take: fn(&mut V, &Row) -> Result<(), ReadError>,
}

const OF_ORGANIZATIONS: Question<Vec<Named>> = Question {
    sql: ORG_NAMES,
    key: "code",
    of: |known| &mut known.organizations,
    take: |names, row| {
        names.push((row.maybe("from_on")?, row.maybe("name")?));
        Ok(())
    },
};

const OF_PERSONS: Question<Option<String>> = Question {
    sql: PERSON_NAMES,
    key: "stream",
    of: |known| &mut known.persons,
    take: |name, row| {
        *name = row.maybe("name")?;
        Ok(())
    },
};

const OF_HOLDERS: Question<Holder> = Question {
    sql: HOLDERS,
    key: "key_name",
    of: |known| &mut known.holders,
    take: |holder, row| {
        *holder = (row.maybe("person")?, row.maybe("person_name")?);
        Ok(())
    },
};

impl Reader {
    /// What is known of these; the rows are asked for what nobody asked before in this state of theirs.
    async fn names<V: Clone + Default>(
        &mut self,
        question: &Question<V>,
        keys: impl IntoIterator<Item = &str>,
    ) -> Result<HashMap<String, V>, ReadError> {
        let keys: BTreeSet<&str> = keys.into_iter().collect();
        let mut found: HashMap<String, V> = HashMap::with_capacity(keys.len());
        {
            let mut known = self.memory.names.known();
            let known = (question.of)(&mut known);
            found.extend(keys.iter().filter_map(|key| Some(((*key).to_owned(), known.get(*key)?.clone()))));
        }
        let unknown: Vec<&str> = keys.into_iter().filter(|key| !found.contains_key(*key)).collect();
        for chunk in unknown.chunks(CHUNK) {
            let mut asked: HashMap<String, V> = chunk.iter().map(|key| ((*key).to_owned(), V::default())).collect();
            for row in self.rows(question.sql, in_chunk(chunk)).await? {
                if let Some(value) = asked.get_mut(row.text(question.key)?.as_str()) {
                    (question.take)(value, &row)?;
                }
            }
            (question.of)(self.memory.names.known().bounded()).extend(asked.clone());
            found.extend(asked);
        }
        Ok(found)
    }

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
        let day = day.to_string();
        let found = self.names(&OF_ORGANIZATIONS, codes).await?;
        let named = found.into_iter().filter_map(|(code, names)| {
            let held = names.into_iter().rfind(|(from, _)| from.as_ref().is_none_or(|from| *from <= day));
            Some((code, held?.1?))
        });
        Ok(named.collect())
    }

    /// Open names of persons, by stream.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn person_names(&mut self, persons: &[String]) -> Result<HashMap<String, String>, ReadError> {
        let found = self.names(&OF_PERSONS, persons.iter().map(String::as_str)).await?;
        Ok(found.into_iter().filter_map(|(person, name)| Some((person, name?))).collect())
    }

    /// Names behind keys, for each statement whose signers these are, as JSON.
    pub(crate) async fn signers_of(&mut self, statements: &[String]) -> Result<Vec<Vec<SignerName>>, ReadError> {
        let parsed = statements.iter().map(|json| serde_json::from_str::<Vec<Signer>>(json));
        let statements = parsed.collect::<Result<Vec<_>, _>>()?;
        let keys = statements.iter().flatten().map(|signer| signer.key.as_str());
        let holders = self.names(&OF_HOLDERS, keys).await?;
        let named = |signer: Signer| {
            let (person, name) = holders.get(&signer.key).cloned().unwrap_or_default();
            let role_label = label_or(Role::from_wire(&signer.role).map(Role::label), &signer.role).to_owned();
            SignerName { role: signer.role, role_label, key: signer.key, person, name }
        };
        Ok(statements.into_iter().map(|signers| signers.into_iter().map(named).collect()).collect())
    }
}
