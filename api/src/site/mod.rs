//! The public site: one context per page, rendered by the templates in `api/templates`.
//!
//! A context is plain data that a handler fills from the views; it reads no clock, no database and
//! no request. Statuses and days left are computed before they come here. Pages work without
//! JavaScript, contain no inline script or style (`default-src 'self'`), and need no font from
//! elsewhere. Every value is escaped by the template engine; no template switches that off.
//!
//! To add a page: a struct with `site: Site` and a `sample()`, `impl Page for` it, a template that
//! extends `base.html`, and one line in [`samples`]. The tests then render and check it.

pub mod about;

pub mod board;
pub mod chart;
pub mod compare;
pub mod compliance;
pub mod console;
pub mod console_answers;
pub mod console_board;
pub mod console_gates;
pub mod console_letter;
pub mod console_outside;
pub mod dictionary;
pub mod disclosure;
pub mod dossier;
pub mod english;
pub mod entry;
pub mod follow;
pub mod format;
pub mod hand_in;
pub mod home;
pub mod notice;
pub mod organization;
pub mod parts;
pub mod past;
pub mod personnel;
pub mod pledge;
pub mod problem;
pub mod question;
pub mod search;
pub mod share;
pub mod status;
pub mod stream;
pub mod timeline;
pub mod verify;
pub mod wall;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use askama::Template;

use format::{Count, Moment};
use parts::{Family, Link};

use crate::mirrors::Stuck;

/// The style sheet, served at `/assets/site.css`.
pub const CSS: &str = include_str!("../../assets/site.css");

/// The script, served at `/assets/site.js`.
pub const JS: &str = include_str!("../../assets/site.js");

/// The icon, at `/assets/icon.svg`.
pub const ICON: &str = include_str!("../../assets/icon.svg");

/// A file that pages need.
#[derive(Debug)]
pub struct Asset {
    /// Name below `/assets/`.
    pub name: &'static str,
    /// Media type.
    pub media_type: &'static str,
    /// Content.
    pub content: Cow<'static, str>,
    /// Start of the content's hash: another content has another address.
    pub version: String,
}

impl Asset {
    fn new(name: &'static str, media_type: &'static str, content: Cow<'static, str>) -> Self {
        let version = gongkai_log::Digest::of(content.as_bytes()).to_hex()[..16].to_owned();
        Self { name, media_type, content, version }
    }
}

/// All of them. To add one: a line here and a link with [`asset`] in a template, or an import in another script, which
/// names it without a version.
pub static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const SHEET: &str = "text/css; charset=utf-8";
    let files = [
        ("site.css", SHEET, CSS),
        ("charts.css", SHEET, include_str!("../../assets/charts.css")),
        ("hand-in.css", SHEET, include_str!("../../assets/hand-in.css")),
        ("icon.svg", "image/svg+xml", ICON),
        ("site.js", SCRIPT, JS),
        ("proof.js", SCRIPT, include_str!("../../assets/proof.js")),
        ("check.css", SHEET, include_str!("../../assets/check.css")),
        ("check/crypt.js", SCRIPT, include_str!("../../assets/check/crypt.js")),
        ("check/entry.js", SCRIPT, include_str!("../../assets/check/entry.js")),
        ("check/kept.js", SCRIPT, include_str!("../../assets/check/kept.js")),
        ("check/map.js", SCRIPT, include_str!("../../assets/check/map.js")),
        ("check/page.js", SCRIPT, include_str!("../../assets/check/page.js")),
        ("check/keys.js", SCRIPT, include_str!("../../assets/check/keys.js")),
        ("check/policy.js", SCRIPT, include_str!("../../assets/check/policy.js")),
        ("check/said.js", SCRIPT, include_str!("../../assets/check/said.js")),
        ("check/scan.js", SCRIPT, include_str!("../../assets/check/scan.js")),
        ("check/show.js", SCRIPT, include_str!("../../assets/check/show.js")),
        ("check/site.js", SCRIPT, include_str!("../../assets/check/site.js")),
        ("check/steps.js", SCRIPT, include_str!("../../assets/check/steps.js")),
        ("check/tree.js", SCRIPT, include_str!("../../assets/check/tree.js")),
        ("check/verdict.js", SCRIPT, include_str!("../../assets/check/verdict.js")),
        ("check/whole.js", SCRIPT, include_str!("../../assets/check/whole.js")),
        ("hand-in.js", SCRIPT, include_str!("../../assets/hand-in.js")),
        ("follow.js", SCRIPT, include_str!("../../assets/follow.js")),
        ("gap.js", SCRIPT, include_str!("../../assets/gap.js")),
        ("receipt.js", SCRIPT, include_str!("../../assets/receipt.js")),
        ("office.js", SCRIPT, include_str!("../../assets/office.js")),
        ("note.js", SCRIPT, include_str!("../../assets/note.js")),
        ("ballot.js", SCRIPT, include_str!("../../assets/ballot.js")),
        ("canonical.js", SCRIPT, include_str!("../../assets/canonical.js")),
        ("statement.js", SCRIPT, include_str!("../../assets/statement.js")),
        ("envelope.js", SCRIPT, include_str!("../../assets/envelope.js")),
        ("work.js", SCRIPT, include_str!("../../assets/work.js")),
        ("console.css", SHEET, include_str!("../../assets/console.css")),
        ("console/keys.js", SCRIPT, include_str!("../../assets/console/keys.js")),
        ("console/pin.js", SCRIPT, include_str!("../../assets/console/pin.js")),
        ("console/session.js", SCRIPT, include_str!("../../assets/console/session.js")),
        ("console/sign-in.js", SCRIPT, include_str!("../../assets/console/sign-in.js")),
        ("console/desk.js", SCRIPT, include_str!("../../assets/console/desk.js")),
        ("console/write.js", SCRIPT, include_str!("../../assets/console/write.js")),
        ("console/who.js", SCRIPT, include_str!("../../assets/console/who.js")),
        ("console/answers.js", SCRIPT, include_str!("../../assets/console/answers.js")),
        ("console/form.js", SCRIPT, include_str!("../../assets/console/form.js")),
        ("console/drafts.js", SCRIPT, include_str!("../../assets/console/drafts.js")),
        ("console/preview.js", SCRIPT, include_str!("../../assets/console/preview.js")),
        ("console/proxy.js", SCRIPT, include_str!("../../assets/console/proxy.js")),
        ("console/again.js", SCRIPT, include_str!("../../assets/console/again.js")),
        ("console/answering.js", SCRIPT, include_str!("../../assets/console/answering.js")),
        ("console/letter.js", SCRIPT, include_str!("../../assets/console/letter.js")),
        ("console/period.js", SCRIPT, include_str!("../../assets/console/period.js")),
        ("console/review.js", SCRIPT, include_str!("../../assets/console/review.js")),
        ("console/cosign.js", SCRIPT, include_str!("../../assets/console/cosign.js")),
        ("console/outside.js", SCRIPT, include_str!("../../assets/console/outside.js")),
        ("console/step.js", SCRIPT, include_str!("../../assets/console/step.js")),
        ("console/signer.js", SCRIPT, include_str!("../../assets/console/signer.js")),
        ("console/devices.js", SCRIPT, include_str!("../../assets/console/devices.js")),
        ("console/import.js", SCRIPT, include_str!("../../assets/console/import.js")),
        ("console/import-run.js", SCRIPT, include_str!("../../assets/console/import-run.js")),
        ("console/sheet.js", SCRIPT, include_str!("../../assets/console/sheet.js")),
        ("console/sheet-columns.js", SCRIPT, include_str!("../../assets/console/sheet-columns.js")),
        ("console/sheet-files.js", SCRIPT, include_str!("../../assets/console/sheet-files.js")),
        ("console/sheet-rows.js", SCRIPT, include_str!("../../assets/console/sheet-rows.js")),
        ("vendor/card.js", SCRIPT, include_str!("../../assets/vendor/card.js")),
        ("share.css", SHEET, include_str!("../../assets/share.css")),
        ("share.js", SCRIPT, include_str!("../../assets/share.js")),
        ("vendor/crypto.js", SCRIPT, include_str!("../../assets/vendor/crypto.js")),
        ("vendor/scan.js", SCRIPT, include_str!("../../assets/vendor/scan.js")),
    ];
    files.into_iter().map(|(name, media_type, content)| Asset::new(name, media_type, Cow::Borrowed(content))).collect()
});

/// Address of an asset, which browsers may keep for ever.
pub(crate) fn asset(name: &str) -> String {
    let version = ASSETS.iter().find(|asset| asset.name == name).map(|asset| asset.version.as_str());
    format!("/assets/{name}?v={}", version.unwrap_or_default())
}

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Home.
    Home,
    /// A family's board and its items.
    Family(Family),
    /// Handing in, and following what was handed in.
    HandIn,
    /// Organizations.
    Organizations,
    /// Compliance board.
    Compliance,
    /// All entries, and one of them.
    Timeline,
    /// How to check.
    About,
    /// Nowhere.
    None,
}

/// A page with what the frame around it asks for.
pub trait Page: Template {
    /// Text of `<title>` before the ledger's name.
    fn title(&self) -> String;

    /// Its place in the navigation.
    fn section(&self) -> Section;

    /// Feeds that bring what will be new here.
    fn feeds(&self) -> Vec<Link> {
        Vec::new()
    }

    /// Whether an entry of the navigation is the present one.
    fn is_here(&self, section: &Section) -> bool {
        self.section() == *section
    }
}

/// An entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct NavItem {
    /// Its place.
    pub section: Section,
    /// Text.
    pub label: &'static str,
    /// Address.
    pub href: &'static str,
}

/// The navigation, in order.
pub const NAV: [NavItem; 11] = [
    NavItem { section: Section::Home, label: "首页", href: "/" },
    NavItem { section: Section::HandIn, label: "办事", href: "/hand-in" },
    NavItem { section: Section::Family(Family::Pledge), label: "承诺事项", href: "/pledges" },
    NavItem { section: Section::Family(Family::Vacancy), label: "空缺职位", href: "/vacancies" },
    NavItem { section: Section::Family(Family::Nomination), label: "任前公示", href: "/nominations" },
    NavItem { section: Section::Family(Family::Notice), label: "公示公告", href: "/notices" },
    NavItem { section: Section::Family(Family::Disclosure), label: "三务公开", href: "/disclosures" },
    NavItem { section: Section::Organizations, label: "机构", href: "/organizations" },
    NavItem { section: Section::Compliance, label: "督查", href: "/compliance" },
    NavItem { section: Section::Timeline, label: "全部记录", href: "/timeline" },
    NavItem { section: Section::About, label: "怎么核对", href: "/about" },
];

/// Why and since when the ledger accepts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Since when.
    pub since: Moment,
    /// Why, in a sentence.
    pub reason: String,
}

/// What the frame shows on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Name for people.
    pub name: String,
    /// Origin of the ledger.
    pub origin: String,
    /// Key id of the ledger's key, 8 hex digits.
    pub key_fingerprint: String,
    /// Entries recorded.
    pub entries: Count,
    /// When the newest checkpoint was signed.
    pub checkpoint_at: Option<Moment>,
    /// Shown on every page of a demo ledger.
    pub is_demo: bool,
    /// The page shows something that nobody has signed yet.
    pub is_preview: bool,
    /// The ledger accepts nothing at present.
    pub halt: Option<Halt>,
    /// This site is a mirror that does not go on.
    pub stuck: Option<Stuck>,
}

impl Site {
    /// The demo county.
    pub fn sample() -> Self {
        Self {
            name: "清溪县公开账本".into(),
            origin: "ledger.qingxi.example".into(),
            key_fingerprint: "fced61e0".into(),
            entries: Count(1310),
            checkpoint_at: Some(Moment::of(2026, 3, 10, 9, 20)),
            is_demo: true,
            is_preview: false,
            halt: None,
            stuck: None,
        }
    }

    /// A mirror that has seen two histories.
    pub fn is_forked(&self) -> bool {
        self.stuck == Some(Stuck::Forked)
    }

    /// A mirror whose source shows what it does not accept.
    pub fn is_held_back(&self) -> bool {
        self.stuck == Some(Stuck::Refused)
    }

    /// The navigation, for the frame.
    pub fn nav(&self) -> &'static [NavItem] {
        &NAV
    }
}

/// Every page rendered from its sample: `(name, html)`.
///
/// # Panics
///
/// When a template fails to render, which only a broken template does.
pub fn samples() -> Vec<(&'static str, String)> {
    fn html(page: &impl Page) -> String {
        page.render().expect("a template renders its sample")
    }
    vec![
        ("home", html(&home::HomePage::sample())),
        ("board", html(&board::BoardPage::sample())),
        ("board-empty", html(&board::BoardPage::empty_sample())),
        ("board-past", html(&board::BoardPage::past_sample())),
        ("board-before", html(&board::BoardPage::before_sample())),
        ("pledge", html(&pledge::PledgePage::sample())),
        ("vacancy", html(&personnel::VacancyPage::sample())),
        ("nomination", html(&personnel::NominationPage::sample())),
        ("notice", html(&notice::NoticePage::sample())),
        ("disclosure", html(&disclosure::DisclosurePage::sample())),
        ("disclosure-lists", html(&disclosure::DisclosurePage::lists_sample())),
        ("disclosure-quiet", html(&disclosure::DisclosurePage::quiet_sample())),
        ("picture", html(&share::PicturePage::sample())),
        ("loudspeaker", html(&share::LoudspeakerPage::sample())),
        ("stream", html(&stream::StreamPage::sample())),
        ("stream-past", html(&stream::StreamPage::past_sample())),
        ("organization", html(&organization::OrganizationPage::sample())),
        ("organization-past", html(&organization::OrganizationPastPage::sample())),
        ("organization-past-empty", html(&organization::OrganizationPastPage::empty_sample())),
        ("organizations", html(&organization::TreePage::sample())),
        ("compliance", html(&compliance::CompliancePage::sample())),
        ("compliance-past", html(&compliance::CompliancePage::past_sample())),
        ("compare", html(&compare::ComparePage::sample())),
        ("compare-choose", html(&compare::ComparePage::choose_sample())),
        ("timeline", html(&timeline::TimelinePage::sample())),
        ("timeline-before", html(&timeline::TimelinePage::before_sample())),
        ("search", html(&search::SearchPage::sample())),
        ("search-none", html(&search::SearchPage::none_sample())),
        ("entry", html(&entry::EntryPage::sample())),
        ("about", html(&about::AboutPage::sample())),
        ("status", html(&status::StatusPage::sample())),
        ("wall", html(&wall::WallPage::sample())),
        ("wall-differing", html(&wall::WallPage::differing_sample())),
        ("wall-unreadable", html(&wall::WallPage::unreadable_sample())),
        ("wall-notice", html(&wall::WallPage::notice_sample())),
        ("verify", html(&verify::VerifyPage::sample())),
        ("verify-wrong", html(&verify::VerifyPage::wrong_sample())),
        ("about-forked", html(&about::AboutPage::stuck_sample(Stuck::Forked))),
        ("about-held-back", html(&about::AboutPage::stuck_sample(Stuck::Refused))),
        ("dictionary", html(&dictionary::DictionaryPage::sample())),
        ("console-sign-in", html(&console::SignInPage::sample())),
        ("console-desk", html(&console::DeskPage::sample())),
        ("console-desk-idle", html(&console::DeskPage::idle_sample())),
        ("console-answers", html(&console_answers::AnswersPage::sample())),
        ("console-answers-none", html(&console_answers::AnswersPage::empty_sample())),
        ("console-answer", html(&console_answers::AnswerPage::sample())),
        ("console-answer-sealed", html(&console_answers::AnswerPage::sealed_sample())),
        ("console-letter", html(&console_letter::LetterPage::sample())),
        ("console-letter-published", html(&console_letter::LetterPage::published_sample())),
        ("console-letter-answered", html(&console_letter::LetterPage::answered_sample())),
        ("console-choose", html(&console::ContinuePage::sample())),
        ("console-import", html(&console::ImportPage::sample())),
        ("console-import-closed", html(&console::ImportPage::closed_sample())),
        ("console-write", html(&console::WritePage::sample())),
        ("console-continue", html(&console::WritePage::continuing_sample())),
        ("console-board", html(&console_board::NumbersPage::sample())),
        ("console-board-quiet", html(&console_board::NumbersPage::quiet_sample())),
        ("console-board-list", html(&console_board::RowsPage::sample())),
        ("console-board-list-empty", html(&console_board::RowsPage::empty_sample())),
        ("console-review", html(&console_gates::ReviewPage::sample())),
        ("console-review-published", html(&console_gates::ReviewPage::published_sample())),
        ("console-review-returned", html(&console_gates::ReviewPage::returned_sample())),
        ("console-cosign", html(&console_gates::CosignPage::sample())),
        ("console-devices", html(&console_gates::DevicesPage::sample())),
        ("hand-in", html(&hand_in::OffersPage::sample())),
        ("hand-in-closed", html(&hand_in::OffersPage::closed_sample())),
        ("hand-in-beyond", html(&hand_in::OffersPage::beyond_sample())),
        ("hand-in-cut-off", html(&hand_in::OffersPage::cut_off_sample())),
        ("hand-in-form", html(&hand_in::FormPage::sample())),
        ("hand-in-form-beyond", html(&hand_in::FormPage::beyond_sample())),
        ("hand-in-form-beyond-code", html(&hand_in::FormPage::beyond_code_sample())),
        ("hand-in-encrypted", html(&hand_in::FormPage::encrypted_sample())),
        ("hand-in-organization", html(&hand_in::FormPage::organization_sample())),
        ("hand-in-ballot", html(&hand_in::FormPage::ballot_sample())),
        ("hand-in-matter", html(&hand_in::FormPage::matter_sample())),
        ("hand-in-not-now", html(&hand_in::FormPage::closed_sample())),
        ("hand-in-promised", html(&hand_in::AnswerPage::sample())),
        ("hand-in-recorded", html(&hand_in::AnswerPage::recorded_sample())),
        ("hand-in-refused", html(&hand_in::AnswerPage::refused_sample())),
        ("follow", html(&follow::FollowPage::sample())),
        ("follow-empty", html(&follow::FollowPage::empty_sample())),
        ("follow-beyond", html(&follow::FollowPage::beyond_sample())),
        ("console-outside", html(&console_outside::OutsidePage::sample())),
        ("console-outside-closed", html(&console_outside::OutsidePage::closed_sample())),
        ("follow-closed", html(&follow::FollowPage::closed_sample())),
        ("not-found", html(&problem::ProblemPage::not_found(Site::sample()))),
        ("problem", html(&problem::ProblemPage::sample())),
    ]
}
