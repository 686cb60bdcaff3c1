//! The store's HTTP door: `GET|HEAD /ipfs/{cid}` and `POST /blobs`.
//!
//! The bytes are strangers' bytes. They leave as attachments without a type and in a sandbox, so that a browser
//! never runs them in this origin. What they are cannot change, so they may be cached for ever.
//!
//! ```text
//! GET /ipfs/{cid}[?filename=name]   200 | 206 (one range) | 304 | 400 | 404 | 416
//! POST /blobs  (body: the bytes)    200 {"cid","length","sha256"} | 403 | 413 | 507
//! errors                            {"error": "one sentence"}
//! ```

use std::error::Error;
use std::ops::Range;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::{Address, BlobError, Store};

/// What a door lets through.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DoorOptions {
    /// The largest upload, bytes; none: nobody may upload. Default: 1 GiB.
    pub upload_limit_bytes: Option<u64>,
}

impl Default for DoorOptions {
    fn default() -> Self {
        Self {
            upload_limit_bytes: Some(1 << 30),
        }
    }
}

/// The routes, to be merged into a service's own.
pub fn door(store: Store, options: DoorOptions) -> Router {
    Router::new()
        .route("/ipfs/{cid}", get(read))
        .route("/blobs", post(write))
        .with_state(Door { store, options })
}

#[derive(Debug, Clone)]
struct Door {
    store: Store,
    options: DoorOptions,
}

#[derive(Debug, Deserialize)]
struct ReadQuery {
    /// The name to suggest to whoever saves the file.
    filename: Option<String>,
}

async fn read(
    State(door): State<Door>,
    Path(cid): Path<String>,
    Query(query): Query<ReadQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let cid: Address = cid.parse()?;
    let blob = door.store.open(cid).await?;
    let length = blob.length();
    let tag = format!("\"{cid}\"");

    let mut answer = HeaderMap::new();
    for (name, value) in [
        (header::ETAG, tag.clone()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (
            header::CACHE_CONTROL,
            "public, max-age=31536000, immutable".to_owned(),
        ),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            disposition(query.filename.as_deref()),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox".to_owned(),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin".to_owned(),
        ),
        // Whoever knows the address may have the bytes, pages of other origins too.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (HeaderName::from_static("x-ipfs-path"), cid.path()),
    ] {
        insert(&mut answer, name, &value);
    }
    if matches_tag(headers.get(header::IF_NONE_MATCH), &tag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }

    let (status, range) = match asked_range(&headers, &tag, length) {
        Asked::Everything => (StatusCode::OK, 0..length),
        Asked::Part(range) => {
            let value = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            insert(&mut answer, header::CONTENT_RANGE, &value);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Asked::Nothing => {
            let mut refusal = refuse(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("blob {cid} has {length} bytes, none of them in that range"),
            );
            insert(
                refusal.headers_mut(),
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            return Ok(refusal);
        }
    };
    insert(
        &mut answer,
        header::CONTENT_LENGTH,
        &(range.end - range.start).to_string(),
    );
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(blob.range(range).await?)
    };
    Ok((status, answer, body).into_response())
}

async fn write(
    State(door): State<Door>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Some(limit_bytes) = door.options.upload_limit_bytes else {
        return Ok(refuse(
            StatusCode::FORBIDDEN,
            "this door takes no uploads".to_owned(),
        ));
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(BlobError::TooLarge {
            what: "the upload".to_owned(),
            limit_bytes,
        }
        .into());
    }
    let stored = door
        .store
        .put(body.into_data_stream(), Some(limit_bytes))
        .await?;
    Ok(Json(stored).into_response())
}

/// What of a blob a request wants.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Everything,
    Part(Range<u64>),
    /// A range with no byte in it.
    Nothing,
}

fn asked_range(headers: &HeaderMap, tag: &str, length: u64) -> Asked {
    if headers
        .get(header::IF_RANGE)
        .is_some_and(|value| value.as_bytes() != tag.as_bytes())
    {
        return Asked::Everything;
    }
    match headers.get(header::RANGE).map(|value| value.to_str()) {
        Some(Ok(text)) => parse_range(text, length),
        _ => Asked::Everything,
    }
}

/// One range is answered; several, other units and nonsense are ignored, as HTTP permits.
fn parse_range(text: &str, length: u64) -> Asked {
    let Some((first, last)) = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Asked::Everything;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..length.min(last.saturating_add(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Asked::Everything,
    };
    if range.is_empty() {
        Asked::Nothing
    } else {
        Asked::Part(range)
    }
}

fn matches_tag(header: Option<&HeaderValue>, tag: &str) -> bool {
    header
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| {
            text.split(',')
                .map(str::trim)
                .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
        })
}

/// Always an attachment; a suggested name loses its folders and whatever else could surprise whoever saves it.
fn disposition(filename: Option<&str>) -> String {
    let Some(name) = filename.map(|name| name.rsplit(['/', '\\']).next().unwrap_or_default())
    else {
        return "attachment".to_owned();
    };
    let encoded: String = name
        .bytes()
        .take(255)
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    if encoded.trim_matches('.').is_empty() {
        return "attachment".to_owned();
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

/// For values made above from ids and numbers: always visible ASCII.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn refuse(status: StatusCode, error: String) -> Response {
    (status, Json(serde_json::json!({ "error": error }))).into_response()
}

/// A [`BlobError`] as an answer.
struct Refusal(BlobError);

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            BlobError::BadAddress { .. } | BlobError::Interrupted { .. } => StatusCode::BAD_REQUEST,
            BlobError::NotFound { .. } => StatusCode::NOT_FOUND,
            BlobError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BlobError::DiskFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR || status == StatusCode::INSUFFICIENT_STORAGE
        {
            let cause = self.0.source().map(ToString::to_string).unwrap_or_default();
            tracing::error!(error = %self.0, cause, "blob door failed");
            // Paths of this machine are nobody else's business.
            let sentence = match status {
                StatusCode::INSUFFICIENT_STORAGE => {
                    "this store is full; try again later or elsewhere"
                }
                _ => "this store cannot reach its files; its operator finds the reason in the log",
            };
            return refuse(status, sentence.to_owned());
        }
        refuse(status, self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_means_them() {
        for (text, length, asked) in [
            ("bytes=0-0", 10, Asked::Part(0..1)),
            ("bytes=2-5", 10, Asked::Part(2..6)),
            ("bytes=2-", 10, Asked::Part(2..10)),
            ("bytes=2-99", 10, Asked::Part(2..10)),
            ("bytes=0-18446744073709551615", 10, Asked::Part(0..10)),
            ("bytes=-3", 10, Asked::Part(7..10)),
            ("bytes=-99", 10, Asked::Part(0..10)),
            ("bytes=10-", 10, Asked::Nothing),
            ("bytes=99-100", 10, Asked::Nothing),
            ("bytes=-0", 10, Asked::Nothing),
            ("bytes=0-", 0, Asked::Nothing),
            ("bytes=5-2", 10, Asked::Everything),
            ("bytes=0-1,3-4", 10, Asked::Everything),
            ("bytes=", 10, Asked::Everything),
            ("bytes=-", 10, Asked::Everything),
            ("lines=1-2", 10, Asked::Everything),
            ("bytes=a-b", 10, Asked::Everything),
        ] {
            assert_eq!(parse_range(text, length), asked, "{text} of {length}");
        }
    }

    #[test]
    fn a_suggested_name_is_only_a_name() {
        for (filename, header) in [
            (None, "attachment"),
            (Some("tile.svg"), "attachment; filename*=UTF-8''tile.svg"),
            (
                Some("../../etc/passwd"),
                "attachment; filename*=UTF-8''passwd",
            ),
            (
                Some("a\r\nset-cookie: b"),
                "attachment; filename*=UTF-8''a%0D%0Aset-cookie%3A%20b",
            ),
            (Some("é\"x"), "attachment; filename*=UTF-8''%C3%A9%22x"),
            (Some(".."), "attachment"),
            (Some("dir/"), "attachment"),
        ] {
            assert_eq!(disposition(filename), header);
        }
    }
}
