//! Changes of a seed, always the same: cut, flipped, replaced, doubled, taken out, put together with another.

/// How many places of a seed are changed in each way; of a longer one every so-many-th.
const PLACES: usize = 192;
/// How often each of the ways that need a random choice is taken.
const CHOICES: usize = 48;
/// How often a piece stands that is repeated.
const REPEATS: usize = 300;
/// Longest piece that is repeated.
const PIECE_BYTES_MAX: usize = 64;
/// Bytes that mean something to one parser or another.
const TELLING: [u8; 12] = [0, b'\n', b'\r', b' ', b'"', b'\\', b'{', b'[', b'0', b'9', 0x7f, 0xff];

/// Numbers that look random and are always the same (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).unwrap()
    }

    /// A piece of so many bytes.
    fn piece(&mut self, bytes: usize) -> std::ops::Range<usize> {
        let start = self.below(bytes);
        start..start + 1 + self.below(bytes - start)
    }
}

/// All changes of one seed, one after the other.
pub struct Changes(std::vec::IntoIter<Vec<u8>>);

impl Changes {
    /// Changes of `seed`, some of them with pieces of `others`.
    pub fn new<'s>(seed: &'s [u8], others: impl Iterator<Item = &'s Vec<u8>>) -> Self {
        let others: Vec<&[u8]> = others.map(Vec::as_slice).collect();
        let mut all = vec![Vec::new()];
        if !seed.is_empty() {
            at_places(seed, &mut all);
            by_choice(seed, &others, &mut all);
        }
        Self(all.into_iter())
    }
}

impl Iterator for Changes {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.0.next()
    }
}

fn changed(seed: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    change(&mut bytes);
    bytes
}

fn at_places(seed: &[u8], all: &mut Vec<Vec<u8>>) {
    for (turn, place) in (0..seed.len()).step_by(seed.len().div_ceil(PLACES)).enumerate() {
        all.push(seed[..place].to_vec());
        all.push(seed[place..].to_vec());
        all.push(changed(seed, |bytes| bytes[place] ^= 1 << (turn % 8)));
        all.push(changed(seed, |bytes| bytes[place] = TELLING[turn % TELLING.len()]));
        all.push(changed(seed, |bytes| bytes.insert(place, seed[place])));
        all.push([&seed[..place], &seed[place + 1..]].concat());
    }
}

fn by_choice(seed: &[u8], others: &[&[u8]], all: &mut Vec<Vec<u8>>) {
    let mut random = Random(seed.len() as u64);
    for _ in 0..CHOICES {
        let piece = random.piece(seed.len());
        let other = others[random.below(others.len())];
        let of_other = if other.is_empty() { &[] } else { &other[random.piece(other.len())] };
        all.push(changed(seed, |bytes| drop(bytes.splice(piece.end..piece.end, seed[piece.clone()].iter().copied()))));
        all.push(changed(seed, |bytes| drop(bytes.drain(piece.clone()))));
        all.push(changed(seed, |bytes| drop(bytes.splice(piece.clone(), of_other.iter().copied()))));
        let short = piece.start..piece.end.min(piece.start + PIECE_BYTES_MAX);
        let many = seed[short.clone()].repeat(REPEATS);
        all.push(changed(seed, |bytes| drop(bytes.splice(short.end..short.end, many))));
    }
}
