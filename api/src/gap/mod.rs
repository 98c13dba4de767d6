//! Across a network gap: the intake on the internet, and the ledger's side that takes in and answers.
//!
//! [`server`] is what `gongkai intake` serves. [`take_in`] is what the ledger does with batches that came, by HTTP or on a
//! disk ([`carry`]). [`watch`] reads an intake's log and says what the ledger owes it, for the audit and for mirrors.
//! [`desk`] is the side of whoever hands in. What crosses, and what each side proves, is `gongkai_domain::gap`.

pub mod carry;
pub mod desk;
pub mod server;
pub mod take_in;
pub mod watch;
