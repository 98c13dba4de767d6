//! The bare limits of this machine, in this run: what no ledger on it could exceed.

use std::{
    fs::File,
    hint::black_box,
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ed25519_dalek::{Signature, Signer as _, VerifyingKey};

use crate::{
    Outcome, Setup, bare,
    fixture::Press,
    http::Load,
    table::{Figure, Table, as_f64},
};

/// How long each rate is measured.
const MEASURED: Duration = Duration::from_secs(1);

/// Signatures of one batch, as `verify --fast` has them.
const BATCH: usize = 1_024;

/// Bytes of a small page, read as a plain file.
const PAGE_BYTES: usize = 16 << 10;

/// Statements with their signatures, as a verifier without a ledger would have them.
pub(crate) struct Signatures {
    texts: Vec<Vec<u8>>,
    signatures: Vec<Signature>,
    keys: Vec<VerifyingKey>,
    signing: ed25519_dalek::SigningKey,
}

impl Signatures {
    /// Real statements of the fixture's authors.
    pub(crate) fn new(press: &Press) -> Outcome<Self> {
        let (mut texts, mut signatures, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for signed in press.signed_statements(BATCH * 4)? {
            texts.push(signed.text.into_bytes());
            signatures.push(Signature::from_bytes(&signed.signature));
            keys.push(VerifyingKey::from_bytes(&signed.public)?);
        }
        Ok(Self { texts, signatures, keys, signing: ed25519_dalek::SigningKey::from_bytes(&[7; 32]) })
    }

    /// Strict verifications a second, on all cores.
    pub(crate) fn strict_rate(&self) -> f64 {
        on_all_cores(|turn| {
            let place = turn % self.texts.len();
            let good = self.keys[place].verify_strict(&self.texts[place], &self.signatures[place]).is_ok();
            assert!(good, "the fixture's signatures are good");
            1
        })
    }

    /// Verifications a second in batches, on all cores.
    pub(crate) fn batch_rate(&self) -> f64 {
        let texts: Vec<&[u8]> = self.texts.iter().map(Vec::as_slice).collect();
        on_all_cores(|turn| {
            let part = turn % (texts.len() / BATCH) * BATCH;
            let range = part..part + BATCH;
            let batch = (&texts[range.clone()], &self.signatures[range.clone()], &self.keys[range]);
            assert!(
                ed25519_dalek::verify_batch(batch.0, batch.1, batch.2).is_ok(),
                "the fixture's signatures are good"
            );
            BATCH as u64
        })
    }

    /// Signatures made a second, on all cores.
    fn signing_rate(&self) -> f64 {
        on_all_cores(|turn| {
            black_box(self.signing.sign(&self.texts[turn % self.texts.len()]));
            1
        })
    }
}

/// Runs `work` on every core and counts what it says it did, by the second.
fn on_all_cores(work: impl Fn(usize) -> u64 + Sync) -> f64 {
    let done = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..crate::cores() {
            scope.spawn(|| {
                let (mut turn, mut count) = (0, 0);
                while start.elapsed() < MEASURED {
                    count += work(turn);
                    turn += 1;
                }
                done.fetch_add(count, Ordering::Relaxed);
            });
        }
    });
    as_f64(done.into_inner()) / start.elapsed().as_secs_f64()
}

/// Appends of 4,096 bytes, each made durable: how long each took.
fn fdatasync(dir: &Path) -> Outcome<Load> {
    const TIMES: usize = 500;
    let mut file = File::create(dir.join("fdatasync"))?;
    let mut took = Vec::with_capacity(TIMES);
    let all = Instant::now();
    for _ in 0..TIMES {
        file.write_all(&[7; 4_096])?;
        let start = Instant::now();
        file.sync_data()?;
        took.push(start.elapsed());
    }
    Ok(Load::of(took, all.elapsed()))
}

/// Reads a second of a file of a page's size, on all cores.
fn file_rate(dir: &Path) -> Outcome<f64> {
    let path = dir.join("page");
    std::fs::write(&path, vec![7; PAGE_BYTES])?;
    Ok(on_all_cores(|_| {
        let bytes = std::fs::read(&path).expect("the file was just written");
        assert_eq!(black_box(bytes).len(), PAGE_BYTES);
        1
    }))
}

/// Measures all of them.
pub(crate) async fn measure(setup: &Setup, signatures: &Signatures, table: &mut Table) -> Outcome<()> {
    let dir = setup.folder("limits")?;
    table.add(Figure::new("bare: Ed25519 verify_strict, all cores", signatures.strict_rate(), "/s"));
    table.add(Figure::new("bare: Ed25519 batches of 1,024, all cores", signatures.batch_rate(), "/s"));
    table.add(Figure::new("bare: Ed25519 sign, all cores", signatures.signing_rate(), "/s"));
    let synced = fdatasync(&dir)?;
    table.add(Figure::new("bare: fdatasync of 4,096 bytes, median", synced.percentile_ms(50), "ms"));
    table.add(Figure::new("bare: fdatasync of 4,096 bytes, p90", synced.percentile_ms(90), "ms"));
    for (rows, rows_per_commit) in [(5_000, 1), (200_000, 100), (500_000, 1_000)] {
        let before = setup.flushes.read()?;
        let rate = bare::plain_rate(&dir, rows, rows_per_commit).await?;
        let flushes = setup.flushes.read()? - before;
        let name = format!("bare: SQLite rows of 300 bytes, {rows_per_commit} a commit");
        table.add(Figure::new(name, rate, "rows/s").flushed(flushes, rows as u64));
    }
    table.add(Figure::new("bare: read a file of 16 KiB, all cores", file_rate(&dir)?, "/s"));
    Ok(std::fs::remove_dir_all(dir)?)
}
