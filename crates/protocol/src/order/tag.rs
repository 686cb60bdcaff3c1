//! Tags: what an order demands of the machine, as 256 bits.
//!
//! The hub knows only bit 0 (a trusted execution environment) and, in a dataset order's tag, ignores the framework
//! bits 1 to 3. The names are the market's. Bits without a name are kept and print as one hexadecimal number.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

/// What a deal demands of the machine: a set of bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(pub B256);

/// The bits that have names, lowest first.
const NAMES: [(usize, &str); 5] = [
    (0, "tee"),
    (1, "scone"),
    (2, "gramine"),
    (3, "tdx"),
    (8, "gpu"),
];

impl Tag {
    /// Nothing special demanded.
    pub const NONE: Self = Self(B256::ZERO);
    /// Bit 0: a trusted execution environment; contributions must carry an enclave's signature.
    pub const TEE: Self = Self::bit(0);
    /// Bit 1: the Scone framework.
    pub const SCONE: Self = Self::bit(1);
    /// Bit 2: the Gramine framework.
    pub const GRAMINE: Self = Self::bit(2);
    /// Bit 3: Intel TDX.
    pub const TDX: Self = Self::bit(3);
    /// Bit 8: a graphics processor.
    pub const GPU: Self = Self::bit(8);

    const fn bit(index: usize) -> Self {
        let mut bytes = [0_u8; 32];
        bytes[31 - index / 8] = 1 << (index % 8);
        Self(B256::new(bytes))
    }

    /// Whether every bit of `other` is set here.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether contributions need an enclave.
    #[must_use]
    pub fn needs_enclave(self) -> bool {
        self.includes(Self::TEE)
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_zero()
    }

    /// The tag without the bits that name a framework (1, 2 and 3): how rule 06 reads a dataset's tag.
    #[must_use]
    pub fn without_framework(self) -> Self {
        let frameworks = Self::SCONE | Self::GRAMINE | Self::TDX;
        Self(self.0 & !frameworks.0)
    }
}

impl BitOr for Tag {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<B256> for Tag {
    fn from(bits: B256) -> Self {
        Self(bits)
    }
}

impl From<Tag> for B256 {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

impl fmt::Display for Tag {
    /// Names joined by commas, `none` for the empty tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bits = U256::from_be_bytes(self.0.0);
        if bits.is_zero() {
            return f.write_str("none");
        }
        let mut separator = "";
        for (index, name) in NAMES {
            if bits.bit(index) {
                write!(f, "{separator}{name}")?;
                bits.set_bit(index, false);
                separator = ",";
            }
        }
        if !bits.is_zero() {
            write!(f, "{separator}{bits:#x}")?;
        }
        Ok(())
    }
}

/// A word that names no bit of a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no tag: expected tee, scone, gramine, tdx, gpu, none or a 0x number")]
pub struct BadTag {
    word: String,
}

impl FromStr for Tag {
    type Err = BadTag;

    /// Reads what `Display` writes, in any order, and 32-byte or shorter `0x` numbers.
    fn from_str(text: &str) -> Result<Self, BadTag> {
        text.split(',')
            .map(str::trim)
            .try_fold(Self::NONE, |tag, word| {
                let bad = || BadTag {
                    word: word.to_owned(),
                };
                if word == "none" {
                    return Ok(tag);
                }
                if let Some((index, _)) = NAMES.iter().find(|(_, name)| *name == word) {
                    return Ok(tag | Self::bit(*index));
                }
                let digits = word
                    .strip_prefix("0x")
                    .filter(|digits| !digits.is_empty())
                    .ok_or_else(bad)?;
                let bits = U256::from_str_radix(digits, 16).map_err(|_| bad())?;
                Ok(tag | Self(B256::from(bits)))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_the_bits_clients_use() {
        let low = |tag: Tag| U256::from_be_bytes(tag.0.0).to::<u64>();
        assert_eq!(low("tee,scone".parse().expect("a tag")), 0x3);
        assert_eq!(low("tee,gramine".parse().expect("a tag")), 0x5);
        assert_eq!(low("tdx,tee".parse().expect("a tag")), 0x9);
        assert_eq!(low(Tag::GPU), 0x100);
    }

    #[test]
    fn a_tag_reads_back_as_it_prints() {
        for text in ["none", "tee,tdx", "gpu", "tee,0x1000", "0x10"] {
            assert_eq!(text.parse::<Tag>().expect("a tag").to_string(), text);
        }
        assert_eq!(
            "".parse::<Tag>(),
            Err(BadTag {
                word: String::new()
            })
        );
        assert!("tea".parse::<Tag>().is_err());
    }

    #[test]
    fn framework_bits_are_one_two_and_three() {
        let all = Tag(B256::repeat_byte(0xff));
        let kept = U256::from_be_bytes(all.without_framework().0.0);
        assert_eq!(!kept, U256::from(0b1110));
    }
}
