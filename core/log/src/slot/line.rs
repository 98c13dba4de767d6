//! Lines of openings files as they are written: read once, checked against their statements many at a time.
//!
//! Not here: openings with values, which are for whoever looks into them ([`Openings`]).

use std::{borrow::Cow, io::Write as _};

use serde_json::Value;

use super::{
    HASHER, LINE_HEAD_BYTES, OPENINGS_LINE_BYTES_MAX, Opening, Openings, OpeningsFileError, SLOTS, SlotError, Tier,
    check_name, check_slots, payload_head, refuse,
};
use crate::{
    canonical::{self, Parser},
    hash::{Digest, HASH_TEXT_BYTES, HashError, decode32},
    statement::Statement,
    tile::TILE_WIDTH,
    tree,
};

/// Depth of an opening's members in a line.
const VALUE_DEPTH: usize = 3;

/// A line whose form was found good, with the values as they are written: what is canonical once need not be made a value
/// and written again to be committed to.
pub(crate) struct Line<'t> {
    pub(crate) index: u64,
    commitments: [Digest; SLOTS],
    open: Vec<Written<'t>>,
}

/// An opening as it is written.
struct Written<'t> {
    slot: u8,
    salt: [u8; 32],
    tier: Tier,
    name: Cow<'t, str>,
    // Canonical JSON.
    name_json: &'t str,
    value_json: &'t str,
}

impl<'t> Line<'t> {
    pub(super) fn parse(line: &'t str) -> Result<Self, SlotError> {
        canonical::check_length(line, OPENINGS_LINE_BYTES_MAX)?;
        let mut line = Parser::new(line);
        expect(&mut line, "{\"commitments\":[\"", "commitments")?;
        let commitments = read_commitments(&mut line)?;
        expect(&mut line, "\"],\"index\":", "index")?;
        let index = line.value::<Value>(1)?.as_u64().ok_or_else(|| refuse("index", "is no index"))?;
        expect(&mut line, ",\"open\":[", "open")?;
        let mut open = Vec::with_capacity(SLOTS / 2);
        while !line.skip("]") {
            if open.len() == SLOTS {
                return Err(refuse("open", "lists more than 16 openings"));
            }
            if !open.is_empty() {
                expect(&mut line, ",", "open")?;
            }
            open.push(read_opening(&mut line)?);
        }
        expect(&mut line, "}", "open")?;
        line.end()?;
        check_slots(open.iter().map(|opening| opening.slot))?;
        Ok(Self { index, commitments, open })
    }

    /// The same with values.
    pub(crate) fn openings(&self) -> Result<Openings, SlotError> {
        let open = self.open.iter().map(|written| {
            let Written { slot, salt, tier, name, value_json, .. } = written;
            let value = Parser::new(value_json).value(VALUE_DEPTH)?;
            Ok(Opening { slot: *slot, salt: *salt, tier: *tier, name: name.clone().into_owned(), value })
        });
        let open = open.collect::<Result<_, SlotError>>()?;
        Ok(Openings { index: self.index, commitments: self.commitments, open })
    }
}

/// As [`Openings::check`], of many lines with their statements at once.
pub(crate) fn check_all(lines: &[(&Line<'_>, &Statement)]) -> Vec<Result<(), SlotError>> {
    let commitments: Vec<Digest> = lines.iter().flat_map(|(line, _)| line.commitments).collect();
    let roots = tree::roots(tree::commitment_leaves(&commitments), SLOTS.ilog2());
    // Salts and payloads one after the other, and where each ends.
    let (mut bytes, mut ends) = (Vec::with_capacity(lines.len() * 2_048), Vec::new());
    for (line, statement) in lines {
        let head = payload_head(&statement.origin, &statement.stream, statement.revision);
        for written in &line.open {
            written.payload(&head, &mut bytes);
            ends.push(bytes.len());
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let payloads: Vec<&[u8]> = starts.zip(&ends).map(|(start, end)| &bytes[start..*end]).collect();
    let mut opened = HASHER.each(&payloads).into_iter();
    let found = lines.iter().zip(roots).map(|((line, statement), root)| {
        let opened: Vec<Digest> = opened.by_ref().take(line.open.len()).collect();
        if root != statement.slots {
            return Err(SlotError::Root);
        }
        line.open.iter().zip(opened).try_for_each(|(written, commitment)| {
            check_name(&written.name)?;
            if line.commitments[usize::from(written.slot)] == commitment {
                return Ok(());
            }
            Err(SlotError::Opening { slot: written.slot, name: written.name.clone().into_owned() })
        })
    });
    found.collect()
}

impl Written<'_> {
    fn payload(&self, head: &str, out: &mut Vec<u8>) {
        let Self { slot, salt, tier, name_json, value_json, .. } = self;
        out.extend_from_slice(salt);
        out.extend_from_slice(head.as_bytes());
        write!(out, "{slot},\"{tier}\",{name_json},{value_json}]").expect("writing to a Vec cannot fail");
    }
}

/// The lines of an openings file, as [`super::parse_openings`] reads them, without values.
pub(crate) fn parse_lines(bytes: &[u8], bundle: u64) -> Result<Vec<Line<'_>>, OpeningsFileError> {
    let text = std::str::from_utf8(bytes).map_err(|_| OpeningsFileError::Utf8)?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(OpeningsFileError::Newline);
    }
    // Of a bundle that no log can have, every line is out of order.
    let mut next = bundle.saturating_mul(TILE_WIDTH);
    let end = next.saturating_add(TILE_WIDTH);
    let mut all = Vec::with_capacity(text.len() / LINE_HEAD_BYTES);
    for (line, text) in (1..).zip(text.split_terminator('\n')) {
        let read = Line::parse(text).map_err(|source| OpeningsFileError::Line { line, source })?;
        let index = read.index;
        if index < next || index >= end {
            return Err(OpeningsFileError::Order { line, index });
        }
        next = index + 1;
        all.push(read);
    }
    Ok(all)
}

/// Skips what must stand before a member's value, in the one spelling that is canonical.
fn expect(line: &mut Parser<'_>, text: &str, member: &'static str) -> Result<(), SlotError> {
    if line.skip(text) { Ok(()) } else { Err(refuse(member, "is missing, out of place, or beside an unknown member")) }
}

fn read32(line: &mut Parser<'_>) -> Result<[u8; 32], SlotError> {
    Ok(decode32(line.take(HASH_TEXT_BYTES).ok_or(HashError::Base64)?)?)
}

fn read_commitments(line: &mut Parser<'_>) -> Result<[Digest; SLOTS], SlotError> {
    let mut commitments = [Digest::ZERO; SLOTS];
    for (place, commitment) in commitments.iter_mut().enumerate() {
        if place > 0 && !line.skip("\",\"") {
            return Err(refuse("commitments", "is no list of 16"));
        }
        *commitment = Digest::from_bytes(read32(line)?);
    }
    Ok(commitments)
}

fn read_opening<'t>(line: &mut Parser<'t>) -> Result<Written<'t>, SlotError> {
    expect(line, "{\"name\":", "name")?;
    let mut name = Cow::default();
    let name_json = line.written(|line| line.string().map(|read| name = read))?;
    expect(line, ",\"salt\":\"", "salt")?;
    let salt = read32(line)?;
    expect(line, "\",\"slot\":", "slot")?;
    let slot = line.value::<Value>(VALUE_DEPTH)?.as_u64();
    let slot = slot.and_then(|slot| u8::try_from(slot).ok());
    let slot = slot.ok_or_else(|| refuse("slot", "is no slot number"))?;
    expect(line, ",\"tier\":", "tier")?;
    let tier = Tier::parse(&line.string()?).ok_or_else(|| refuse("tier", "is no tier"))?;
    expect(line, ",\"value\":", "value")?;
    let value_json = line.written(|line| line.value::<()>(VALUE_DEPTH))?;
    expect(line, "}", "value")?;
    Ok(Written { slot, salt, tier, name, name_json, value_json })
}
