//! `read_replicas`: the addresses of streaming replicas, `postgres://user@host:port/database`.
//!
//! They stand in a file that many may read, so an address with a password is refused; `PGPASSWORD` and `~/.pgpass` are read
//! as for the database itself. Not here: what is read from them (`gongkai_projections::replicas`).

use gongkai_projections::replicas::REPLICAS_MAX;
use gongkai_store::ServerUrl;
use serde::Deserialize as _;

use crate::outcome::Fault;

/// Reads the list of the file.
pub fn addresses<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() > REPLICAS_MAX {
        return Err(serde::de::Error::custom(format!("从库最多 {REPLICAS_MAX} 个")));
    }
    // What is wrong is not repeated: there may be a password in it.
    for (number, text) in (1..).zip(&texts) {
        if has_password(text) {
            return Err(serde::de::Error::custom(format!(
                "第 {number} 个从库的地址里不要写口令，请用 PGPASSWORD 或 ~/.pgpass"
            )));
        }
        if ServerUrl::parse(text).is_err() {
            return Err(serde::de::Error::custom(format!("第 {number} 个从库应写成 postgres://用户@主机:端口/库")));
        }
        if texts[..number - 1].contains(text) {
            return Err(serde::de::Error::custom(format!("第 {number} 个从库写了两次")));
        }
    }
    Ok(texts)
}

/// Whether an address has a password, before its host or among its parameters.
fn has_password(text: &str) -> bool {
    let (address, parameters) = text.split_once('?').unwrap_or((text, ""));
    let place = address.split_once("://").map_or(address, |(_, place)| place);
    let user = place.rsplit_once('@').map_or("", |(user, _)| user);
    let is_password = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        // A name that is spelled with escapes hides what it is.
        name.eq_ignore_ascii_case("password") || name.contains('%')
    };
    user.contains(':') || parameters.split('&').any(is_password)
}

/// The addresses as they are connected to.
///
/// # Errors
/// One that is none; the file's were read before.
pub fn urls(texts: &[String]) -> Result<Vec<ServerUrl>, Fault> {
    texts.iter().map(|text| ServerUrl::parse(text).map_err(|error| Fault::from(&error))).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(list: &str) -> Result<Vec<String>, String> {
        let text = format!("origin = \"a.example/b\"\nname = \"账本\"\norg = \"341599\"\nread_replicas = {list}\n");
        Config::parse(&text).map(|config| config.read_replicas)
    }

    #[test]
    fn a_replica_is_named_without_its_password() {
        assert_eq!(read("[\"postgres://reader@db2.example:5432/gongkai\"]").map(|read| read.len()), Ok(1));
        for address in
            ["postgres://reader:secret@db2.example/gongkai", "postgres://db2.example/gongkai?password=secret"]
        {
            let refused = read(&format!("[{address:?}]")).unwrap_err();
            assert!(refused.contains("PGPASSWORD") && !refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_address_and_what_stands_there_twice_is_refused() {
        assert!(read("[\"mysql://db2.example/gongkai\"]").unwrap_err().contains("第 1 个"));
        assert!(read("[\"postgres://db2.example/g\", \"postgres://db2.example/g\"]").unwrap_err().contains("两次"));
        let many: Vec<String> = (0..9).map(|number| format!("\"postgres://db{number}.example/g\"")).collect();
        assert!(read(&format!("[{}]", many.join(","))).unwrap_err().contains("最多"));
    }
}
