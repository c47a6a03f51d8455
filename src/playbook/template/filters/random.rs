//! Chance: `random` and `shuffle`. With a seed they give what Python's `random` gives, so what people have deployed
//! with it stays as it is.

use minijinja::{
    Error,
    value::{Value, ValueKind},
};
use sha2::Digest as _;

use super::super::call::{Call, Entry, entry};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["random"], "start step seed", random),
    entry(&["shuffle"], "seed", |c| {
        if !matches!(c.value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String) {
            return Ok(c.value.clone());
        }
        let mut items = c.items()?;
        let mut source = Source::new(c.some(0).filter(|seed| seed.is_true()))?;
        for at in (1..items.len()).rev() {
            let other = source.below(at as u64 + 1);
            items.swap(at, usize::try_from(other).unwrap_or(at));
        }
        Ok(items.into())
    }),
];

fn random(c: &mut Call) -> Result<Value, Error> {
    let mut source = Source::new(c.some(2))?;
    if let Some(end) = c.value.as_i64().filter(|_| c.value.is_integer()) {
        let start = c.int(0)?.unwrap_or(0);
        let step = c.int(1)?.filter(|step| *step != 0).unwrap_or(1);
        let (width, step) = (i128::from(end) - i128::from(start), i128::from(step));
        let count = if step > 0 { (width + step - 1).div_euclid(step) } else { (width + step + 1) / step };
        let count = u64::try_from(count).ok().filter(|count| *count > 0);
        let count = count.ok_or_else(|| c.fault(format_args!("no number lies between {start} and {end}")))?;
        return Ok((i128::from(start) + step * i128::from(source.below(count))).into());
    }
    if !matches!(c.value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::String) {
        return Err(c.fault("random can only be used on sequences and integers"));
    }
    if c.some(0).is_some_and(Value::is_true) || c.some(1).is_some_and(Value::is_true) {
        return Err(c.fault("start and step can only be used with integer values"));
    }
    let items = c.items()?;
    if items.is_empty() {
        return Ok(Value::UNDEFINED);
    }
    let at = source.below(items.len() as u64);
    Ok(items[usize::try_from(at).unwrap_or(0)].clone())
}

/// Where numbers come from.
pub(in super::super) enum Source {
    Chance,
    Seeded(Box<Twister>),
}

impl Source {
    pub(in super::super) fn new(seed: Option<&Value>) -> Result<Self, Error> {
        let Some(seed) = seed else { return Ok(Self::Chance) };
        let words = match seed.as_str() {
            // The text's bytes and their SHA-512 are one large number.
            Some(text) => {
                let mut bytes = text.as_bytes().to_vec();
                bytes.extend(sha2::Sha512::digest(text.as_bytes()));
                bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))).collect()
            }
            None => match i128::try_from(seed.clone()) {
                Ok(number) if seed.kind() != ValueKind::Number || seed.is_integer() => {
                    let number = number.unsigned_abs();
                    let words = [0, 32, 64, 96].map(|shift| u32::try_from(number >> shift & 0xffff_ffff).unwrap_or(0));
                    words.to_vec()
                }
                _ => return Err(super::super::call::bad("a seed is text or a whole number")),
            },
        };
        let used = words.iter().rposition(|word| *word != 0).map_or(1, |last| last + 1);
        Ok(Self::Seeded(Box::new(Twister::new(&words[..used]))))
    }

    /// A number from 0 to below `n`.
    pub(in super::super) fn below(&mut self, n: u64) -> u64 {
        match self {
            Self::Chance => rand::random_range(0..n.max(1)),
            Self::Seeded(twister) => {
                let bits = 64 - n.leading_zeros();
                loop {
                    let number = twister.bits(bits);
                    if number < n {
                        return number;
                    }
                }
            }
        }
    }
}

/// The Mersenne Twister MT19937 of Matsumoto and Nishimura.
pub(in super::super) struct Twister {
    state: [u32; 624],
    at: usize,
}

#[allow(clippy::cast_possible_truncation, reason = "an index of a list is meant modulo 2^32, as in CPython")]
impl Twister {
    fn new(key: &[u32]) -> Self {
        let mut state = [0_u32; 624];
        state[0] = 19_650_218;
        for i in 1..624 {
            let before = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(before ^ before >> 30).wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..624.max(key.len()) {
            let before = state[i - 1];
            state[i] = (state[i] ^ (before ^ before >> 30).wrapping_mul(1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i == 624 {
                state[0] = state[623];
                i = 1;
            }
        }
        for _ in 0..623 {
            let before = state[i - 1];
            state[i] = (state[i] ^ (before ^ before >> 30).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i == 624 {
                state[0] = state[623];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self { state, at: 624 }
    }

    fn word(&mut self) -> u32 {
        if self.at == 624 {
            for i in 0..624 {
                let mixed = self.state[i] & 0x8000_0000 | self.state[(i + 1) % 624] & 0x7fff_ffff;
                let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ mixed >> 1 ^ odd;
            }
            self.at = 0;
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn bits(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return u64::from(self.word().checked_shr(32 - bits).unwrap_or(0));
        }
        let low = u64::from(self.word());
        low | u64::from(self.word() >> (64 - bits)) << 32
    }
}
