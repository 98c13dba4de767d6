//! Power loss: what is on the disk when everything that was not flushed is gone.
//!
//! The shim keeps a copy of each file as of its last flush, by inode, and of each directory's names as of its last
//! flush. [`base`] starts such a shadow from a directory that counts as flushed; [`lose`] rebuilds the directory from
//! it. Names are as strict as POSIX: a file whose directory was not flushed is gone. A disk may also have written more
//! than it had to, so `lose` can keep the later bytes of some files.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Starts a shadow: everything in `folder` counts as flushed.
pub fn base(folder: &Path, shadow: &Path) {
    fs::create_dir_all(shadow).unwrap();
    let mut names = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        let kind = if about.is_dir() { 'd' } else { 'f' };
        writeln!(names, "{} {kind} {}", about.ino(), entry.file_name().to_str().unwrap()).unwrap();
        if about.is_dir() {
            base(&entry.path(), shadow);
        } else {
            fs::copy(entry.path(), shadow.join(about.ino().to_string())).unwrap();
        }
    }
    fs::write(shadow.join(format!("{}.dir", fs::metadata(folder).unwrap().ino())), names).unwrap();
}

/// Rebuilds `folder` in `target` as the power loss leaves it. `kept` says, by path below the folder, which files were
/// written out although nobody asked.
pub fn lose(folder: &Path, shadow: &Path, target: &Path, kept: &mut dyn FnMut(&Path) -> bool) {
    rebuild(folder, fs::metadata(folder).unwrap().ino(), shadow, target, kept);
}

fn rebuild(folder: &Path, inode: u64, shadow: &Path, target: &Path, kept: &mut dyn FnMut(&Path) -> bool) {
    fs::create_dir_all(target).unwrap();
    // A directory that was made and never flushed has no names.
    let names = fs::read_to_string(shadow.join(format!("{inode}.dir"))).unwrap_or_default();
    for line in names.lines() {
        let mut parts = line.splitn(3, ' ');
        let (inode, kind, name) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let (now, then) = (folder.join(name), target.join(name));
        if kind == "d" {
            rebuild(&now, inode.parse().unwrap(), shadow, &then, kept);
            continue;
        }
        let same = fs::metadata(&now).is_ok_and(|about| about.ino().to_string() == inode);
        let flushed = shadow.join(inode);
        if same && kept(&now) {
            fs::copy(&now, &then).unwrap();
        } else if flushed.exists() {
            fs::copy(flushed, &then).unwrap();
        } else {
            fs::write(&then, b"").unwrap();
        }
        if fs::metadata(&now).is_ok() {
            fs::set_permissions(&then, fs::metadata(&now).unwrap().permissions()).unwrap();
        }
    }
}
