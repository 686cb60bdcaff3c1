use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use axum::response::Redirect;
use axum::routing::get;
use blobs::address::of_bytes;
use blobs::{BlobError, Client, DoorOptions, Reach, Store, door, fetch_url};
use tower::ServiceExt;
use url::Url;

use crate::bytes;

const SECONDS: Duration = Duration::from_secs(20);

struct House {
    folder: tempfile::TempDir,
    store: Store,
    router: Router,
}

fn house(options: DoorOptions) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::folder(folder.path().join("store")).expect("opens");
    let router = door(store.clone(), options);
    House {
        folder,
        store,
        router,
    }
}

/// Serves on a port of its own until the test ends.
async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}").parse().expect("a URL")
}

async fn ask(router: &Router, request: Request<Body>) -> (Response<()>, Vec<u8>) {
    let response = router.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    (
        Response::from_parts(parts, ()),
        to_bytes(body, usize::MAX).await.expect("a body").to_vec(),
    )
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn a_blob_is_read_whole_in_part_and_only_when_changed() {
    let house = house(DoorOptions::default());
    let content = bytes(300_000);
    let cid = house.store.put_bytes(&content).await.expect("fits").cid;
    let path = format!("/ipfs/{cid}");
    let tag = format!("\"{cid}\"");

    let (head, body) = ask(
        &house.router,
        request("GET", &format!("{path}?filename=a%20b.bin"), &[]),
    )
    .await;
    assert_eq!(
        (head.status(), body.as_slice()),
        (StatusCode::OK, content.as_slice())
    );
    for (name, value) in [
        ("etag", tag.as_str()),
        ("content-length", "300000"),
        ("accept-ranges", "bytes"),
        (
            "content-disposition",
            "attachment; filename*=UTF-8''a%20b.bin",
        ),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("content-type", "application/octet-stream"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(head.headers()[name], value);
    }
    let (head, body) = ask(&house.router, request("HEAD", &path, &[])).await;
    assert_eq!((head.status(), body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers()["content-length"], "300000");

    let (head, body) = ask(
        &house.router,
        request("GET", &path, &[("range", "bytes=70000-70009")]),
    )
    .await;
    assert_eq!(
        (head.status(), body.as_slice()),
        (StatusCode::PARTIAL_CONTENT, &content[70000..70010])
    );
    assert_eq!(head.headers()["content-range"], "bytes 70000-70009/300000");
    assert_eq!(head.headers()["content-length"], "10");

    let (head, _) = ask(
        &house.router,
        request("GET", &path, &[("range", "bytes=300000-")]),
    )
    .await;
    assert_eq!(head.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(head.headers()["content-range"], "bytes */300000");

    let stale = [("range", "bytes=1-2"), ("if-range", "\"other\"")];
    let (head, body) = ask(&house.router, request("GET", &path, &stale)).await;
    assert_eq!((head.status(), body.len()), (StatusCode::OK, 300_000));

    let (head, body) = ask(
        &house.router,
        request("GET", &path, &[("if-none-match", &tag)]),
    )
    .await;
    assert_eq!((head.status(), body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn what_is_not_there_or_no_address_is_said_so() {
    let house = house(DoorOptions::default());
    let missing = of_bytes(b"nobody put this").cid;
    let (head, body) = ask(
        &house.router,
        request("GET", &format!("/ipfs/{missing}"), &[]),
    )
    .await;
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        String::from_utf8_lossy(&body),
        format!("{{\"error\":\"no blob {missing} here\"}}")
    );
    for bad in ["hello", "..%2F..%2Fetc%2Fpasswd", "bafy"] {
        let (head, body) = ask(&house.router, request("GET", &format!("/ipfs/{bad}"), &[])).await;
        assert_eq!(head.status(), StatusCode::BAD_REQUEST);
        assert!(
            String::from_utf8_lossy(&body).contains("is not the address of a blob"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn uploads_are_taken_up_to_the_limit_and_only_where_allowed() {
    let house = house(DoorOptions {
        upload_limit_bytes: Some(1_000_000),
    });
    let base = serve(house.router.clone()).await;
    let client = Client::new(base.clone());

    let content = bytes(1_000_000);
    let stored = client.upload_bytes(content.clone()).await.expect("fits");
    assert_eq!(stored, of_bytes(&content));
    let file = house.folder.path().join("file");
    std::fs::write(&file, bytes(500_000)).expect("writes");
    assert_eq!(
        client.upload_file(&file).await.expect("fits"),
        of_bytes(&bytes(500_000))
    );

    let announced = client
        .upload_bytes(bytes(1_000_001))
        .await
        .expect_err("too large");
    assert!(
        matches!(announced, BlobError::Refused { status: 413, .. }),
        "{announced}"
    );
    assert!(
        announced
            .to_string()
            .ends_with("the upload is larger than the 1000000 bytes allowed"),
        "{announced}"
    );
    // Without a length announced, the limit is only met on the way.
    let pieces = (0..30).map(|_| Ok::<_, std::io::Error>(bytes(50_000)));
    let streamed = Request::post("/blobs")
        .body(Body::from_stream(futures::stream::iter(pieces)))
        .expect("a request");
    let (head, _) = ask(&house.router, streamed).await;
    assert_eq!(head.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let closed = door(
        house.store.clone(),
        DoorOptions {
            upload_limit_bytes: None,
        },
    );
    let (head, body) = ask(&closed, request("POST", "/blobs", &[])).await;
    assert_eq!(head.status(), StatusCode::FORBIDDEN);
    assert_eq!(body, b"{\"error\":\"this door takes no uploads\"}");
}

#[tokio::test]
async fn a_download_is_kept_only_if_every_byte_is_right() {
    let house = house(DoorOptions::default());
    let content = bytes(2_000_000);
    let cid = house.store.put_bytes(&content).await.expect("fits").cid;
    let honest = Client::new(serve(house.router.clone()).await);
    let to = house.folder.path().join("out/file");
    std::fs::create_dir(house.folder.path().join("out")).expect("creates");
    assert_eq!(
        honest.download(cid, &to, 2_000_000).await.expect("comes"),
        of_bytes(&content)
    );
    assert_eq!(std::fs::read(&to).expect("is there"), content);
    std::fs::remove_file(&to).expect("removes");

    let mut forged = content.clone();
    forged[1_500_000] ^= 1;
    let liar = Router::new().route("/ipfs/{cid}", get(move || async move { forged }));
    let liar = Client::new(serve(liar).await);
    let error = liar
        .download(cid, &to, 2_000_000)
        .await
        .expect_err("forged");
    assert!(
        matches!(&error, BlobError::Mismatch { expected, .. } if *expected == cid.to_string()),
        "{error}"
    );
    let other = Store::folder(house.folder.path().join("other")).expect("opens");
    liar.download_into(&other, cid, 2_000_000)
        .await
        .expect_err("forged");
    assert!(!other.has(cid).await.expect("readable"));
    honest
        .download_into(&other, cid, 2_000_000)
        .await
        .expect("comes");
    assert!(other.has(cid).await.expect("readable"));

    let error = honest
        .download(cid, &to, 1_999_999)
        .await
        .expect_err("too large");
    assert!(matches!(error, BlobError::TooLarge { .. }), "{error}");
    let error = honest
        .download(of_bytes(b"other").cid, &to, 10)
        .await
        .expect_err("not there");
    assert!(
        matches!(error, BlobError::Refused { status: 404, .. }),
        "{error}"
    );
    let left = std::fs::read_dir(house.folder.path().join("out"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0, "something was kept that is not right");
}

#[tokio::test]
async fn a_file_from_the_web_is_pinned_limited_and_not_waited_for_for_ever() {
    let content = bytes(100_000);
    let served = content.clone();
    let site = Router::new()
        .route("/file", get(move || async move { served }))
        .route("/twice", get(|| async { Redirect::temporary("/once") }))
        .route("/once", get(|| async { Redirect::temporary("/file") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/never", get(std::future::pending::<()>));
    let base = serve(site).await;
    let at = |path: &str| base.join(path).expect("a URL");
    let right = of_bytes(&content).sha256;

    let fetched = fetch_url(
        &at("/twice"),
        Reach::Anywhere,
        100_000,
        Some(right),
        SECONDS,
    )
    .await
    .expect("comes");
    assert_eq!(std::fs::read(&fetched.file).expect("is there"), content);
    let file = fetched.file.to_path_buf();
    drop(fetched);
    assert!(!file.exists());

    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::folder(folder.path()).expect("opens");
    let stored = store
        .fetch_url(&at("/file"), Reach::Anywhere, 100_000, Some(right), SECONDS)
        .await
        .expect("comes");
    assert_eq!(
        store.get(stored.cid, u64::MAX).await.expect("is there"),
        content
    );

    let other = store
        .fetch_url(
            &at("/file"),
            Reach::Anywhere,
            100_000,
            Some([1; 32]),
            SECONDS,
        )
        .await;
    assert!(matches!(other, Err(BlobError::Mismatch { .. })));
    let large = fetch_url(&at("/file"), Reach::Anywhere, 99_999, None, SECONDS).await;
    assert!(matches!(large, Err(BlobError::TooLarge { .. })));
    let round = fetch_url(&at("/round"), Reach::Anywhere, 100_000, None, SECONDS).await;
    assert!(matches!(round, Err(BlobError::Unreachable { .. })));
    let slow = fetch_url(
        &at("/never"),
        Reach::Anywhere,
        100_000,
        None,
        Duration::from_millis(200),
    )
    .await;
    assert!(
        slow.expect_err("never comes")
            .to_string()
            .starts_with("cannot fetch in time http://127.0.0.1")
    );
    let missing = fetch_url(&at("/nothing"), Reach::Anywhere, 100_000, None, SECONDS).await;
    assert!(matches!(
        missing,
        Err(BlobError::Refused { status: 404, .. })
    ));
}

#[tokio::test]
async fn a_strangers_url_does_not_reach_private_networks() {
    let site = Router::new().route("/secret", get(|| async { "for this machine only" }));
    let base = serve(site).await;
    let number = base.join("/secret").expect("a URL");
    let mut name = number.clone();
    name.set_host(Some("localhost")).expect("a host");
    for url in [number, name] {
        let error = fetch_url(&url, Reach::PublicOnly, 1_000, None, SECONDS)
            .await
            .expect_err("refused");
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            words.push_str(&format!(": {error}"));
            cause = error.source();
        }
        assert!(words.contains("private network"), "{words}");
        assert!(!words.contains("for this machine only"));
    }
}
