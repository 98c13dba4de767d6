//! Across a network gap: the intake on the internet, and the ledger's side that takes in and answers.
//!
//! [`server`] is what `gongkai intake` serves, and [`numbers`] what it counts. [`take_in`] is what the ledger does with batches that came, by HTTP or on a
//! disk ([`carry`]), and [`cosigning`] with signatures among them. [`watch`] reads an intake's log and says what the ledger owes it, for the audit and for mirrors.
//! [`desk`] is the side of whoever hands in, [`signer`] that of whoever signs outside. What crosses, and what each side proves, is `gongkai_domain::gap`.

pub mod carry;
pub mod cosigning;
pub mod desk;
pub mod numbers;
pub mod server;
pub mod signer;
pub mod take_in;
pub mod watch;
