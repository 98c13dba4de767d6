//! The side of whoever signs outside: asks with the key what waits, looks at it, and sends signatures in.
//!
//! A book, a private file, keeps the codes under which answers come back, newest first, and what was sent without an answer;
//! it is sent again as it was. What waits is believed when its capsule opens with a code of the book and its answer is
//! proven; that a text is what its statement commits to is checked here before it is shown or signed.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound as _, Utc};
use gongkai_domain::gap::{Asking, Given, Outcome, PIECES_MAX, Request, Said, Status, Waiting};
use gongkai_log::note::Note;
use gongkai_log::{Opening, SigningKey, Statement, note};
use gongkai_store::HandedIn;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cosigning::Came;
use super::desk::{Desk, secret};
use crate::keyfile;
use crate::outcome::{Class, Fault, chain};

/// Codes that a book keeps: answers older than these are of no use to anybody who signs.
const CODES_MAX: usize = 8;

/// See the module.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// Origin of the intake.
    intake: String,
    /// Name of the key that asks.
    key: String,
    /// Codes, newest first.
    codes: Vec<String>,
    /// What was sent last and not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsent: Option<Unsent>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsent {
    code: String,
    packet: String,
}

/// What the ledger answered last.
pub struct Answered {
    /// Its capsule.
    pub status: Status,
    /// What waits, each found to be what its statement commits to.
    pub requests: Vec<Shown>,
    /// Drafts that had no room.
    pub left_out: u32,
    /// What came of the signatures of that asking.
    pub came: Vec<Came>,
}

/// A draft that waits, as it is shown.
pub struct Shown {
    /// The request.
    pub request: Request,
    /// Its statement.
    pub statement: Statement,
    /// The open slots.
    pub open: Vec<Opening>,
}

/// Somebody with a key, outside.
pub struct Signer<'d> {
    desk: &'d Desk<'d>,
    key: &'d SigningKey,
    path: PathBuf,
    book: Book,
}

impl<'d> Signer<'d> {
    /// Opens the book of a key, or begins one.
    ///
    /// # Errors
    /// A file that is no book, or another key's.
    pub fn open(desk: &'d Desk<'d>, key: &'d SigningKey, path: &Path) -> Result<Self, Fault> {
        let place = || path.display().to_string();
        let (intake, name) = (desk.key.name().to_owned(), key.name().to_owned());
        let book: Book = match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|_| Fault::usage(place(), "不是联署簿，没有动它"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Book { intake: intake.clone(), key: name.clone(), codes: Vec::new(), unsent: None }
            }
            Err(error) => return Err(Fault::failed(place(), &error)),
        };
        if book.intake != intake || book.key != name {
            return Err(Fault::usage(place(), "这是另一把钥匙或另一个收件处的联署簿").mend("请换一个文件名"));
        }
        Ok(Self { desk, key, path: path.to_owned(), book })
    }

    /// Whether nothing was asked yet.
    pub fn is_new(&self) -> bool {
        self.book.codes.is_empty()
    }

    /// Sends again what an earlier run sent without an answer.
    ///
    /// # Errors
    /// No answer, or the disk.
    pub fn send_again(&mut self) -> Result<Option<HandedIn>, Fault> {
        if self.book.unsent.is_some() { self.send().map(Some) } else { Ok(None) }
    }

    /// Asks what waits, with signatures for these.
    ///
    /// # Errors
    /// No answer, or the disk. What was sent stays in the book and is sent again.
    pub fn ask(&mut self, sign: &[&Shown], now: DateTime<Utc>) -> Result<HandedIn, Fault> {
        let given = sign.iter().map(|shown| self.given(shown)).collect::<Result<_, _>>()?;
        let asking = Asking { asked_at: now.trunc_subsecs(6), given };
        let wrong = |error: &dyn std::error::Error| Fault::no("联署", chain(error));
        let text = asking.text((self.desk.ledger(), self.desk.key.name())).map_err(|error| wrong(&error))?;
        let note = note::sign(&text, &[self.key]).map_err(|error| wrong(&error))?;
        let (code, packet) = self.desk.seal_said(Said::Asking(note))?;
        self.book.unsent = Some(Unsent { code, packet });
        self.keep()?;
        self.send()
    }

    /// The base64 part of a signature line under the statement.
    fn given(&self, shown: &Shown) -> Result<Given, Fault> {
        let wrong = |error: &dyn std::error::Error| Fault::no(shown.request.draft.to_string(), chain(error));
        let signed = note::sign(&shown.request.content.statement, &[self.key]).map_err(|error| wrong(&error))?;
        let signed = Note::parse(&signed).map_err(|error| wrong(&error))?;
        let line = signed.signatures.first().map(ToString::to_string).unwrap_or_default();
        let signature = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Given { draft: shown.request.draft, signature })
    }

    fn send(&mut self) -> Result<HandedIn, Fault> {
        let Some(Unsent { code, packet }) = self.book.unsent.clone() else {
            return Err(Fault::usage("联署", "没有要发送的内容"));
        };
        let handed = self.desk.send(&packet)?;
        self.book.codes.insert(0, code);
        self.book.codes.truncate(CODES_MAX);
        self.book.unsent = None;
        self.keep()?;
        Ok(handed)
    }

    /// On the disk before anything is sent.
    fn keep(&self) -> Result<(), Fault> {
        let text = serde_json::to_string(&self.book).map_err(|error| Fault::failed("联署簿", &error))?;
        Ok(keyfile::replace_private(&self.path, text.as_bytes())?)
    }

    /// The latest answer of the ledger; `None` while there is none.
    ///
    /// # Errors
    /// One that is not proven, or shows something else than it has signed.
    pub fn answered(&self) -> Result<Option<Answered>, Fault> {
        for code in &self.book.codes {
            match self.desk.status(&secret(code)?) {
                Ok(status) => return self.read(code, status).map(Some),
                Err(fault) if fault.class == Class::No => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    fn read(&self, code: &str, status: Status) -> Result<Answered, Fault> {
        let came = match status.answer.outcome {
            Outcome::Accepted => serde_json::from_str(&status.answer.note).map_err(|_| untrue("答复读不懂"))?,
            Outcome::Refused => Vec::new(),
        };
        let Waiting { pieces, left_out, .. } = status.waiting.clone().unwrap_or_default();
        if pieces as usize > PIECES_MAX {
            return Err(untrue("等着签的稿件太长"));
        }
        let secret = secret(code)?;
        let piece = |number| {
            let piece = secret.piece(number);
            let capsule = self.desk.capsule(&piece)?;
            let opened = piece.open_text(self.desk.key.name(), &capsule).map_err(|_| untrue("稿件打不开"))?;
            Ok(opened.to_vec())
        };
        let pieces = (0..pieces).map(piece).collect::<Result<Vec<_>, Fault>>()?;
        let waiting = status.waiting.clone().unwrap_or_default().unpack(&pieces);
        let waiting = waiting.map_err(|_| untrue("等着签的稿件刚刚换过，请再看一次"))?;
        let requests = waiting.into_iter().map(|request| self.shown(request)).collect::<Result<_, _>>()?;
        Ok(Answered { status, requests, left_out, came })
    }

    fn shown(&self, request: Request) -> Result<Shown, Fault> {
        let checked = request.content.shown(self.desk.ledger());
        let (statement, open) = checked.map_err(|refusal| untrue(&format!("稿件和要签的声明不符：{refusal}")))?;
        Ok(Shown { request, statement, open })
    }
}

fn untrue(reason: &str) -> Fault {
    Fault::ours("联署", reason)
}

/// A draft's id as it was given on the command line, among those that wait.
///
/// # Errors
/// No such draft, or more than one that begins so.
pub fn chosen<'s>(waiting: &'s [Shown], given: &str) -> Result<&'s Shown, Fault> {
    let begins = |shown: &&Shown| id(shown.request.draft).starts_with(given);
    let mut found = waiting.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(shown), None) => Ok(shown),
        (None, _) => Err(Fault::no(given, "没有这份等您签名的稿件，没有签名").mend("先不带 --sign 看一看有哪些")),
        (Some(_), Some(_)) => Err(Fault::no(given, "不止一份稿件的编号这样开头，没有签名").mend("请写长一些")),
    }
}

fn id(draft: Uuid) -> String {
    draft.hyphenated().to_string()
}
