//! The record of what was taken in, in a file.

use super::*;
use crate::{conformance, testing::Fixture};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_does_what_the_record_of_what_was_taken_in_must_do() {
    let fixture = Fixture::with_vault().await;
    let again = TakenBook::new(&fixture.layout(), fixture.settings.vault.clone().unwrap());
    conformance::taken::run(&fixture.ledger.taken().unwrap(), &again).await;
}
