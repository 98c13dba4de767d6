//! What people carry away from a page: a text for a message, a script for the village loudspeaker, a picture
//! for a group, a code to scan.
//!
//! Everything here is a pure function of plain facts: it reads no view, no clock and no request, and a text is either
//! whole or shorter by whole parts. What the facts of a matter are, `http::pages::share` says; how they look on a page,
//! `site::share`. To add a form of sharing: a file here with its function and its tests, and a place in the block.

pub mod loudspeaker;
pub mod picture;
pub mod pixels;
pub mod qr;
pub mod receipt;
pub mod short;
pub mod spoken;

/// Path of the short address of an entry; the number is the one that its page shows as №.
pub fn short_path(index: u64) -> String {
    format!("/n/{index}")
}
