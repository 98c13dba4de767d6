//! A file that says how much there is under a key of the map: `.map-proof`.
//!
//! That the entry is in the log and leads to the key's head is proven here. That the root is the right one for all
//! statements is what a check of the whole log proves, and every mirror.

use gongkai_log::{Entry, MapFile};
use serde_json::json;

use super::{Args, named, no, yes};
use crate::cli::complete;
use crate::outcome::{Outcome, chain};

/// Checks the file alone, offline.
pub(super) fn check(args: &Args, text: &str) -> Outcome {
    let file = match MapFile::parse(text) {
        Ok(file) => file,
        Err(error) => return no(args, &named(None, "map", chain(&error))),
    };
    let (vkey, vouched) = args.vkey(|| Ok(None))?;
    let policy = args.policy()?;
    let index = file.inclusion.index;
    let checkpoint = match file.inclusion.verify_under(&file.entry, &args.keys(&vkey)?, policy.as_ref()) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return no(args, &named(Some(index), "proof", chain(&error))),
    };
    let entry = Entry::parse(file.entry.clone()).ok().filter(|entry| entry.index == index);
    let Some(root) = entry.as_ref().and_then(complete::rooted) else {
        return no(args, &named(Some(index), "map", "这一条没有登记总目".into()));
    };
    let head = match file.proof.verify(&file.key, &root.root) {
        Ok(head) => head,
        Err(error) => return no(args, &named(Some(index), "map", chain(&error))),
    };
    let name = complete::named(&file.key);
    let size = root.size;
    let said = match head {
        Some(head) => format!("{name}共有 {} 条记录，末尾的校验值 {}", head.count, head.hash),
        None => format!("{name}没有任何记录"),
    };
    let text = format!(
        "总目证明有效：到 {} 第 {size} 条之前，{said}\n总目由账本登记在第 {index} 号条目；登记得对不对，用 gongkai verify 核验整个账本，镜像也都核对",
        checkpoint.origin
    );
    let value = json!({"ok": true, "authenticated": vouched, "origin": checkpoint.origin, "key": file.key.to_string(),
        "size": size, "index": index, "count": head.map_or(0, |head| head.count), "hash": head.map(|head| head.hash)});
    yes(args, &text, value)
}
