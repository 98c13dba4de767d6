//! What changed between two versions of a text, character by character.
//!
//! The common beginning and end are cut off, the rest is compared by the longest common subsequence.
//! Beyond a bound of work the middle is shown as replaced, which is true and costs nothing.

use serde::Serialize;

/// Most steps of one comparison: about a thousand characters against a thousand.
const STEPS_MAX: usize = 1 << 20;

/// A piece of a text compared with its earlier version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// In both versions.
    Same(String),
    /// Only in the earlier one.
    Deleted(String),
    /// Only in the later one.
    Inserted(String),
}

/// Compares two versions. The pieces without `Inserted` are the old text, without `Deleted` the new one.
pub fn diff(old: &str, new: &str) -> Vec<Segment> {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut pieces = Pieces::default();
    pieces.push(Side::Same, &old[..head]);
    if old_middle.len().saturating_mul(new_middle.len()) > STEPS_MAX {
        pieces.push(Side::Deleted, old_middle);
        pieces.push(Side::Inserted, new_middle);
    } else {
        middle(old_middle, new_middle, &mut pieces);
    }
    pieces.push(Side::Same, &old[old.len() - tail..]);
    pieces.done
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Same,
    Deleted,
    Inserted,
}

#[derive(Default)]
struct Pieces {
    done: Vec<Segment>,
}

impl Pieces {
    fn push(&mut self, side: Side, chars: &[char]) {
        if chars.is_empty() {
            return;
        }
        let text: String = chars.iter().collect();
        match (self.done.last_mut(), side) {
            (Some(Segment::Same(last)), Side::Same)
            | (Some(Segment::Deleted(last)), Side::Deleted)
            | (Some(Segment::Inserted(last)), Side::Inserted) => last.push_str(&text),
            (_, Side::Same) => self.done.push(Segment::Same(text)),
            (_, Side::Deleted) => self.done.push(Segment::Deleted(text)),
            (_, Side::Inserted) => self.done.push(Segment::Inserted(text)),
        }
    }
}

/// `lengths[i][j]` is the longest common subsequence of `old[i..]` and `new[j..]`.
fn middle(old: &[char], new: &[char], pieces: &mut Pieces) {
    let width = new.len() + 1;
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            pieces.push(Side::Same, &old[i..=i]);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            pieces.push(Side::Deleted, &old[i..=i]);
            i += 1;
        } else {
            pieces.push(Side::Inserted, &new[j..=j]);
            j += 1;
        }
    }
    pieces.push(Side::Deleted, &old[i..]);
    pieces.push(Side::Inserted, &new[j..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(pieces: &[Segment]) -> (String, String) {
        let (mut old, mut new) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Segment::Same(text) => {
                    old.push_str(text);
                    new.push_str(text);
                }
                Segment::Deleted(text) => old.push_str(text),
                Segment::Inserted(text) => new.push_str(text),
            }
        }
        (old, new)
    }

    #[test]
    fn a_changed_number_is_shown_alone() {
        let pieces = diff("路灯 40 盏，年底前完成", "路灯 36 盏，年底前完成");
        assert_eq!(
            pieces,
            [
                Segment::Same("路灯 ".into()),
                Segment::Deleted("40".into()),
                Segment::Inserted("36".into()),
                Segment::Same(" 盏，年底前完成".into()),
            ]
        );
    }

    #[test]
    fn the_pieces_always_give_both_texts_back() {
        let long = "修路三里,".repeat(900);
        let other = "通水一村;".repeat(900);
        for (old, new) in
            [("", ""), ("", "新"), ("旧", ""), ("同", "同"), ("甲乙丙", "乙丙丁"), (long.as_str(), other.as_str())]
        {
            assert_eq!(sides(&diff(old, new)), (old.to_owned(), new.to_owned()));
        }
    }
}
