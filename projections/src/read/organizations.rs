//! Organizations for readers: the tree, and one with everything about it (一村一档).

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use gongkai_domain::{Role, kind::registry::Level};
use gongkai_store::database::Row;
use serde::Serialize;

use super::{
    Columns, Counted, Filter, Matter, Page, ReadError, Reader, compliance::Month, int, label_or, matters::like, text,
};
use crate::{projection::Arg, status::Status};

const ONE: &str = "SELECT code, stream, level, parent, since, registered_index, ended, ended_on, ended_index FROM organizations WHERE code = $1";
const BY_STREAM: &str = "SELECT code FROM organizations WHERE stream = $1";
/// On the day `$1`; every organization when there is none. One without a day of founding was always there.
macro_rules! in_force {
    ($name:literal) => {
        concat!(
            " (CAST($1 AS TEXT) IS NULL OR ((",
            $name,
            ".since IS NULL OR ",
            $name,
            ".since <= $1) AND (",
            $name,
            ".ended_on IS NULL OR ",
            $name,
            ".ended_on > $1)))"
        )
    };
}

macro_rules! children {
    ($below:expr, $parent:literal, $page:literal) => {
        concat!(
            "SELECT o.code, o.level, o.ended, (SELECT COUNT(*) FROM organization_ancestors a",
            $below,
            ") - 1 AS below FROM organizations o WHERE",
            in_force!("o"),
            " AND o.parent",
            $parent,
            " ORDER BY o.code LIMIT ",
            $page
        )
    };
}

macro_rules! below {
    () => {
        " WHERE a.ancestor = o.code"
    };
}

macro_rules! below_on {
    () => {
        concat!(" JOIN organizations b ON b.code = a.code WHERE a.ancestor = o.code AND", in_force!("b"))
    };
}

const ROOTS: &str = children!(below!(), " IS NULL", "$2 OFFSET $3");
const ROOTS_ON: &str = children!(below_on!(), " IS NULL", "$2 OFFSET $3");
const ROOTS_COUNT: &str =
    concat!("SELECT COUNT(*) FROM organizations o WHERE", in_force!("o"), " AND o.parent IS NULL");
const CHILDREN: &str = children!(below!(), " = $4", "$2 OFFSET $3");
const CHILDREN_ON: &str = children!(below_on!(), " = $4", "$2 OFFSET $3");
const CHILDREN_COUNT: &str =
    concat!("SELECT COUNT(*) FROM organizations o WHERE", in_force!("o"), " AND o.parent = $2");
const YEARS_OF_CHANGE: &str = "SELECT SUBSTR(since, 1, 4) AS year FROM organizations WHERE since IS NOT NULL \
     UNION SELECT SUBSTR(ended_on, 1, 4) FROM organizations WHERE ended_on IS NOT NULL \
     UNION SELECT SUBSTR(from_on, 1, 4) FROM organization_names WHERE from_on IS NOT NULL ORDER BY 1 DESC LIMIT $1";
const NAMED: &str = "SELECT o.code, o.level, o.ended, (SELECT COUNT(*) FROM organization_ancestors a WHERE a.ancestor = o.code) - 1 AS below \
     FROM organizations o WHERE EXISTS (SELECT 1 FROM organization_names n WHERE n.code = o.code AND LOWER(n.name) LIKE $1 ESCAPE '!') \
     AND (CAST($4 AS TEXT) IS NULL OR o.code IN (SELECT code FROM organization_ancestors WHERE ancestor = $4)) ORDER BY o.code LIMIT $2 OFFSET $3";
const NAMED_COUNT: &str = "SELECT COUNT(*) FROM organizations o WHERE EXISTS (SELECT 1 FROM organization_names n WHERE n.code = o.code AND LOWER(n.name) LIKE $1 ESCAPE '!') \
     AND (CAST($2 AS TEXT) IS NULL OR o.code IN (SELECT code FROM organization_ancestors WHERE ancestor = $2))";
const NAMES: &str = "SELECT name, from_on, entry_index FROM organization_names WHERE code = $1 ORDER BY entry_index";
const RELATIONS: &str = "SELECT code, other, how, effective_on, entry_index FROM organization_relations WHERE code = $1 OR other = $1 ORDER BY entry_index, code, other";
const POSTS: &str = "SELECT p.stream, p.title, p.seats, p.entry_index, q.name AS holder FROM posts p LEFT JOIN persons q ON q.post = p.stream \
     WHERE p.org = $1 ORDER BY p.entry_index, q.entry_index";
const OFFICIALS: &str = "SELECT p.stream, p.name, q.title FROM persons p LEFT JOIN posts q ON q.stream = p.post \
     WHERE p.org = $1 AND p.name IS NOT NULL ORDER BY p.post IS NULL, q.entry_index, p.entry_index LIMIT $2";
const ROLES: &str = "SELECT r.person, r.role, p.name, r.granted_index FROM roles r LEFT JOIN persons p ON p.stream = r.person \
     WHERE r.org = $1 AND r.withdrawn_index IS NULL AND r.granted_index IS NOT NULL ORDER BY r.granted_index";

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("organizations.one", ONE),
    ("organizations.by_stream", BY_STREAM),
    ("organizations.roots", ROOTS),
    ("organizations.roots_on", ROOTS_ON),
    ("organizations.roots_count", ROOTS_COUNT),
    ("organizations.children", CHILDREN),
    ("organizations.children_on", CHILDREN_ON),
    ("organizations.children_count", CHILDREN_COUNT),
    ("organizations.years_of_change", YEARS_OF_CHANGE),
    ("organizations.named", NAMED),
    ("organizations.named_count", NAMED_COUNT),
    ("organizations.names", NAMES),
    ("organizations.relations", RELATIONS),
    ("organizations.posts", POSTS),
    ("organizations.officials", OFFICIALS),
    ("organizations.roles", ROLES),
];

/// An organization at the end of a past day, as far as it can be told of that day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrganizationThen {
    /// The day.
    pub on: NaiveDate,
    /// Name on that day; the code when none is open.
    pub name: String,
    /// Level, Chinese.
    pub level_label: String,
    /// In force or ended on that day.
    pub status: Status,
    /// Newest matters at or below it as they stood, by family.
    pub families: BTreeMap<String, Counted<Matter>>,
}

/// An organization in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrganizationItem {
    /// Code.
    pub code: String,
    /// Name on the day of the list; the code when none is open.
    pub name: String,
    /// Level, wire value.
    pub level: String,
    /// Level, Chinese.
    pub level_label: String,
    /// In force or ended, today.
    pub status: Status,
    /// Organizations below it: all, ended ones included, or those in force on the day of the list.
    pub below: u64,
    /// Overdue pledges and missing months at or below it, today.
    pub late: u64,
}

/// A name over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamePeriod {
    /// The name; absent when it was withdrawn.
    pub name: Option<String>,
    /// First day; absent for the first name.
    pub from: Option<NaiveDate>,
    /// Last day; absent for the present one.
    pub to: Option<NaiveDate>,
    /// Entry that gave it.
    pub index: u64,
}

/// How it relates to another organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relation {
    /// 并入, 拆分为, 由…合并而来 (wire: `merged_into`, `split_into`, `merged_from`, `split_from`).
    pub how: &'static str,
    /// Day.
    pub on: Option<NaiveDate>,
    /// The other organizations: code, name today.
    pub others: Vec<(String, String)>,
    /// Entry.
    pub index: u64,
}

/// A post and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PostHeld {
    /// Stream of the post.
    pub stream: String,
    /// Title; absent when withdrawn.
    pub title: Option<String>,
    /// Seats.
    pub seats: u64,
    /// Names of those registered for it.
    pub holders: Vec<String>,
}

/// Somebody whom the registry names at an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Official {
    /// Opaque id.
    pub person: String,
    /// Name.
    pub name: String,
    /// Title of the post, if one is registered and open.
    pub post: Option<String>,
}

/// A role held at the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleHeld {
    /// Opaque id.
    pub person: String,
    /// Name, if it is open.
    pub name: Option<String>,
    /// Role, wire value.
    pub role: String,
    /// Role, Chinese.
    pub role_label: String,
    /// Entry of the grant.
    pub index: u64,
}

/// An organization with everything about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Organization {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Code.
    pub code: String,
    /// Its stream.
    pub stream: String,
    /// Name today.
    pub name: String,
    /// Level, wire value.
    pub level: String,
    /// Level, Chinese.
    pub level_label: String,
    /// In force or ended.
    pub status: Status,
    /// Day of founding.
    pub since: Option<NaiveDate>,
    /// Those above it, top first, without itself: code, name today.
    pub ancestors: Vec<(String, String)>,
    /// Names, oldest first.
    pub names: Vec<NamePeriod>,
    /// Mergers and so on.
    pub relations: Vec<Relation>,
    /// The first direct children.
    pub children: Counted<OrganizationItem>,
    /// Posts.
    pub posts: Vec<PostHeld>,
    /// Roles held here.
    pub roles: Vec<RoleHeld>,
    /// Latest matters of each family at or below it.
    pub families: BTreeMap<String, Counted<Matter>>,
    /// The months of finance sheets that it owes itself; empty when it owes none.
    pub months: Vec<Month>,
    /// Overdue pledges at or below it.
    pub overdue: u64,
    /// Missing months at or below it.
    pub missing: u64,
    /// Statements recorded late at or below it.
    pub back_filled: u64,
}

impl Reader {
    /// An organization by code, with the first `shown` of each list.
    pub async fn organization(&mut self, code: &str, shown: u32) -> Result<Option<Organization>, ReadError> {
        let Some(row) = self.row(ONE, vec![text(code)]).await? else { return Ok(None) };
        let ancestors = self.ancestors(code).await?;
        let names = self.names_over_time(code).await?;
        let children =
            self.children(Some(code), None, &Filter { limit: super::LIMIT_MAX, ..Filter::default() }).await?;
        let filter = Filter { org: Some(code.to_owned()), limit: shown.max(1), ..Filter::default() };
        let mut families = BTreeMap::new();
        for family in ["disclosure", "pledge", "notice", "nomination", "vacancy"] {
            let page = self.matters(family, &filter).await?;
            families.insert(family.to_owned(), Counted { total: page.total, items: page.items });
        }
        let mut months = self.months(Some(code)).await?;
        let missing = months.values().flatten().filter(|month| month.status == Status::Missing).count() as u64;
        let level = row.maybe::<String>("level")?.unwrap_or_default();
        let present = self.org_names([code]).await?.remove(code);
        Ok(Some(Organization {
            size: self.size(),
            stream: row.text("stream")?,
            name: present.unwrap_or_else(|| code.to_owned()),
            level_label: level_label(&level).to_owned(),
            level,
            status: if row.maybe::<String>("ended")?.is_some() { Status::Ended } else { Status::InForce },
            since: row.day("since")?,
            ancestors,
            names,
            relations: self.relations(code).await?,
            children: Counted { total: children.total, items: children.items },
            posts: self.posts(code).await?,
            roles: self.roles(code).await?,
            families,
            months: months.remove(code).unwrap_or_default(),
            overdue: self.overdue(&filter).await?.total,
            missing,
            back_filled: self.back_filled(&filter).await?.total,
            code: code.to_owned(),
        }))
    }

    /// An organization as it stood at the end of a past day; `None` when it was not registered by then. Those below it are
    /// today's.
    pub async fn organization_on(
        &mut self,
        code: &str,
        on: NaiveDate,
        shown: u32,
    ) -> Result<Option<OrganizationThen>, ReadError> {
        let (row, end) = (self.row(ONE, vec![text(code)]).await?, self.end_of(on).await?);
        let Some(row) = row.filter(|row| row.count("registered_index").is_ok_and(|index| index < end)) else {
            return Ok(None);
        };
        let filter = Filter { org: Some(code.to_owned()), limit: shown.max(1), ..Filter::default() };
        let mut families = BTreeMap::new();
        for family in ["disclosure", "pledge", "notice", "nomination", "vacancy"] {
            let page = self.matters_on(family, &filter, on, None).await?;
            families.insert(family.to_owned(), Counted { total: page.total.unwrap_or_default(), items: page.items });
        }
        let said = row.maybe::<i64>("ended_index")?.is_some_and(|index| index.unsigned_abs() < end);
        let ended = said && row.day("ended_on")?.is_some_and(|day| day <= on);
        Ok(Some(OrganizationThen {
            on,
            name: named(&self.org_names_on([code], on).await?, code),
            level_label: level_label(&row.maybe::<String>("level")?.unwrap_or_default()).to_owned(),
            status: if ended { Status::Ended } else { Status::InForce },
            families,
        }))
    }

    /// Code of the organization whose stream this is.
    pub async fn organization_of_stream(&mut self, stream: &str) -> Result<Option<String>, ReadError> {
        let row = self.row(BY_STREAM, vec![text(stream)]).await?;
        Ok(row.map(|row| row.text("code")).transpose()?)
    }

    /// Those above an organization, top first, without itself: code, name today.
    pub async fn ancestors(&mut self, code: &str) -> Result<Vec<(String, String)>, ReadError> {
        let world = self.world_handle();
        let mut codes: Vec<&str> = world.chain(code).skip(1).collect();
        codes.reverse();
        let names = self.org_names(codes.iter().copied()).await?;
        Ok(codes.into_iter().map(|code| (code.to_owned(), named(&names, code))).collect())
    }

    /// Direct children of an organization, or the roots: all there ever were, or with `on` those in force on
    /// that day under the names of that day; of the filter the page counts.
    pub async fn children(
        &mut self,
        parent: Option<&str>,
        on: Option<NaiveDate>,
        filter: &Filter,
    ) -> Result<Page<OrganizationItem>, ReadError> {
        let day = Arg::Text(on.map(|on| on.to_string()));
        let page = vec![day.clone(), int(filter.limit()), int(filter.offset)];
        let (total, rows) = match parent {
            None => {
                let sql = if on.is_some() { ROOTS_ON } else { ROOTS };
                (self.count(ROOTS_COUNT, vec![day]).await?, self.rows(sql, page).await?)
            }
            Some(parent) => {
                let sql = if on.is_some() { CHILDREN_ON } else { CHILDREN };
                let total = self.count(CHILDREN_COUNT, vec![day, text(parent)]).await?;
                (total, self.rows(sql, [page, vec![text(parent)]].concat()).await?)
            }
        };
        self.organization_page(&rows, total, filter, parent, on).await
    }

    /// The latest years, at most `limit`, in which an organization was founded, renamed or ended.
    pub async fn years_of_change(&mut self, limit: u32) -> Result<Vec<i32>, ReadError> {
        let rows = self.rows(YEARS_OF_CHANGE, vec![int(limit)]).await?;
        let mut years = Vec::with_capacity(rows.len());
        for row in &rows {
            years.extend(row.text("year")?.parse::<i32>());
        }
        Ok(years)
    }

    /// Organizations that have or had a name with this part; of the filter `org` and the page count.
    pub async fn organizations_named(
        &mut self,
        part: &str,
        filter: &Filter,
    ) -> Result<Page<OrganizationItem>, ReadError> {
        let (name, org) = (text(like(part)), Arg::Text(filter.org.clone()));
        let total = self.count(NAMED_COUNT, vec![name.clone(), org.clone()]).await?;
        let rows = self.rows(NAMED, vec![name, int(filter.limit()), int(filter.offset), org]).await?;
        self.organization_page(&rows, total, filter, filter.org.as_deref(), None).await
    }

    async fn organization_page(
        &mut self,
        rows: &[Row],
        total: u64,
        filter: &Filter,
        above: Option<&str>,
        on: Option<NaiveDate>,
    ) -> Result<Page<OrganizationItem>, ReadError> {
        let codes: Vec<String> = rows.iter().map(|row| row.text("code")).collect::<Result<_, _>>()?;
        let day = on.unwrap_or(self.today());
        let names = self.org_names_on(codes.iter().map(String::as_str), day).await?;
        let late = self.late_below(&codes, above).await?;
        let mut items = Vec::with_capacity(rows.len());
        for (row, code) in rows.iter().zip(codes) {
            let level = row.maybe::<String>("level")?.unwrap_or_default();
            items.push(OrganizationItem {
                name: named(&names, &code),
                level_label: level_label(&level).to_owned(),
                level,
                status: if row.maybe::<String>("ended")?.is_some() { Status::Ended } else { Status::InForce },
                below: row.count("below")?,
                late: late.get(&code).copied().unwrap_or_default(),
                code,
            });
        }
        Ok(Page { size: self.size(), total, offset: filter.offset, limit: filter.limit(), items })
    }

    async fn names_over_time(&mut self, code: &str) -> Result<Vec<NamePeriod>, ReadError> {
        let rows = self.rows(NAMES, vec![text(code)]).await?;
        let mut names: Vec<NamePeriod> = Vec::with_capacity(rows.len());
        for row in &rows {
            let from = row.day("from_on")?;
            if let Some(before) = names.last_mut() {
                before.to = from.and_then(|from| from.pred_opt());
            }
            names.push(NamePeriod { name: row.maybe("name")?, from, to: None, index: row.count("entry_index")? });
        }
        Ok(names)
    }

    async fn relations(&mut self, code: &str) -> Result<Vec<Relation>, ReadError> {
        let rows = self.rows(RELATIONS, vec![text(code)]).await?;
        let mut relations: Vec<Relation> = Vec::new();
        for row in &rows {
            let (ended, other, index) = (row.text("code")?, row.text("other")?, row.count("entry_index")?);
            let how = match (row.text("how")?.as_str(), ended == code) {
                ("merged", true) => "merged_into",
                ("merged", false) => "merged_from",
                (_, true) => "split_into",
                (_, false) => "split_from",
            };
            let other = if ended == code { other } else { ended };
            match relations.iter_mut().find(|relation| relation.index == index && relation.how == how) {
                Some(relation) => relation.others.push((other, String::new())),
                None => relations.push(Relation {
                    how,
                    on: row.day("effective_on")?,
                    others: vec![(other, String::new())],
                    index,
                }),
            }
        }
        let names = self.org_names(relations.iter().flat_map(|r| &r.others).map(|(code, _)| code.as_str())).await?;
        for (code, name) in relations.iter_mut().flat_map(|relation| &mut relation.others) {
            *name = named(&names, code);
        }
        Ok(relations)
    }

    async fn posts(&mut self, code: &str) -> Result<Vec<PostHeld>, ReadError> {
        let mut posts: Vec<PostHeld> = Vec::new();
        for row in self.rows(POSTS, vec![text(code)]).await? {
            let stream = row.text("stream")?;
            if posts.last().is_none_or(|post| post.stream != stream) {
                let seats = row.maybe::<i64>("seats")?.unwrap_or(1).unsigned_abs();
                posts.push(PostHeld { stream, title: row.maybe("title")?, seats, holders: Vec::new() });
            }
            if let (Some(post), Some(holder)) = (posts.last_mut(), row.maybe("holder")?) {
                post.holders.push(holder);
            }
        }
        Ok(posts)
    }

    /// Whom the registry names at an organization itself, holders of posts first, at most `limit`.
    pub async fn officials(&mut self, code: &str, limit: u32) -> Result<Vec<Official>, ReadError> {
        let rows = self.rows(OFFICIALS, vec![text(code), int(limit)]).await?;
        let official = |row: &Row| {
            Ok(Official { person: row.text("stream")?, name: row.text("name")?, post: row.maybe("title")? })
        };
        rows.iter().map(official).collect()
    }

    async fn roles(&mut self, code: &str) -> Result<Vec<RoleHeld>, ReadError> {
        let rows = self.rows(ROLES, vec![text(code)]).await?;
        rows.iter()
            .map(|row| {
                let role = row.maybe::<String>("role")?.unwrap_or_default();
                Ok(RoleHeld {
                    person: row.maybe("person")?.unwrap_or_default(),
                    name: row.maybe("name")?,
                    role_label: label_or(Role::from_wire(&role).map(Role::label), &role).to_owned(),
                    role,
                    index: row.count("granted_index")?,
                })
            })
            .collect()
    }
}

fn named(names: &HashMap<String, String>, code: &str) -> String {
    names.get(code).map_or_else(|| code.to_owned(), Clone::clone)
}

fn level_label(wire: &str) -> &str {
    label_or(Level::from_wire(wire).map(Level::label), wire)
}
