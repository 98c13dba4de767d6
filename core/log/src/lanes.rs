//! BLAKE3 of many short inputs at once.
//!
//! A ledger hashes millions of inputs of one to some blocks: commitments, nodes over them, entries. The `blake3` crate
//! computes several chunks of one long input side by side, but short inputs one after the other. Here each lane of a
//! vector holds an input of its own; the loop over the lanes is written so that the compiler makes vector instructions of
//! it, and `pulp` has them be those of the processor that it runs on.
//!
//! What comes out is BLAKE3 (<https://github.com/BLAKE3-team/BLAKE3-specs>, sections 2.2 to 2.6) and nothing else: a test
//! compares every length up to a chunk with the crate, which also does what does not fit a chunk or fills no lanes.

#![expect(
    clippy::inline_always,
    clippy::many_single_char_names,
    reason = "what is not inlined does not use the processor's vectors; the names are those of the specification"
)]

use crate::hash::Digest;

/// Inputs that are hashed side by side: 512 bits, one vector of AVX-512, two of AVX2, or four of those that there are
/// everywhere.
pub(crate) const LANES: usize = 16;

/// Bytes of a chunk; a longer input is a tree of them.
const CHUNK_BYTES: usize = 1_024;
const BLOCK_BYTES: usize = 64;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 1 << 1;
const ROOT: u32 = 1 << 3;
const DERIVE_KEY_MATERIAL: u32 = 1 << 6;

const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Words of each lane.
type Words<const N: usize> = [[u32; LANES]; N];

/// A BLAKE3 hash function: the plain one, or one that derives keys for a context.
pub(crate) struct Function {
    key: [u32; 8],
    flags: u32,
    hasher: blake3::Hasher,
}

impl Function {
    /// Plain hashes.
    pub(crate) fn plain() -> Self {
        Self { key: IV, flags: 0, hasher: blake3::Hasher::new() }
    }

    /// Keys for this context.
    pub(crate) fn derive_key(context: &str) -> Self {
        let key = blake3::hazmat::hash_derive_key_context(context);
        let (words, _) = key.as_chunks::<4>();
        let key = std::array::from_fn(|word| u32::from_le_bytes(words[word]));
        Self { key, flags: DERIVE_KEY_MATERIAL, hasher: blake3::Hasher::new_derive_key(context) }
    }

    /// The hash of the parts, one after the other.
    pub(crate) fn one(&self, parts: &[&[u8]]) -> Digest {
        let mut hasher = self.hasher.clone();
        for part in parts {
            hasher.update(part);
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The hashes of all inputs.
    pub(crate) fn each(&self, inputs: &[&[u8]]) -> Vec<Digest> {
        let mut digests = vec![Digest::ZERO; inputs.len()];
        // Inputs of as many blocks go together; long ones go alone.
        let mut order: Vec<usize> = (0..inputs.len()).filter(|place| inputs[*place].len() <= CHUNK_BYTES).collect();
        order.sort_unstable_by_key(|place| blocks(inputs[*place]));
        let (groups, rest) = order.as_chunks::<LANES>();
        for group in groups {
            let hashed = self.group(group.map(|place| inputs[place]));
            for (place, digest) in group.iter().zip(hashed) {
                digests[*place] = digest;
            }
        }
        let long = (0..inputs.len()).filter(|place| inputs[*place].len() > CHUNK_BYTES);
        for place in rest.iter().copied().chain(long) {
            digests[place] = self.one(&[inputs[place]]);
        }
        digests
    }

    /// The hashes of inputs of at most a chunk.
    pub(crate) fn group(&self, inputs: [&[u8]; LANES]) -> [Digest; LANES] {
        debug_assert!(inputs.iter().all(|input| input.len() <= CHUNK_BYTES), "the caller sorts longer ones out");
        // What the processor can do is found out once and remembered.
        pulp::Arch::new().dispatch(Group { function: self, inputs })
    }

    #[inline(always)]
    fn group_here(&self, inputs: [&[u8]; LANES]) -> [Digest; LANES] {
        let blocks = inputs.map(blocks);
        let mut state: Words<8> = self.key.map(|word| [word; LANES]);
        let mut digests = [Digest::ZERO; LANES];
        for number in 0..blocks.into_iter().max().unwrap_or(0) {
            let (mut block, mut lengths, mut flags) = ([[0; LANES]; 16], [0; LANES], [0; LANES]);
            for (lane, input) in inputs.iter().enumerate() {
                let part = input.get(number * BLOCK_BYTES..).unwrap_or_default();
                lengths[lane] = load(part, lane, &mut block);
                let start = if number == 0 { CHUNK_START } else { 0 };
                let end = if number + 1 == blocks[lane] { CHUNK_END | ROOT } else { 0 };
                flags[lane] = self.flags | start | end;
            }
            compress(&mut state, &block, &lengths, &flags);
            for lane in (0..LANES).filter(|lane| blocks[*lane] == number + 1) {
                digests[lane] = digest(&state, lane);
            }
        }
        digests
    }
}

/// A group that is to be hashed; all of it is inlined into what knows the instructions.
struct Group<'a> {
    function: &'a Function,
    inputs: [&'a [u8]; LANES],
}

impl pulp::NullaryFnOnce for Group<'_> {
    type Output = [Digest; LANES];

    #[inline(always)]
    fn call(self) -> [Digest; LANES] {
        self.function.group_here(self.inputs)
    }
}

/// Blocks of an input; the empty one has one too.
fn blocks(input: &[u8]) -> usize {
    input.len().div_ceil(BLOCK_BYTES).max(1)
}

/// Takes the next block of an input into its lane; says its length.
#[inline(always)]
fn load(part: &[u8], lane: usize, block: &mut Words<16>) -> u32 {
    let mut padded = [0; BLOCK_BYTES];
    let (bytes, length) = if let Some(whole) = part.first_chunk::<BLOCK_BYTES>() {
        (whole, BLOCK_BYTES)
    } else {
        padded[..part.len()].copy_from_slice(part);
        (&padded, part.len())
    };
    let (words, _) = bytes.as_chunks::<4>();
    for (word, bytes) in block.iter_mut().zip(words) {
        word[lane] = u32::from_le_bytes(*bytes);
    }
    u32::try_from(length).expect("a block has 64 bytes")
}

#[inline(always)]
fn digest(state: &Words<8>, lane: usize) -> Digest {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word[lane].to_le_bytes();
    }
    Digest::from_bytes(bytes)
}

#[inline(always)]
fn mix(v: &mut [u32; 16], [a, b, c, d]: [usize; 4], x: u32, y: u32) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(12);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
    v[d] = (v[d] ^ v[a]).rotate_right(8);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(7);
}

/// Columns, then diagonals, with the words of the message in this order.
#[inline(always)]
fn round(v: &mut [u32; 16], m: &[u32; 16], order: [usize; 16]) {
    mix(v, [0, 4, 8, 12], m[order[0]], m[order[1]]);
    mix(v, [1, 5, 9, 13], m[order[2]], m[order[3]]);
    mix(v, [2, 6, 10, 14], m[order[4]], m[order[5]]);
    mix(v, [3, 7, 11, 15], m[order[6]], m[order[7]]);
    mix(v, [0, 5, 10, 15], m[order[8]], m[order[9]]);
    mix(v, [1, 6, 11, 12], m[order[10]], m[order[11]]);
    mix(v, [2, 7, 8, 13], m[order[12]], m[order[13]]);
    mix(v, [3, 4, 9, 14], m[order[14]], m[order[15]]);
}

/// One block of each lane, of the first and only chunk. The rounds are written out one by one: only a loop without loops
/// in it is made into vectors.
#[inline(always)]
fn compress(state: &mut Words<8>, block: &Words<16>, lengths: &[u32; LANES], flags: &[u32; LANES]) {
    for lane in 0..LANES {
        let m: [u32; 16] = std::array::from_fn(|word| block[word][lane]);
        let mut v: [u32; 16] = std::array::from_fn(|word| match word {
            0..8 => state[word][lane],
            8..12 => IV[word - 8],
            12 | 13 => 0,
            14 => lengths[lane],
            _ => flags[lane],
        });
        round(&mut v, &m, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        round(&mut v, &m, [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]);
        round(&mut v, &m, [3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1]);
        round(&mut v, &m, [10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6]);
        round(&mut v, &m, [12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4]);
        round(&mut v, &m, [9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7]);
        round(&mut v, &m, [11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13]);
        for word in 0..8 {
            state[word][lane] = v[word] ^ v[word + 8];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_in_every_lane_hashes_as_the_crate_does() {
        let bytes: Vec<u8> = (0..3_000_u32).map(|place| (place % 251) as u8).collect();
        let inputs: Vec<&[u8]> = (0..CHUNK_BYTES + 300).map(|length| &bytes[length..2 * length]).collect();
        let context = "gongkai test of lanes";
        for turn in 0..=LANES {
            // Another order, so that lengths meet others and other lanes.
            let inputs: Vec<&[u8]> = inputs.iter().skip(turn).step_by(turn + 1).copied().collect();
            let (plain, derived) = (Function::plain().each(&inputs), Function::derive_key(context).each(&inputs));
            for ((input, plain), derived) in inputs.iter().zip(plain).zip(derived) {
                assert_eq!(plain, Digest::of(input), "{} bytes", input.len());
                assert_eq!(*derived.as_bytes(), blake3::derive_key(context, input), "{} bytes", input.len());
            }
        }
    }

    #[test]
    fn inputs_of_different_lengths_share_a_group() {
        let bytes = [7; CHUNK_BYTES];
        for lengths in [[0, 1, 64, 1_024, 65, 0, 0, 63], [1_024, 1_023, 961, 960, 128, 129, 127, 33]] {
            let inputs = std::array::from_fn(|lane| &bytes[..lengths[lane % lengths.len()]]);
            assert_eq!(Function::plain().group(inputs), inputs.map(Digest::of));
        }
        assert_eq!(Function::plain().each(&[]), []);
    }
}
