//! Whether something is taken here, why not, and the links that lead to a form from other pages.
//!
//! The ledger's own site asks the ledger's world, which is newer than its views. A site of published files takes what the
//! intake beside it takes (`citizen::outside`) and has its views to ask; without an intake it takes nothing.

use gongkai_domain::kind::KINDS;
use gongkai_domain::{Kind, World};
use gongkai_log::StreamId;
use gongkai_projections::Status;

use super::words::called;
use super::{Thing, encrypted, for_citizens, href, slug};
use crate::http::App;
use crate::http::citizen::outside;
use crate::http::query::push;
use crate::site::hand_in::Encrypted;
use crate::site::parts::Link;

/// Characters of a title that a letter about it repeats.
const TITLE_CHARS_MAX: usize = 60;

/// Asks the world by which it is decided; `views` is that of the page's reader.
pub fn asked<T>(app: &App, views: &World, ask: impl FnOnce(&World) -> T) -> T {
    match &app.ledger {
        Some(ledger) => ledger.with_world(ask),
        None => ask(views),
    }
}

/// Whether anything is taken here.
pub fn is_open(app: &App, views: &World) -> bool {
    app.ledger.is_some() || outside::open(app, views).is_some()
}

/// Whether an intake should take something for this site, and cannot be asked now.
pub fn is_cut_off(app: &App, views: &World) -> bool {
    app.ledger.is_none() && !app.about.intakes.places().is_empty() && !is_open(app, views)
}

/// Why nothing of a kind is taken now, or not here.
pub(super) fn closed(
    app: &App,
    views: &World,
    kind: &Kind,
    thing: Option<&Thing>,
    org: Option<&str>,
) -> Option<String> {
    if is_cut_off(app, views) {
        return Some("收件处现在连不上，暂时交不了。请过一会儿再来，或用书面方式提交。".into());
    }
    if !is_open(app, views) {
        return Some("这里只供查阅，不受理。这是账本的公开副本，要交材料，请到账本管理单位的网站。".into());
    }
    if let Some(reason) = app.halted() {
        return Some(format!("账本暂停登记，现在收不了：{reason}"));
    }
    // A ledger that opened an intake has a vault.
    if kind.sealed && app.ledger.as_ref().is_some_and(|ledger| ledger.sealed_reader().is_none()) {
        return Some("这本账没有启用限阅库，收不了不公开的事项。请用书面方式提交。".into());
    }
    let today = app.today();
    asked(app, views, |world| {
        let late = thing.and_then(|thing| world.matters.admits(&thing.stream, today).err());
        let ended = org.and_then(|org| world.living(org).err());
        if let Some(refusal) = late.or(ended) {
            return Some(refusal.to_string());
        }
        let none = org.is_some_and(|org| world.chain(org).all(|code| world.receivers(code).is_empty()));
        (none && encrypted(kind) == Encrypted::Always)
            .then(|| "这个机构和它的上级都还没有登记收件人，没法加密给谁。请用书面方式寄给上级机关。".to_owned())
    })
}

/// A letter to an organization, as a link for its page; nothing where nothing is taken.
pub fn letter(app: &App, views: &World, org: &str) -> Vec<Link> {
    if !is_open(app, views) || asked(app, views, |world| world.living(org).is_err()) {
        return Vec::new();
    }
    let kinds = for_citizens().filter(|kind| kind.opens && kind.about().is_none());
    let link = |kind: &Kind| {
        let mut href = format!("/hand-in/{}", slug(kind));
        push(&mut href, "org", org);
        Link::new(href, called(kind).0)
    };
    kinds.map(link).collect()
}

/// A letter that speaks of a matter, as a link for its page; nothing where nothing is taken.
pub fn letter_about(app: &App, views: &World, org: &str, matter: &str, title: &str) -> Vec<Link> {
    let fill = |link: Link| {
        let mut href = link.href;
        push(&mut href, "refers_to", matter);
        push(&mut href, "class", "opinion");
        let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
        push(&mut href, "title", &format!("关于承诺：{title}"));
        Link::new(href, "有话要说，写信")
    };
    letter(app, views, org).into_iter().map(fill).collect()
}

/// What can be handed in about a matter today, as links for its page; nothing where nothing is taken.
pub fn links(app: &App, views: &World, about: &str, status: Status) -> Vec<Link> {
    let Ok(stream) = about.parse::<StreamId>() else { return Vec::new() };
    let today = app.today();
    let admitted = |world: &World| world.matters.admits(&stream, today).is_ok();
    if status == Status::Withdrawn || !is_open(app, views) || !asked(app, views, admitted) {
        return Vec::new();
    }
    let kinds = for_citizens().filter(|kind| kind.about() == Some(stream.family.as_str()));
    kinds.map(|kind| Link::new(href(kind, about), called(kind).0)).collect()
}

/// How somebody may continue a matter of their own with its code, as links without the organization that has it in hands.
pub fn continuations() -> Vec<Link> {
    let kinds = KINDS.iter().filter(|kind| kind.is_for_citizens() && kind.sealed && !kind.opens);
    kinds.map(|kind| Link::new(format!("/hand-in/{}", slug(kind)), kind.label)).collect()
}
