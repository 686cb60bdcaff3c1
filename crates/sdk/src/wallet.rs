//! A key, and what it can sign.
//!
//! A [`Wallet`] comes from a raw key, a mnemonic phrase, an environment variable or a keystore file (Web3 Secret
//! Storage version 3, the format of geth and of the iExec client, under geth's file names). It is cheap to clone,
//! works without a chain, and shows nothing but its address: `Debug` and every error keep keys, phrases and passwords
//! to themselves.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::consensus::{SignableTransaction, TypedTransaction};
use alloy::signers::SignerSync as _;
use alloy::signers::k256::elliptic_curve::rand_core::OsRng;
use alloy::signers::local::coins_bip39::English;
use alloy::signers::local::{LocalSignerError, MnemonicBuilder, PrivateKeySigner};
use alloy_primitives::{Address, B256, Bytes, Signature};
use protocol::order::{Domain, Order, Signed};
use serde_json::Value;

/// A private key that signs. Clones share it.
#[derive(Clone, PartialEq)]
pub struct Wallet {
    signer: PrivateKeySigner,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

/// Why there is no wallet. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The text is no private key.
    #[error(
        "not a private key: expected 64 hexadecimal digits, with or without 0x, of a number the curve allows"
    )]
    BadKey,
    /// The words are no mnemonic phrase.
    #[error(
        "not a mnemonic phrase: expected 12, 15, 18, 21 or 24 English words of BIP-39 with a valid checksum"
    )]
    BadMnemonic,
    /// The environment has no such variable.
    #[error(
        "no wallet: the environment variable {name} is not set; put a private key or a mnemonic phrase in it"
    )]
    NotInEnvironment {
        /// Its name.
        name: String,
    },
    /// The variable is there, but holds neither a key nor a phrase.
    #[error("the environment variable {name} holds no wallet")]
    BadEnvironment {
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Box<WalletError>,
    },
    /// The keystore file opens with another password.
    #[error("wrong password for the keystore {}", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// The file is no keystore this program understands.
    #[error("{} is not a version 3 keystore: {why}", path.display())]
    BadKeystore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or folder cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// "read the keystore", "write the keystore".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Wallet {
    /// A new key from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self {
            signer: PrivateKeySigner::random_with(&mut OsRng),
        }
    }

    /// From 64 hexadecimal digits, with or without `0x`.
    pub fn from_key(key: &str) -> Result<Self, WalletError> {
        let key = key.trim();
        let digits = key.strip_prefix("0x").unwrap_or(key);
        if digits.len() != 64 {
            return Err(WalletError::BadKey);
        }
        let signer = digits
            .parse()
            .map_err(|_: LocalSignerError| WalletError::BadKey)?;
        Ok(Self { signer })
    }

    /// Account `index` of a mnemonic phrase, at `m/44'/60'/0'/0/index` as every Ethereum wallet derives it.
    pub fn from_mnemonic(phrase: &str, index: u32) -> Result<Self, WalletError> {
        let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
        let builder = MnemonicBuilder::<English>::default()
            .phrase(phrase)
            .index(index);
        let signer = builder
            .and_then(|builder| builder.build())
            .map_err(|_| WalletError::BadMnemonic)?;
        Ok(Self { signer })
    }

    /// From an environment variable that holds a private key, or a mnemonic phrase (its account 0).
    pub fn from_env(name: &str) -> Result<Self, WalletError> {
        let text = std::env::var(name).map_err(|_| WalletError::NotInEnvironment {
            name: name.to_owned(),
        })?;
        let wallet = if text.split_whitespace().nth(1).is_some() {
            Self::from_mnemonic(&text, 0)
        } else {
            Self::from_key(&text)
        };
        wallet.map_err(|source| WalletError::BadEnvironment {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    /// Opens a version 3 keystore file.
    pub fn open_keystore(path: impl AsRef<Path>, password: &str) -> Result<Self, WalletError> {
        let path = path.as_ref();
        read_keystore(path)?;
        let opened = PrivateKeySigner::decrypt_keystore(path, password);
        match opened {
            Ok(signer) => Ok(Self { signer }),
            // The only failure a sound file leaves: the checksum of the decrypted key does not match. The crate's
            // error type cannot be named here without depending on it, so its words are asked.
            Err(error) if error.to_string() == "Mac Mismatch" => Err(WalletError::WrongPassword {
                path: path.to_owned(),
            }),
            Err(error) => Err(bad_keystore(path, error.to_string())),
        }
    }

    /// Writes a version 3 keystore into `folder` (made if missing), readable by its owner only, and names it as geth
    /// does: `UTC--<time>--<address>`. Gives its path.
    pub fn save_keystore(
        &self,
        folder: impl AsRef<Path>,
        password: &str,
    ) -> Result<PathBuf, WalletError> {
        let folder = folder.as_ref();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WalletError::File {
                doing: "write the keystore",
                path,
                source,
            }
        };
        make_private_folder(folder).map_err(failed(folder))?;
        let name = geth_file_name(SystemTime::now(), self.address());
        let path = folder.join(&name);
        // Written elsewhere and renamed, so that a keystore is either whole or not there.
        let draft_name = format!(".{name}.draft");
        let draft = folder.join(&draft_name);
        private_file(&draft).map_err(failed(&draft))?;
        let written = self
            .write_keystore(folder, &draft_name, password)
            .and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            // A draft left behind would only confuse; that it cannot be removed adds nothing to the reason.
            let _ = fs::remove_file(&draft);
            return Err(failed(&path)(error));
        }
        Ok(path)
    }

    fn write_keystore(&self, folder: &Path, name: &str, password: &str) -> std::io::Result<()> {
        PrivateKeySigner::encrypt_keystore(
            folder,
            &mut OsRng,
            self.signer.to_bytes(),
            password,
            Some(name),
        )
        .map_err(std::io::Error::other)?;
        // Wallets list accounts without passwords, so the file says whose it is.
        let path = folder.join(name);
        let mut keystore: Value = serde_json::from_slice(&fs::read(&path)?)?;
        if let Some(fields) = keystore.as_object_mut() {
            fields.insert(
                "address".to_owned(),
                Value::String(hex::encode(self.address())),
            );
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)?;
        file.write_all(&serde_json::to_vec(&keystore)?)?;
        file.sync_all()
    }

    /// The account this key controls.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs 32 bytes as they are: what EIP-712 and the hub's `verifySignature` expect.
    #[must_use]
    pub fn sign_hash(&self, hash: B256) -> Bytes {
        to_bytes(&self.raw(hash))
    }

    /// Signs a message as a wallet's "sign message" does (EIP-191, `personal_sign`).
    #[must_use]
    pub fn sign_message(&self, message: &[u8]) -> Bytes {
        self.sign_hash(alloy_primitives::eip191_hash_message(message))
    }

    /// Signs an order for one hub on one chain.
    #[must_use]
    pub fn sign_order<O: Order>(&self, order: &O, domain: Domain) -> Signed<O> {
        order.clone().signed(self.sign_hash(order.hash(&domain).0))
    }

    /// Signs a transaction and gives it in the form a node takes, with its hash.
    pub(crate) fn sign_transaction(&self, transaction: TypedTransaction) -> (Bytes, B256) {
        use alloy::eips::eip2718::Encodable2718 as _;
        let signature = self.raw(transaction.signature_hash());
        let signed = transaction.into_envelope(signature);
        (signed.encoded_2718().into(), *signed.tx_hash())
    }

    fn raw(&self, hash: B256) -> Signature {
        self.signer
            .sign_hash_sync(&hash)
            .expect("a local key signs any 32 bytes: signing is deterministic arithmetic")
    }
}

/// Whose keystore a file is, without its password; what `address` says in it is not proved until it is opened.
pub fn keystore_address(path: impl AsRef<Path>) -> Result<Address, WalletError> {
    let path = path.as_ref();
    let text = read_keystore(path)?;
    let keystore: Value =
        serde_json::from_str(&text).map_err(|error| bad_keystore(path, error.to_string()))?;
    let address = keystore
        .get("address")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    address.ok_or_else(|| bad_keystore(path, "it does not say whose it is".to_owned()))
}

/// The text of a keystore file that can be handed on.
fn read_keystore(path: &Path) -> Result<String, WalletError> {
    let text = fs::read_to_string(path).map_err(|source| WalletError::File {
        doing: "read the keystore",
        path: path.to_owned(),
        source,
    })?;
    keystore_is_sound(&text).map_err(|why| bad_keystore(path, why))?;
    Ok(text)
}

fn bad_keystore(path: &Path, why: String) -> WalletError {
    WalletError::BadKeystore {
        path: path.to_owned(),
        why,
    }
}

fn to_bytes(signature: &Signature) -> Bytes {
    Bytes::copy_from_slice(&signature.as_bytes())
}

/// Refuses what the decrypting crate would stumble over: it trusts lengths it should check, and a hostile file could
/// ask for any amount of memory.
fn keystore_is_sound(text: &str) -> Result<(), String> {
    let keystore: Value =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON ({error})"))?;
    let field = |path: &str| {
        keystore
            .pointer(path)
            .ok_or_else(|| format!("{} is missing", &path[1..]))
    };
    if field("/version")?.as_u64() != Some(3) {
        return Err("its version is not 3".to_owned());
    }
    let crypto = "/crypto";
    if field(&format!("{crypto}/cipher"))?.as_str() != Some("aes-128-ctr") {
        return Err("its cipher is not aes-128-ctr".to_owned());
    }
    let digits = |name: &str| {
        let text = field(&format!("{crypto}/{name}"))?
            .as_str()
            .unwrap_or_default();
        hex::decode(text)
            .map(|bytes| bytes.len())
            .map_err(|_| format!("{name} is not hexadecimal"))
    };
    for (name, bytes) in [("cipherparams/iv", 16), ("ciphertext", 32), ("mac", 32)] {
        if digits(name)? != bytes {
            return Err(format!("{name} is not {bytes} bytes long"));
        }
    }
    let number = |name: &str| {
        field(&format!("{crypto}/kdfparams/{name}")).map(|value| value.as_u64().unwrap_or(0))
    };
    if number("dklen")? != 32 {
        return Err("kdfparams/dklen is not 32".to_owned());
    }
    match field(&format!("{crypto}/kdf"))?.as_str() {
        Some("scrypt") => {
            let (n, r, p) = (number("n")?, number("r")?, number("p")?);
            let memory = n
                .checked_mul(r)
                .and_then(|product| product.checked_mul(128));
            if !n.is_power_of_two()
                || n < 2
                || r == 0
                || p == 0
                || p > 1024
                || memory.is_none_or(|bytes| bytes > 1 << 30)
            {
                return Err("its scrypt parameters are out of range".to_owned());
            }
        }
        Some("pbkdf2") if (1..=100_000_000).contains(&number("c")?) => {}
        Some("pbkdf2") => return Err("its pbkdf2 parameters are out of range".to_owned()),
        _ => return Err("its kdf is neither scrypt nor pbkdf2".to_owned()),
    }
    Ok(())
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// `UTC--2026-11-20T09-05-44.123456789Z--<40 hexadecimal digits>`.
fn geth_file_name(now: SystemTime, address: Address) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let ((year, month, day), (hour, minute, second)) = civil(since.as_secs());
    let nanos = since.subsec_nanos();
    format!(
        "UTC--{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{nanos:09}Z--{}",
        hex::encode(address)
    )
}

/// A time in seconds since 1970 as people write it: `2026-11-20 09:05:44 UTC`.
pub(crate) fn utc(time_secs: u64) -> String {
    // Beyond the year 9999 nobody reads a date.
    if time_secs > 253_402_300_799 {
        return format!("second {time_secs}");
    }
    let ((year, month, day), (hour, minute, second)) = civil(time_secs);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

type Three = (u64, u64, u64);

fn civil(secs: u64) -> (Three, Three) {
    let second_of_day = secs % 86_400;
    (
        civil_date(secs / 86_400),
        (
            second_of_day / 3600,
            second_of_day / 60 % 60,
            second_of_day % 60,
        ),
    )
}

/// Year, month and day of the Gregorian calendar, `days` after 1 January 1970.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Counted in eras of 400 years that start on 1 March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, eip191_hash_message};

    use super::*;

    const PHRASE: &str = "test test test test test test test test test test test junk";
    const FIRST: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    const FIRST_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_phrase_and_a_key_give_the_accounts_every_wallet_gives() {
        assert_eq!(
            Wallet::from_mnemonic(PHRASE, 0)
                .expect("a good phrase")
                .address(),
            FIRST
        );
        let spaced = format!("  {}\n", PHRASE.replace(' ', "  "));
        let second = Wallet::from_mnemonic(&spaced, 1)
            .expect("spaces do not matter")
            .address();
        assert_eq!(second, address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"));
        assert_eq!(
            Wallet::from_key(FIRST_KEY).expect("a good key").address(),
            FIRST
        );
        assert_eq!(
            Wallet::from_key(&FIRST_KEY[2..])
                .expect("without 0x")
                .address(),
            FIRST
        );
    }

    #[test]
    fn bad_keys_and_phrases_are_refused_without_being_repeated() {
        let bad_keys = [
            "",
            "0x12",
            &"f".repeat(64),
            &"0".repeat(64),
            &"x".repeat(64),
        ];
        for key in bad_keys {
            let error = Wallet::from_key(key).expect_err("no key");
            assert!(matches!(error, WalletError::BadKey));
        }
        for phrase in [
            "",
            "test test",
            "test test test test test test test test test test test test",
        ] {
            assert!(matches!(
                Wallet::from_mnemonic(phrase, 0),
                Err(WalletError::BadMnemonic)
            ));
        }
        let error = Wallet::from_env("OXEC_NO_SUCH_VARIABLE").expect_err("not set");
        assert!(error.to_string().contains("OXEC_NO_SUCH_VARIABLE"));
    }

    #[test]
    fn debug_shows_the_address_and_nothing_else() {
        let wallet = Wallet::from_key(FIRST_KEY).expect("a good key");
        let shown = format!("{wallet:?}");
        assert!(
            shown.contains("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"),
            "{shown}"
        );
        assert!(!shown.contains(&FIRST_KEY[2..12]), "{shown}");
    }

    #[test]
    fn a_keystore_opens_with_its_password_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let wallet = Wallet::random();
        let path = wallet
            .save_keystore(folder.path().join("keys"), "correct horse")
            .expect("written");
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(
            name.starts_with("UTC--20") && name.ends_with(&hex::encode(wallet.address())),
            "{name}"
        );
        assert_eq!(
            Wallet::open_keystore(&path, "correct horse").expect("opened"),
            wallet
        );
        let error = Wallet::open_keystore(&path, "battery").expect_err("wrong password");
        assert_eq!(
            error.to_string(),
            format!("wrong password for the keystore {}", path.display())
        );
        let written: Value =
            serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
        assert_eq!(written["address"], hex::encode(wallet.address()));
        assert_eq!(
            keystore_address(&path).expect("it says so"),
            wallet.address()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&path).expect("there").permissions().mode() & 0o777,
                0o600
            );
        }
        let files = fs::read_dir(path.parent().expect("a folder"))
            .expect("readable")
            .count();
        assert_eq!(files, 1, "no draft is left");
    }

    #[test]
    fn a_file_that_is_no_keystore_is_named_in_the_refusal() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        let sound = Wallet::random()
            .save_keystore(folder.path(), "p")
            .expect("written");
        let sound: Value = serde_json::from_slice(&fs::read(sound).expect("there")).expect("JSON");
        let broken = |pointer: &str, value: Value| {
            let mut keystore = sound.clone();
            *keystore.pointer_mut(pointer).expect("a field") = value;
            keystore.to_string()
        };
        let cases = [
            "hello".to_owned(),
            "{}".to_owned(),
            broken("/version", 1.into()),
            broken("/crypto/cipherparams/iv", "00".into()),
            broken("/crypto/ciphertext", "zz".into()),
            broken("/crypto/kdfparams/dklen", 8.into()),
            broken("/crypto/kdfparams/n", 3.into()),
            broken("/crypto/kdfparams/n", (1_u64 << 40).into()),
        ];
        for case in cases {
            fs::write(&path, &case).expect("written");
            let error = Wallet::open_keystore(&path, "p").expect_err("no keystore");
            assert!(
                matches!(error, WalletError::BadKeystore { .. }),
                "{case}: {error}"
            );
            assert!(error.to_string().contains("notes.txt"), "{error}");
        }
        let error = Wallet::open_keystore(folder.path().join("absent"), "p").expect_err("no file");
        assert!(error.to_string().contains("absent"), "{error}");
    }

    #[test]
    fn file_names_carry_the_date_in_utc() {
        for (secs, date) in [
            (0, "1970-01-01T00-00-00"),
            (951_782_400, "2000-02-29T00-00-00"),
            (1_709_251_199, "2024-02-29T23-59-59"),
            (4_107_542_400, "2100-03-01T00-00-00"),
        ] {
            let name = geth_file_name(UNIX_EPOCH + Duration::from_secs(secs), Address::ZERO);
            assert_eq!(name, format!("UTC--{date}.000000000Z--{}", "0".repeat(40)));
        }
    }

    #[test]
    fn a_message_is_signed_as_wallets_sign_messages() {
        let wallet = Wallet::random();
        let signature = Signature::from_raw(&wallet.sign_message(b"hello")).expect("65 bytes");
        let signer = signature
            .recover_address_from_prehash(&eip191_hash_message(b"hello"))
            .expect("a signature");
        assert_eq!(signer, wallet.address());
    }
}
