//! A pool with a front door, a line and a blob door, but no will of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::B256;
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use protocol::ids::TaskId;
use sdk::wire::pool::{
    PinnedBlob, PoolInfo, StoredResult, ToPool, ToWorker, UPLOAD_SHA256_HEADER,
    UPLOAD_WORKER_HEADER, hello_digest,
};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// A test waits this long for what must come, and fails then.
const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Pool {
    pub(crate) url: Url,
    state: Arc<Told>,
    heard: mpsc::UnboundedReceiver<ToPool>,
    server: JoinHandle<()>,
}

struct Told {
    info: Mutex<PoolInfo>,
    asked: AtomicU64,
    /// The line to the worker; dropping it cuts it.
    line: Mutex<Option<(mpsc::UnboundedSender<ToWorker>, DropGuard)>>,
    heard: mpsc::UnboundedSender<ToPool>,
    uploads: AsyncMutex<Vec<(TaskId, Vec<u8>)>>,
    /// What to answer the next uploads with.
    upload_answers: Mutex<Vec<StatusCode>>,
}

impl Pool {
    /// Opens on a port, 0 for a free one.
    pub(crate) async fn open(port: u16, info: PoolInfo, store: blobs::Store) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"))
            .parse()
            .expect("a URL");
        let (said, heard) = mpsc::unbounded_channel();
        let state = Arc::new(Told {
            info: Mutex::new(info),
            asked: AtomicU64::new(0),
            line: Mutex::default(),
            heard: said,
            uploads: AsyncMutex::default(),
            upload_answers: Mutex::default(),
        });
        let router = Router::new()
            .route("/pool", get(tell))
            .route("/worker", get(line))
            .route("/results/{task}", put(take))
            .with_state(state.clone())
            .merge(blobs::door(store, blobs::DoorOptions::default()));
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self {
            url,
            state,
            heard,
            server,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port().expect("a port")
    }

    pub(crate) fn set_info(&self, change: impl FnOnce(&mut PoolInfo)) {
        change(&mut self.state.info.lock().expect("whole"));
    }

    /// Answers the next uploads with these instead of taking them.
    pub(crate) fn refuse_uploads(&self, answers: &[StatusCode]) {
        *self.state.upload_answers.lock().expect("whole") = answers.to_vec();
    }

    /// How many of those are left.
    pub(crate) fn answers_left(&self) -> usize {
        self.state.upload_answers.lock().expect("whole").len()
    }

    /// How often the front door was asked.
    pub(crate) fn times_asked(&self) -> u64 {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// Cuts the line and shuts the doors.
    pub(crate) async fn close(&mut self) {
        self.cut();
        self.server.abort();
        // Aborted, so there is an error to ignore.
        let _ = (&mut self.server).await;
    }

    /// Cuts the line only.
    pub(crate) fn cut(&self) {
        self.state.line.lock().expect("whole").take();
    }

    pub(crate) fn say(&self, message: ToWorker) {
        let line = self.state.line.lock().expect("whole");
        line.as_ref()
            .expect("a worker is connected")
            .0
            .send(message)
            .expect("the line is open");
    }

    /// The next thing the worker says.
    pub(crate) async fn next(&mut self) -> ToPool {
        tokio::time::timeout(SOON, self.heard.recv())
            .await
            .expect("the worker says something")
            .expect("open")
    }

    /// Everything up to and including the first message that fits.
    pub(crate) async fn until(&mut self, fits: impl Fn(&ToPool) -> bool) -> Vec<ToPool> {
        let mut heard = Vec::new();
        loop {
            let message = self.next().await;
            let found = fits(&message);
            heard.push(message);
            if found {
                return heard;
            }
        }
    }

    /// Whether a task's result was uploaded.
    pub(crate) async fn has_upload(&self, task: TaskId) -> bool {
        self.state
            .uploads
            .lock()
            .await
            .iter()
            .any(|(of, _)| *of == task)
    }

    /// The zip of a task's result, which was uploaded.
    pub(crate) async fn uploaded(&self, task: TaskId) -> Vec<u8> {
        let uploads = self.state.uploads.lock().await;
        uploads
            .iter()
            .rev()
            .find(|(of, _)| *of == task)
            .expect("uploaded")
            .1
            .clone()
    }
}

async fn tell(State(told): State<Arc<Told>>) -> axum::Json<PoolInfo> {
    told.asked.fetch_add(1, Ordering::Relaxed);
    axum::Json(told.info.lock().expect("whole").clone())
}

async fn line(State(told): State<Arc<Told>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| talk(told, socket))
}

async fn talk(told: Arc<Told>, mut socket: WebSocket) {
    let nonce = B256::random();
    if send(&mut socket, &ToWorker::Challenge { nonce })
        .await
        .is_none()
    {
        return;
    }
    let (line, mut to_say) = mpsc::unbounded_channel();
    let cut = CancellationToken::new();
    loop {
        tokio::select! {
            frame = socket.recv() => {
                let Some(Ok(frame)) = frame else { return };
                let Message::Text(text) = frame else { continue };
                let message: ToPool = serde_json::from_str(&text).expect("the worker speaks the wire's language");
                if let ToPool::Hello { worker, signature, holding, .. } = &message {
                    let info = told.info.lock().expect("whole").clone();
                    let digest = hello_digest(info.deployment.chain_id, info.workerpool, nonce);
                    let hash = protocol::contribution::message_hash(digest);
                    let signer = alloy_primitives::Signature::from_raw(signature)
                        .and_then(|signature| signature.recover_address_from_prehash(&hash));
                    assert_eq!(signer.expect("a signature"), *worker);
                    *told.line.lock().expect("whole") = Some((line.clone(), cut.clone().drop_guard()));
                    if send(&mut socket, &ToWorker::Welcome { keep: holding.clone() }).await.is_none() {
                        return;
                    }
                }
                let _ = told.heard.send(message);
            }
            message = to_say.recv() => match message {
                Some(message) => {
                    if send(&mut socket, &message).await.is_none() {
                        return;
                    }
                }
                None => return,
            },
            () = cut.cancelled() => return,
        }
    }
}

async fn send(socket: &mut WebSocket, message: &ToWorker) -> Option<()> {
    let text = serde_json::to_string(message).expect("a message is JSON");
    socket.send(Message::text(text)).await.ok()
}

async fn take(
    State(told): State<Arc<Told>>,
    Path(task): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refusal = {
        let mut answers = told.upload_answers.lock().expect("whole");
        if answers.is_empty() {
            None
        } else {
            Some(answers.remove(0))
        }
    };
    if let Some(refusal) = refusal {
        return refusal.into_response();
    }
    assert!(headers.contains_key(UPLOAD_WORKER_HEADER));
    let sha256 = headers[UPLOAD_SHA256_HEADER].to_str().expect("text");
    assert_eq!(sha256, format!("{:x}", protocol::result::sha256(&body)));
    let task = task.parse().expect("a task");
    let mut hasher = blobs::Hasher::new();
    hasher.update(&body);
    let own = hasher.finish();
    told.uploads.lock().await.push((task, body.to_vec()));
    let blob = PinnedBlob {
        cid: own.cid.to_string(),
        length: own.length,
        sha256: own.sha256.into(),
    };
    axum::Json(StoredResult { task, blob }).into_response()
}
