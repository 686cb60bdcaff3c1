//! The other end of a door, and of any web server that has a file we need.
//!
//! Nothing that comes in is believed: what a door sends is hashed while it streams into a temporary file, and only
//! gets its name when the address is right; what a URL gives is measured and pinned the same way.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use reqwest::{Body, Response};
use tempfile::TempPath;
use tokio_util::io::ReaderStream;
use url::Url;

use crate::error::shortened;
use crate::landing::{Landed, Landing};
use crate::reach::{PublicNames, Reach, is_private_number, refused};
use crate::{Address, BlobError, Store, Stored};

/// Redirects followed by [`fetch_url`].
const MOST_REDIRECTS: usize = 5;
/// A server that is asked and says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// Files brought for others to read.
const FILE_MODE: u32 = 0o644;

/// Talks to one blob door. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
}

impl Client {
    /// The door at `base`: `http://127.0.0.1:8080` or, under a path, `https://pool.example/blobdoor/`.
    #[must_use]
    pub fn new(mut base: Url) -> Self {
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Self { base, http: http() }
    }

    /// Where the door serves a blob.
    pub fn url(&self, cid: Address) -> Result<Url, BlobError> {
        self.at(&format!("ipfs/{cid}"))
    }

    /// Sends a file, streamed.
    pub async fn upload_file(&self, path: impl AsRef<Path>) -> Result<Stored, BlobError> {
        let path = path.as_ref();
        let reading = |error| BlobError::io("read", path, error);
        let file = tokio::fs::File::open(path).await.map_err(reading)?;
        let length = file.metadata().await.map_err(reading)?.len();
        self.upload(
            Body::wrap_stream(ReaderStream::with_capacity(file, 64 * 1024)),
            Some(length),
        )
        .await
    }

    /// Sends bytes.
    pub async fn upload_bytes(&self, bytes: impl Into<Bytes>) -> Result<Stored, BlobError> {
        self.upload(Body::from(bytes.into()), None).await
    }

    async fn upload(&self, body: Body, length: Option<u64>) -> Result<Stored, BlobError> {
        let url = self.at("blobs")?;
        let mut request = http_up().post(url.clone()).body(body);
        if let Some(length) = length {
            request = request.header(reqwest::header::CONTENT_LENGTH, length);
        }
        let response = request
            .send()
            .await
            .map_err(|error| unreachable("upload to", &url, error))?;
        accepted(&url, response)
            .await?
            .json()
            .await
            .map_err(|error| unreachable("upload to", &url, error))
    }

    /// Brings a blob to `to`, which appears only if every byte was right. More than `limit_bytes` are not read.
    pub async fn download(
        &self,
        cid: Address,
        to: impl AsRef<Path>,
        limit_bytes: u64,
    ) -> Result<Stored, BlobError> {
        let to = to.as_ref();
        let folder = to
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let url = self.url(cid)?;
        let response = get(&self.http, &url).await?;
        let landed = land(response, &url, folder, limit_bytes).await?;
        check(&url, cid, &landed.stored)?;
        landed.name(to, FILE_MODE).await
    }

    /// Brings a blob into a store, unless it is there already.
    pub async fn download_into(
        &self,
        store: &Store,
        cid: Address,
        limit_bytes: u64,
    ) -> Result<(), BlobError> {
        if store.has(cid).await? {
            return Ok(());
        }
        let url = self.url(cid)?;
        let response = get(&self.http, &url).await?;
        let mut writer = store.writer(Some(limit_bytes)).await?;
        let mut body = response.bytes_stream();
        while let Some(piece) = body.next().await {
            writer
                .write(&piece.map_err(|error| unreachable("fetch", &url, error))?)
                .await?;
        }
        writer.finish_if(|stored| check(&url, cid, stored)).await?;
        Ok(())
    }

    fn at(&self, path: &str) -> Result<Url, BlobError> {
        self.base
            .join(path)
            .map_err(|error| BlobError::Unreachable {
                doing: "find a path under",
                url: self.base.clone(),
                source: Box::new(error),
            })
    }
}

/// A file from the web in a temporary place; gone when dropped.
#[derive(Debug)]
pub struct Fetched {
    /// Where it lies.
    pub file: TempPath,
    /// What it is.
    pub stored: Stored,
}

/// Brings a file from anywhere: at most `limit_bytes`, within `timeout`, through at most 5 redirects; with
/// `expected_sha256`, only if it is that file; from as far as `reach` says.
pub async fn fetch_url(
    url: &Url,
    reach: Reach,
    limit_bytes: u64,
    expected_sha256: Option<[u8; 32]>,
    timeout: Duration,
) -> Result<Fetched, BlobError> {
    within(url, timeout, async {
        let response = get_within(reach, url).await?;
        let landed = land(response, url, &std::env::temp_dir(), limit_bytes).await?;
        check_sha256(url, expected_sha256, &landed.stored)?;
        Ok(Fetched {
            file: landed.temporary,
            stored: landed.stored,
        })
    })
    .await
}

impl Store {
    /// [`fetch_url`] straight into this store.
    pub async fn fetch_url(
        &self,
        url: &Url,
        reach: Reach,
        limit_bytes: u64,
        expected_sha256: Option<[u8; 32]>,
        timeout: Duration,
    ) -> Result<Stored, BlobError> {
        within(url, timeout, async {
            let response = get_within(reach, url).await?;
            let mut writer = self.writer(Some(limit_bytes)).await?;
            let mut body = response.bytes_stream();
            while let Some(piece) = body.next().await {
                writer
                    .write(&piece.map_err(|error| unreachable("fetch", url, error))?)
                    .await?;
            }
            writer
                .finish_if(|stored| check_sha256(url, expected_sha256, stored))
                .await
        })
        .await
    }
}

async fn within<T>(
    url: &Url,
    timeout: Duration,
    work: impl Future<Output = Result<T, BlobError>>,
) -> Result<T, BlobError> {
    tokio::time::timeout(timeout, work)
        .await
        .unwrap_or_else(|elapsed| {
            Err(BlobError::Unreachable {
                doing: "fetch in time",
                url: shown(url),
                source: Box::new(elapsed),
            })
        })
}

async fn land(
    response: Response,
    url: &Url,
    folder: &Path,
    limit_bytes: u64,
) -> Result<Landed, BlobError> {
    let mut landing = Landing::in_folder(folder, shown(url).to_string(), Some(limit_bytes)).await?;
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        landing
            .write(&piece.map_err(|error| unreachable("fetch", url, error))?)
            .await?;
    }
    landing.finish().await
}

async fn get_within(reach: Reach, url: &Url) -> Result<Response, BlobError> {
    match reach {
        Reach::Anywhere => get(&http(), url).await,
        Reach::PublicOnly if is_private_number(url) => Err(BlobError::Unreachable {
            doing: "fetch",
            url: shown(url),
            source: Box::new(refused()),
        }),
        Reach::PublicOnly => get(&http_public(), url).await,
    }
}

async fn get(http: &reqwest::Client, url: &Url) -> Result<Response, BlobError> {
    let response = http
        .get(url.clone())
        .send()
        .await
        .map_err(|error| unreachable("fetch", url, error))?;
    accepted(url, response).await
}

async fn accepted(url: &Url, response: Response) -> Result<Response, BlobError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(BlobError::Refused {
        url: shown(url),
        status: status.as_u16(),
        message: reason(response).await,
    })
}

/// The refusal in the other side's words, if it has any: `{"error": "…"}` or the first line of its body.
async fn reason(response: Response) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        error: String,
    }
    let fallback = response
        .status()
        .canonical_reason()
        .unwrap_or("no reason given")
        .to_owned();
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        body.extend_from_slice(&piece);
        if body.len() > 4096 {
            break;
        }
    }
    if let Ok(ErrorBody { error }) = serde_json::from_slice(&body) {
        return shortened(&error);
    }
    match String::from_utf8_lossy(&body).lines().next().map(str::trim) {
        Some(line) if !line.is_empty() && !line.starts_with('<') => shortened(line),
        _ => fallback,
    }
}

fn check(url: &Url, cid: Address, stored: &Stored) -> Result<(), BlobError> {
    if stored.cid == cid {
        return Ok(());
    }
    Err(BlobError::Mismatch {
        source_name: shown(url).to_string(),
        expected: cid.to_string(),
        found: stored.cid.to_string(),
    })
}

fn check_sha256(url: &Url, expected: Option<[u8; 32]>, stored: &Stored) -> Result<(), BlobError> {
    match expected {
        Some(expected) if expected != stored.sha256 => Err(BlobError::Mismatch {
            source_name: shown(url).to_string(),
            expected: format!("sha256 {}", hex::encode(expected)),
            found: format!("sha256 {}", stored.sha256_hex()),
        }),
        _ => Ok(()),
    }
}

fn unreachable(doing: &'static str, url: &Url, error: reqwest::Error) -> BlobError {
    BlobError::Unreachable {
        doing,
        url: shown(url),
        source: Box::new(error.without_url()),
    }
}

/// A URL as it may be shown: passwords in it are nobody's business.
fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url
}

/// One HTTP client for the process: connections are shared.
fn http() -> reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| build(|client| client.read_timeout(SILENCE)))
        .clone()
}

/// The one for uploads: a door says nothing until it has everything, however long that takes over a slow line. A door
/// that is gone is told by the connection itself, which is kept alive.
fn http_up() -> reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| build(|client| client)).clone()
}

/// The one for strangers' URLs: public addresses only, at every step of a redirect. No proxy either, which would look
/// names up for itself.
fn http_public() -> reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| {
        build(|client| {
            client
                .read_timeout(SILENCE)
                .no_proxy()
                .dns_resolver(std::sync::Arc::new(PublicNames))
                .redirect(reqwest::redirect::Policy::custom(|attempt| {
                    if is_private_number(attempt.url()) {
                        attempt.error(refused())
                    } else if attempt.previous().len() > MOST_REDIRECTS {
                        attempt.error("too many redirects")
                    } else {
                        attempt.follow()
                    }
                }))
        })
    })
    .clone()
}

fn build(more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> reqwest::Client {
    // Fails only if somebody in this process chose a provider already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::limited(MOST_REDIRECTS))
        .connect_timeout(Duration::from_secs(10));
    more(client)
        .build()
        .expect("no option above can fail once a TLS provider is installed")
}
