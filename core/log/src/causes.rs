//! An error with what caused it, as one line. What people are told in Chinese is put together where they are told.

/// An error and its causes, from the outermost to the innermost, parted by `: `.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading the tile")]
    struct Reading(#[source] std::io::Error);

    #[test]
    fn causes_follow_from_the_outermost_to_the_innermost() {
        let inner = std::io::Error::other("no such disk");
        assert_eq!(chain(&inner), "no such disk");
        assert_eq!(chain(&Reading(inner)), "reading the tile: no such disk");
    }
}
