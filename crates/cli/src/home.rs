//! The data folder: what one person keeps on this machine.
//!
//! ```text
//! <data>/town.json               where the town's services answer; written by `oxec up`
//! <data>/wallets/<name>/UTC--…   one keystore per wallet, as geth and the iexec client keep it
//! <data>/wallets/<name>/password only for wallets the town made for itself: keys to play with, not to own things with
//! <data>/chain, blobs, pool …    what the town's services keep
//! <data>/workers/<name>          a worker's journal and cache
//! <data>/locks/<chain>-<address> held while a service acts with that wallet
//! <data>/scheduler, market/      what `oxec scheduler start` and `oxec market start` keep
//! ```

use std::{
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use protocol::deployment::Deployment;
use sdk::wallet::Wallet;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::arguments::Common;

/// The data folder.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// Where a town's services answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TownFile {
    /// The contracts.
    pub deployment: Deployment,
    /// The chain's JSON-RPC.
    pub rpc: Url,
    /// The market.
    pub market: Url,
    /// The pool: worker door, result door, blobs.
    pub pool: Url,
    /// The pool's entry on chain.
    pub workerpool: alloy_primitives::Address,
}

impl Home {
    /// The folder of `--data`, else the platform's place for a user's data.
    pub fn open(common: &Common) -> anyhow::Result<Self> {
        let folder = match &common.data {
            Some(folder) => folder.clone(),
            None => default_folder()?,
        };
        Ok(Self { folder })
    }

    /// A home in `folder`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the folder for one town; released when dropped, or when the process ends however it ends.
    pub fn lock(&self) -> anyhow::Result<fs::File> {
        lock(&self.folder, "town.lock", || {
            format!(
                "a town is up in {} already: use it, stop it, or choose another folder with --data",
                self.folder.display()
            )
        })
    }

    /// Where the running town answers.
    pub fn town(&self) -> anyhow::Result<TownFile> {
        let path = self.folder.join("town.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "there is no town in {}: start one with `oxec up`, say with --data where it is, or name another chain \
                 with --deployment FILE and --rpc URL",
                self.folder.display()
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not what `oxec up` writes", path.display()))
    }

    /// The town of a former `up`, if there was one.
    pub fn former_town(&self) -> anyhow::Result<Option<TownFile>> {
        if self.folder.join("town.json").exists() {
            self.town().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Writes down where the town answers; atomically, so that a reader sees the old or the new.
    pub fn keep_town(&self, town: &TownFile) -> anyhow::Result<()> {
        write_atomically(
            &self.folder.join("town.json"),
            serde_json::to_string_pretty(town)?.as_bytes(),
        )
    }

    /// The wallet to act with: OXEC_PRIVATE_KEY, a keystore file, or a name in this folder.
    pub fn wallet(&self, common: &Common) -> anyhow::Result<Wallet> {
        if std::env::var_os("OXEC_PRIVATE_KEY").is_some() {
            ensure!(
                common.wallet == "default",
                "two wallets are named: {:?} by --wallet (or OXEC_WALLET), and a key by OXEC_PRIVATE_KEY; name one",
                common.wallet
            );
            return Ok(Wallet::from_env("OXEC_PRIVATE_KEY")?);
        }
        let path = self.keystore(&common.wallet)?.with_context(|| {
            format!(
                "there is no wallet {:?} in {}: `oxec wallet create --wallet {}` makes one, `oxec wallet list` shows what is there",
                common.wallet,
                self.folder.join("wallets").display(),
                common.wallet,
            )
        })?;
        let password = match self.own_password(&path)? {
            Some(password) => password,
            None => password(common, &format!("password of {}: ", path.display()))?,
        };
        Ok(Wallet::open_keystore(&path, &password)?)
    }

    /// A wallet the town makes for itself and opens without asking.
    pub fn own_wallet(&self, name: &str) -> anyhow::Result<Wallet> {
        // Nothing is written where there is one: the folder may be read-only, as mounted secrets are.
        if self.keystore(name)?.is_some() {
            return self.own_wallet_of_one(name);
        }
        // One at a time: two that start at once would both make one.
        let wallets = self.folder.join("wallets");
        fs::create_dir_all(&wallets)
            .with_context(|| format!("cannot make the folder {}", wallets.display()))?;
        let turn = wallets.join("making.lock");
        let turn = fs::File::create(&turn)
            .and_then(|file| file.lock().map(|()| file))
            .with_context(|| format!("cannot lock {}", turn.display()))?;
        let wallet = self.own_wallet_of_one(name);
        drop(turn);
        wallet
    }

    fn own_wallet_of_one(&self, name: &str) -> anyhow::Result<Wallet> {
        if let Some(path) = self.keystore(name)? {
            let password = self.own_password(&path)?.with_context(|| {
                format!(
                    "the wallet {} has a password of its own; the town acts with wallets it made itself: \
                     move that folder away, or keep the town in another one with --data",
                    path.display()
                )
            })?;
            return Ok(Wallet::open_keystore(&path, &password)?);
        }
        let wallet = Wallet::random();
        let folder = self.wallet_folder(name)?;
        let password = alloy_primitives::hex::encode(rand::random::<[u8; 32]>());
        write_atomically(&folder.join("password"), password.as_bytes())?;
        wallet.save_keystore(&folder, &password)?;
        Ok(wallet)
    }

    /// Keeps `wallet` under `name`; refuses to replace another.
    pub fn keep_wallet(
        &self,
        name: &str,
        wallet: &Wallet,
        password: &str,
    ) -> anyhow::Result<PathBuf> {
        if let Some(path) = self.keystore(name)? {
            bail!(
                "there is a wallet {name:?} already, {}: choose another name with --wallet",
                path.display()
            );
        }
        Ok(wallet.save_keystore(self.wallet_folder(name)?, password)?)
    }

    /// Names of the wallets, with the files that hold them.
    pub fn wallets(&self) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let mut wallets = Vec::new();
        for folder in list(&self.folder.join("wallets"))? {
            let name = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if let Some(path) = self.keystore(&name)? {
                wallets.push((name, path));
            }
        }
        Ok(wallets)
    }

    /// Takes a wallet for one service on one chain, whose transactions it numbers; released when dropped, or when the
    /// process ends however it ends.
    pub fn lock_wallet(&self, wallet: &Wallet, chain_id: u64) -> anyhow::Result<fs::File> {
        let address = wallet.address();
        let name = format!("{chain_id}-{address}.lock");
        lock(&self.folder.join("locks"), &name, || {
            format!(
                "another service acts with the wallet {address} on chain {chain_id}, and two with one key would get in \
                 each other's way: stop it, or name another wallet with --wallet"
            )
        })
    }

    /// Whether this wallet's password lies beside it.
    pub fn opens_unasked(&self, common: &Common) -> anyhow::Result<bool> {
        if std::env::var_os("OXEC_PRIVATE_KEY").is_some() {
            return Ok(false);
        }
        match self.keystore(&common.wallet)? {
            Some(path) => Ok(self.own_password(&path)?.is_some()),
            None => Ok(false),
        }
    }

    fn wallet_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        ensure!(
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
                && !name.starts_with('.'),
            "{name:?} cannot name a wallet: use letters, digits, - and _"
        );
        let folder = self.folder.join("wallets").join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// The keystore file that `name` means.
    fn keystore(&self, name: &str) -> anyhow::Result<Option<PathBuf>> {
        // A name means a wallet of this folder, whatever lies about where the command is given.
        let file = Path::new(name);
        if name.contains(std::path::is_separator) {
            return Ok(file.is_file().then(|| file.to_owned()));
        }
        let folder = self.folder.join("wallets").join(name);
        Ok(list(&folder)?.into_iter().find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("UTC--"))
        }))
    }

    fn own_password(&self, keystore: &Path) -> anyhow::Result<Option<String>> {
        let path = keystore.with_file_name("password");
        if !keystore.starts_with(self.folder.join("wallets")) || !path.is_file() {
            return Ok(None);
        }
        fs::read_to_string(&path)
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display()))
    }
}

/// Takes a folder for one process; released when dropped, or when the process ends however it ends.
pub fn lock(folder: &Path, name: &str, taken: impl FnOnce() -> String) -> anyhow::Result<fs::File> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join(name);
    let file =
        fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => bail!(taken()),
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Reads a file that says where contracts stand.
pub fn read_deployment(path: &Path) -> anyhow::Result<Deployment> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "there is no deployment file {}: `oxec chain deploy --rpc URL` writes one, `oxec chain start` another",
            path.display()
        ),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the deployment file {}", path.display()));
        }
    };
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not a deployment file as `oxec chain deploy` writes it",
            path.display()
        )
    })
}

/// Writes such a file, for everybody on the machine to read: services run as users of their own.
pub fn write_deployment(path: &Path, deployment: &Deployment) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(deployment)? + "\n";
    let file = unfinished(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))
            .with_context(|| format!("cannot make {} readable", path.display()))?;
    }
    finish(file, path, text.as_bytes())
}

/// Whether a file can be written there, as far as that can be known before.
pub fn can_write(path: &Path) -> anyhow::Result<()> {
    ensure!(
        !path.is_dir(),
        "cannot write {}: it is a folder",
        path.display()
    );
    unfinished(path).map(drop)
}

/// The password: from `--password-file`, OXEC_PASSWORD, or the person at the terminal.
pub fn password(common: &Common, prompt: &str) -> anyhow::Result<String> {
    if let Some(path) = &common.password_file {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the password file {}", path.display()))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Ok(password) = std::env::var("OXEC_PASSWORD") {
        return Ok(password);
    }
    ensure!(
        std::io::stdin().is_terminal(),
        "a password is needed and nobody can be asked: give --password-file FILE or OXEC_PASSWORD"
    );
    Ok(rpassword::prompt_password(prompt)?)
}

/// Writes all of `bytes` or nothing, into a file that only its owner can read (as `tempfile` makes them).
pub fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    finish(unfinished(path)?, path, bytes)
}

/// A file beside `path` that will become it.
fn unfinished(path: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))
}

fn finish(mut file: tempfile::NamedTempFile, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.persist(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// What lies in a folder, sorted; nothing if there is no such folder.
fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the folder {}", folder.display()));
        }
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn default_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder).join("oxec"));
    }
    let home = std::env::home_dir()
        .context("this machine names no home folder: say with --data where to keep things")?;
    Ok(home.join(".local/share/oxec"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_file_of_where_the_command_is_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        assert!(Path::new("Cargo.toml").is_file());
        assert_eq!(home.keystore("Cargo.toml").expect("looked"), None);
        let file = home.keystore("./Cargo.toml").expect("looked");
        assert_eq!(file, Some(PathBuf::from("./Cargo.toml")));
    }

    #[test]
    fn two_that_want_the_same_new_wallet_get_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        let make = || home.own_wallet("worker").expect("a wallet").address();
        let (one, other) = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(make), scope.spawn(make));
            (one.join().expect("made"), other.join().expect("made"))
        });
        assert_eq!(one, other);
        assert_eq!(home.wallets().expect("listed").len(), 1);
    }
}
