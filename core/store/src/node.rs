//! Which node of a ledger a directory is: the number under which the database remembers how far its files are durable.
//!
//! Where the rows are in the directory it is [`ALONE`]. Where they are on a server the directory has a number of its own,
//! made when it is first opened. The file that holds it names its own inode too, so that a copied directory, whose files
//! nobody has flushed, is another node; whoever loses the file begins as a new one and checks its files from the start.

use std::{
    fs::{self, File},
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use crate::{
    database::Place,
    error::StoreError,
    layout::{Layout, with_suffix},
};

/// The only node of a ledger in its own directory.
pub(crate) const ALONE: i64 = 1;

/// The number of a directory.
pub(crate) fn number(layout: &Layout, place: &Place) -> Result<i64, StoreError> {
    if matches!(place, Place::File(_)) {
        return Ok(ALONE);
    }
    let path = layout.node();
    let failed = |error| StoreError::file("numbering", &path, error);
    match known(&path).map_err(failed)? {
        Some(number) => Ok(number),
        None => make(&path).map_err(failed),
    }
}

fn known(path: &Path) -> io::Result<Option<i64>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let inode = fs::metadata(path)?.ino();
    let number = text.trim_end().split_once(' ').filter(|(_, its)| its.parse() == Ok(inode));
    Ok(number.and_then(|(number, _)| number.parse().ok()).filter(|number| *number > ALONE))
}

fn make(path: &Path) -> io::Result<i64> {
    // The seeds of the standard library's hash maps are the system's randomness; nothing but uniqueness hangs on it.
    let random = RandomState::new().hash_one(std::process::id());
    let number = (random >> 1).cast_signed().max(ALONE + 1);
    let draft = with_suffix(path, ".draft");
    let mut file = File::create(&draft)?;
    let inode = file.metadata()?.ino();
    writeln!(file, "{number} {inode}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_directory_is_another_node() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Server(crate::ServerUrl::parse("postgres://nobody@localhost/none").unwrap());
        let [one, other] = ["one", "other"].map(|name| Layout::new(folder.path().join(name)));
        for layout in [&one, &other] {
            fs::create_dir_all(layout.root()).unwrap();
        }
        let first = number(&one, &place).unwrap();
        assert_eq!(number(&one, &place).unwrap(), first, "it stays what it is");
        fs::copy(one.node(), other.node()).unwrap();
        assert_ne!(number(&other, &place).unwrap(), first);
        assert_eq!(number(&one, &Place::File(one.database())).unwrap(), ALONE);
    }
}
