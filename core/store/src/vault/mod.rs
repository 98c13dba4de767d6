//! The vault: the keys of what is not public, and what is sealed and opened with them.
//!
//! [`Vault`] is a handle on the unlocked vault of one ledger. Sealed values and sealed events lie in the
//! ledger's database, in the transaction of their entry; what opens them lies here, in a database of its
//! own (`wraps`). Destroying the wraps of a subject is the erasure: nothing else can bring its data key
//! back. Without a vault a ledger takes public statements only.
//!
//! Order on writing: a data key is durable here before anything that it sealed is committed there. A crash
//! between the two leaves a wrap that nothing needs.
//!
//! Not here: what is sealed and opened with the keys (`content`), who may read (`gongkai_domain::confidentiality`), where the
//! master key comes from.

mod content;
mod keys;
mod place;
mod wraps;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use gongkai_domain::{
    Master,
    vault::{self as sealing, NONCE_BYTES, Sealed, VaultError},
};
use gongkai_log::{Digest, StreamId, sealed::PERIOD_LEAVES};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{
    database::{Place, remove_file},
    error::StoreError,
    event_store::{Inventory, SealedValue},
    layout::Layout,
    row_store,
};

pub(crate) use content::SealedNote;
pub use content::{OpenedEvent, OpenedValues};
use keys::Keys;
pub use keys::{Held, KeyEntry};
pub use wraps::Tag;
use wraps::{Header, Wraps};
pub(crate) use wraps::{tier_number, tier_of};

/// Characters of a status code: 16 of 32, 80 bits (confidentiality.md §6).
pub const STATUS_CODE_CHARS: usize = 16;

/// Crockford's alphabet: no letter that is read as a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const TAG_CONTEXT: &str = "gongkai 2026 vault tag v1";
const LINK_CONTEXT: &str = "gongkai 2026 vault link v1";
const STATUS_CONTEXT: &str = "gongkai 2026 status code v1";
const INVENTORY_CONTEXT: &str = "gongkai 2026 vault inventory v1";
const DECOY_CONTEXT: &str = "gongkai 2026 decoy salts v1";

/// Why a vault does not open, or does not give a value.
#[derive(Debug, thiserror::Error)]
pub enum VaultFault {
    /// There is none.
    #[error("there is no vault in {}; `gongkai vault init` makes one", .0.display())]
    Missing(std::path::PathBuf),
    /// There is one already; it was not touched.
    #[error("{} already holds a vault", .0.display())]
    Exists(std::path::PathBuf),
    /// The database is of another program.
    #[error("the vault's database is of another program")]
    NotAVault,
    /// A later version of this program made it; it was not touched.
    #[error("the vault has version {found}, this program knows {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// The latest that is known.
        known: i64,
    },
    /// The master key is not this vault's.
    #[error("the master key does not open this vault (epoch {epoch})")]
    Master {
        /// The vault's epoch.
        epoch: u64,
    },
    /// The vault belongs to another ledger.
    #[error("the vault belongs to the ledger {0}")]
    Origin(String),
    /// What was sealed cannot be opened, and was not erased.
    #[error("{what} cannot be opened")]
    Sealed {
        /// Which value.
        what: String,
        /// Why.
        #[source]
        source: VaultError,
    },
    /// Another node has made keys for the same subject meanwhile; what was sealed under ours is sealed again.
    #[error("another node has made data keys for the same matter")]
    Overtaken,
    /// The subject's keys were not looked up before.
    #[error("the data keys were not loaded")]
    NotLoaded,
    /// The database failed.
    #[error("the vault's database")]
    Store(#[from] StoreError),
}

struct Inner {
    origin: String,
    since: u64,
    blind: Zeroizing<[u8; 32]>,
    keys: Keys,
    entropy: Entropy,
    // Looking up does not wait for what is being flushed. Who needs both takes this one first.
    reading: Mutex<Wraps>,
    wraps: Mutex<Wraps>,
}

/// An unlocked vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.0.origin)
    }
}

/// Fills a buffer with randomness.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

impl Vault {
    /// Makes a vault for a ledger and unlocks it.
    ///
    /// # Errors
    /// [`VaultFault::Exists`], [`VaultFault::Store`].
    pub async fn create(layout: &Layout, origin: &str, master: Master, entropy: Entropy) -> Result<Self, VaultFault> {
        if Self::exists(layout).await? {
            return Err(VaultFault::Exists(layout.vault()));
        }
        make_private(&layout.vault())?;
        let (mut blind, mut nonce) = (Zeroizing::new([0; 32]), [0; NONCE_BYTES]);
        entropy(&mut *blind);
        entropy(&mut nonce);
        let since = entries(layout).await?.max(1);
        let sealed = master.seal_blind((origin, since), &blind, nonce);
        let blind = sealed.map_err(|source| sealed_fault("blind key", source))?;
        let header = Header { origin: origin.to_owned(), since, epoch: master.epoch(), nonce, blind };
        Wraps::create(&place::beside(layout)?, &header, &[]).await?;
        Self::open(layout, origin, vec![master], entropy).await
    }

    /// Unlocks the vault of a ledger. More than one master key is handed in while a rotation is under way.
    ///
    /// # Errors
    /// [`VaultFault`] says what is wrong.
    pub async fn open(
        layout: &Layout,
        origin: &str,
        masters: Vec<Master>,
        entropy: Entropy,
    ) -> Result<Self, VaultFault> {
        let place = place_of(layout).await?;
        if let Place::Server(_) = place {
            // What a move left. A node that was made before the vault has no folder for what it keeps beside.
            remove_file(&layout.wraps())?;
            make_private(&layout.vault())?;
        }
        let writing = Wraps::open(&place).await?;
        Self::unlock((writing, Wraps::open_read_only(&place).await?), origin, masters, entropy).await
    }

    /// Unlocks the vault of a ledger for reading alone: beside a running server, and without changing a byte.
    ///
    /// # Errors
    /// [`VaultFault`] says what is wrong.
    pub async fn open_read_only(
        layout: &Layout,
        origin: &str,
        masters: Vec<Master>,
        entropy: Entropy,
    ) -> Result<Self, VaultFault> {
        let place = place_of(layout).await?;
        let neither = Wraps::open_read_only(&place).await?;
        Self::unlock((neither, Wraps::open_read_only(&place).await?), origin, masters, entropy).await
    }

    async fn unlock(
        (wraps, mut reading): (Wraps, Wraps),
        origin: &str,
        masters: Vec<Master>,
        entropy: Entropy,
    ) -> Result<Self, VaultFault> {
        let header = reading.header().await?;
        if header.origin != origin {
            return Err(VaultFault::Origin(header.origin));
        }
        let master = masters.iter().find(|master| master.epoch() == header.epoch);
        let whose = (origin, header.since);
        let blind = master.and_then(|master| master.open_blind(whose, &header.blind, header.nonce).ok());
        let Some(blind) = blind else { return Err(VaultFault::Master { epoch: header.epoch }) };
        let shared = reading.is_shared();
        let keys = Keys::new(origin.to_owned(), header.epoch, masters, Arc::clone(&entropy), shared);
        let (origin, since) = (origin.to_owned(), header.since);
        let (wraps, reading) = (Mutex::new(wraps), Mutex::new(reading));
        Ok(Self(Arc::new(Inner { origin, since, blind, keys, entropy, reading, wraps })))
    }

    /// Whether a ledger has a vault, locked or not.
    ///
    /// # Errors
    /// [`StoreError`] where that is on a server which does not answer.
    pub async fn exists(layout: &Layout) -> Result<bool, StoreError> {
        Ok(place::of(layout).await?.is_some())
    }

    /// Whether the vault of a ledger lies on a server, for several nodes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_on_server(layout: &Layout) -> Result<bool, StoreError> {
        Ok(matches!(place::of(layout).await?, Some(Place::Server(_))))
    }

    /// Copies the vault of a ledger whose rows are about to leave a server into its file; it is not used before they have.
    pub(crate) async fn copy_from_server(layout: &Layout) -> Result<(), VaultFault> {
        let Some(from @ Place::Server(_)) = place::of(layout).await? else { return Ok(()) };
        make_private(&layout.vault())?;
        // Of an earlier attempt.
        remove_file(&layout.wraps())?;
        Self::copy(&from, &Place::File(layout.wraps())).await
    }

    /// Moves the vault of a ledger whose rows have gone to a server after them; whether there was something to move. A crash
    /// leaves it in its file or on the server, and there with the file, which is removed when the vault is opened.
    pub(crate) async fn move_to_server(layout: &Layout) -> Result<bool, VaultFault> {
        let to = place::beside(layout)?;
        let Some(from @ Place::File(_)) = place::of(layout).await? else { return Ok(false) };
        if from.is_same(&to) {
            return Ok(false);
        }
        Self::copy(&from, &to).await?;
        remove_file(&layout.wraps())?;
        Ok(true)
    }

    async fn copy(from: &Place, to: &Place) -> Result<(), VaultFault> {
        let mut wraps = Wraps::open_read_only(from).await?;
        let (header, rows) = wraps.snapshot().await?;
        wraps.close().await?;
        Ok(Wraps::create(to, &header, &rows).await?)
    }

    /// The origin of the ledger to which a vault says that it belongs; it needs no key.
    ///
    /// # Errors
    /// [`VaultFault::Missing`], [`VaultFault::Store`].
    pub async fn origin_of(layout: &Layout) -> Result<String, VaultFault> {
        let mut wraps = Wraps::open_read_only(&place_of(layout).await?).await?;
        let header = wraps.header().await?;
        wraps.close().await?;
        Ok(header.origin)
    }

    /// Which master key it uses: counts the rotations, from 0.
    pub fn epoch(&self) -> u64 {
        self.0.keys.epoch()
    }

    /// The first entry that was recorded with this vault: from there on every statement has its inventory.
    pub(crate) fn since(&self) -> u64 {
        self.0.since
    }

    /// What says later which slots of a statement were sealed, `id` being its hash or its event's commitment.
    pub(crate) fn inventory(&self, id: &Digest, values: &[SealedValue]) -> Inventory {
        let slots =
            values.iter().filter(|value| value.line.is_none()).filter_map(|value| u32::try_from(value.ordinal).ok());
        let slots = slots.fold(0, |slots, slot| slots | 1_u16.checked_shl(slot).unwrap_or(0));
        Inventory { slots, mac: self.inventory_mac(id, slots) }
    }

    /// Whether an inventory is the one that this vault wrote for that statement.
    pub(crate) fn wrote(&self, id: &Digest, inventory: &Inventory) -> bool {
        self.inventory_mac(id, inventory.slots) == inventory.mac
    }

    fn inventory_mac(&self, id: &Digest, slots: u16) -> [u8; 16] {
        let mut mac = [0; 16];
        self.keyed(INVENTORY_CONTEXT, id.as_bytes()).update(&slots.to_be_bytes()).finalize_xof().fill(&mut mac);
        mac
    }

    /// A hasher under the vault's own key, for one context.
    pub(crate) fn keyed(&self, context: &str, material: &[u8]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&*self.0.blind).update(material);
        hasher
    }

    /// The blind index of a stream.
    pub fn tag(&self, stream: &StreamId) -> Tag {
        self.blinded(TAG_CONTEXT, stream)
    }

    /// The blind index of a stream that something sealed names. Not the tag: tags of public streams lie beside
    /// their entries, and without the key nobody is to tell which public matter a sealed one is about.
    pub fn link(&self, stream: &StreamId) -> Tag {
        self.blinded(LINK_CONTEXT, stream)
    }

    fn blinded(&self, context: &str, stream: &StreamId) -> Tag {
        let mut tag = [0; 16];
        self.keyed(context, stream.to_string().as_bytes()).finalize_xof().fill(&mut tag);
        Tag(tag)
    }

    /// The code under which a submitter follows an event. It is the same again for the same event, so that a
    /// repeated submission gets the same answer; only its hash is stored.
    pub fn status_code(&self, commitment: &Digest) -> String {
        let hash = self.keyed(STATUS_CONTEXT, commitment.as_bytes()).finalize();
        let letters = hash.as_bytes().iter().take(STATUS_CODE_CHARS);
        let letters: Vec<char> = letters.map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
    }

    /// The salts of a period's decoys, by leaf.
    pub fn decoy_salts(&self, nonce: &[u8; 32]) -> impl Fn(usize) -> [u8; 32] + Send + Sync + 'static {
        let seed = *self.keyed(DECOY_CONTEXT, nonce).finalize().as_bytes();
        move |leaf| *blake3::keyed_hash(&seed, &(leaf as u64).to_be_bytes()).as_bytes()
    }

    /// Encrypts a text for a store beside the ledger, such as a view: `context` is that store's, `place` the row's. Erasing
    /// it is deleting it: no data key goes with it.
    ///
    /// # Errors
    /// [`VaultFault::Sealed`].
    pub fn conceal(&self, context: &str, place: &str, text: &str) -> Result<Vec<u8>, VaultFault> {
        let key = Zeroizing::new(*self.keyed(context, b"").finalize().as_bytes());
        let sealed = sealing::conceal(&key, place, text, self.nonce()).map_err(|source| sealed_fault(place, source))?;
        Ok([sealed.nonce.as_slice(), &sealed.bytes].concat())
    }

    /// Opens what [`Self::conceal`] made for the same place.
    ///
    /// # Errors
    /// [`VaultFault::Sealed`] when it is of another place, or was changed.
    pub fn reveal(&self, context: &str, place: &str, bytes: &[u8]) -> Result<Zeroizing<String>, VaultFault> {
        let fault = |source| sealed_fault(place, source);
        let key = Zeroizing::new(*self.keyed(context, b"").finalize().as_bytes());
        let (nonce, bytes) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| fault(VaultError::Sealed))?;
        sealing::reveal(&key, place, &Sealed { nonce: *nonce, bytes: bytes.to_vec() }).map_err(fault)
    }

    /// Makes the data keys of these subjects present, as far as there are any, for as long as they are held.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn load(&self, tags: &[Tag]) -> Result<Held, VaultFault> {
        let (mut held, missing) = self.0.keys.hold(tags);
        if missing.is_empty() {
            return Ok(held);
        }
        let mut reading = self.0.reading.lock().await;
        let found = reading.load(&missing).await?;
        // Learnt before the lock is given back: keys that are destroyed meanwhile would come back.
        self.0.keys.learn(&missing, found, &mut held)?;
        Ok(held)
    }

    /// Another node has erased something: every key that is on disk is asked for again, and what was sealed under one that
    /// was held until now is sealed again.
    pub(crate) fn forget_written(&self) {
        self.0.keys.forget_written();
    }

    /// Whether it is still the data key of its subject, and not destroyed since.
    pub(crate) fn holds(&self, entry: &Arc<KeyEntry>) -> bool {
        self.0.keys.holds(entry)
    }

    /// Writes the data keys that something is about to be committed under; durable when it returns.
    ///
    /// # Errors
    /// [`VaultFault::Store`].
    pub async fn persist(&self, entries: &[Arc<KeyEntry>]) -> Result<(), VaultFault> {
        let mut wraps: Vec<_> = entries.iter().flat_map(|entry| entry.unwritten()).collect();
        // A key that several submissions of a batch use is named several times.
        wraps.sort_unstable();
        wraps.dedup();
        if wraps.is_empty() {
            return Ok(());
        }
        let mut writing = self.0.wraps.lock().await;
        if writing.is_shared() {
            let tags: BTreeSet<Tag> = wraps.iter().map(|wrap| wrap.subject).collect();
            let there = writing.load(&tags.into_iter().collect::<Vec<_>>()).await?;
            self.0.keys.refuse_overtaken(entries, &there)?;
        }
        writing.insert(&wraps).await?;
        for entry in entries {
            entry.written(&wraps);
        }
        Ok(())
    }

    /// Destroys the data keys of a subject. After it returns nothing of the subject can be opened with what
    /// lies in any file of the vault; backups of it end with their rotation.
    ///
    /// # Errors
    /// [`VaultFault::Store`].
    pub async fn destroy(&self, tag: Tag) -> Result<u64, VaultFault> {
        // Nobody reads meanwhile: neither what is about to be deleted, nor the WAL that is about to be emptied.
        let _reading = self.0.reading.lock().await;
        // From here on nothing is opened or sealed for the subject, even if the next line fails.
        self.0.keys.forget(tag);
        Ok(self.0.wraps.lock().await.destroy(tag).await?)
    }

    /// Wraps all data keys to another master key of the next epoch. Sealed values and entries stay as they
    /// are. Done in one transaction: after a crash it is the old epoch or the new one.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn rotate(&self, next: &Master) -> Result<u64, VaultFault> {
        let _reading = self.0.reading.lock().await;
        let mut wraps = self.0.wraps.lock().await;
        let renew = |rows| {
            let renewed = self.0.keys.rewrap(rows, next)?;
            let (origin, since, nonce) = (self.0.origin.clone(), self.0.since, self.nonce());
            let blind = next.seal_blind((&origin, since), &self.0.blind, nonce);
            let blind = blind.map_err(|source| sealed_fault("blind key", source))?;
            Ok((renewed, Header { origin, since, epoch: next.epoch(), nonce, blind }))
        };
        wraps.rotate(renew).await
    }

    /// Writes a consistent copy of the wrapped data keys into a file that must not exist, readable by its owner
    /// alone. It works beside a running server, and without the master key it opens nothing.
    ///
    /// # Errors
    /// [`VaultFault::Missing`], [`VaultFault::Store`].
    pub async fn back_up(layout: &Layout, to: &Path) -> Result<(), VaultFault> {
        let place = place_of(layout).await?;
        let parent = to.parent().unwrap_or(Path::new("."));
        make_private(parent)?;
        let mut wraps = Wraps::open_read_only(&place).await?;
        let copied = wraps.copy_to(to).await;
        wraps.close().await?;
        copied?;
        File::open(to).and_then(|file| file.sync_all()).map_err(|e| StoreError::file("flushing", to, e))?;
        Ok(())
    }

    /// Ends the connection in good order.
    ///
    /// # Errors
    /// [`VaultFault::Store`].
    pub async fn close(&self) -> Result<(), VaultFault> {
        // The one that writes goes last: it empties the WAL.
        self.0.reading.lock().await.close().await?;
        Ok(self.0.wraps.lock().await.close().await?)
    }

    /// Different random leaves for so many events.
    pub(crate) fn places(&self, count: usize) -> Vec<usize> {
        let mut taken = BTreeSet::new();
        let mut places = Vec::with_capacity(count);
        while places.len() < count.min(PERIOD_LEAVES) {
            let mut bytes = [0; 2];
            (self.0.entropy)(&mut bytes);
            let place = usize::from(u16::from_be_bytes(bytes));
            if taken.insert(place) {
                places.push(place);
            }
        }
        places
    }

    /// Makes the data keys of these subjects present, and tells whose cannot be unwrapped.
    pub(crate) async fn load_each(&self, tags: &[Tag]) -> Result<BTreeSet<Tag>, StoreError> {
        let mut broken = BTreeSet::new();
        match self.load(tags).await {
            Ok(_) => return Ok(broken),
            Err(VaultFault::Store(error)) => return Err(error),
            Err(_) => {}
        }
        for tag in tags {
            match self.load(&[*tag]).await {
                Ok(_) => {}
                Err(VaultFault::Store(error)) => return Err(error),
                Err(_) => drop(broken.insert(*tag)),
            }
        }
        Ok(broken)
    }

    /// Subjects that have keys, in order, after one of them.
    pub(crate) async fn subjects(&self, after: Option<Tag>, limit: u64) -> Result<Vec<Tag>, StoreError> {
        self.0.reading.lock().await.subjects(after, limit).await
    }

    /// 32 random bytes, for a period.
    pub(crate) fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        (self.0.entropy)(&mut bytes);
        bytes
    }

    pub(crate) fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        (self.0.entropy)(&mut nonce);
        nonce
    }
}

async fn place_of(layout: &Layout) -> Result<Place, VaultFault> {
    place::of(layout).await?.ok_or_else(|| VaultFault::Missing(layout.vault()))
}

fn sealed_fault(what: &str, source: VaultError) -> VaultFault {
    VaultFault::Sealed { what: what.to_owned(), source }
}

/// Entries that a ledger has; none when there is no ledger yet.
async fn entries(layout: &Layout) -> Result<u64, VaultFault> {
    if !layout.has_ledger() {
        return Ok(0);
    }
    Ok(row_store::size_of(layout).await?)
}

/// A folder that its owner alone may enter.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let made = fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .and_then(|()| File::open(path)?.sync_all());
    made.map_err(|e| StoreError::file("making folder", path, e))
}
