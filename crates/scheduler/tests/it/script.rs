//! A worker that follows a script: speaks the pool's protocol, sends real transactions, and does what it is told to
//! do wrong.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use protocol::TaskId;
use protocol::result::{Digest, Manifest, ManifestFile, ResultLink, sha256};
use protocol::task::TaskStatus;
use sdk::chain::{Chain, Sender};
use sdk::contribution::Enclave;
use sdk::wallet::Wallet;
use sdk::wire::pool::{
    Assignment, FailureCause, PoolInfo, StoredResult, TaskFailure, ToPool, ToWorker,
    UPLOAD_SHA256_HEADER, UPLOAD_SIGNATURE_HEADER, UPLOAD_WORKER_HEADER, hello_digest,
    upload_digest,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use url::Url;

/// What a worker does when a task comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    Honest,
    /// Contributes, and insists on, something else.
    Lies,
    /// Closes the connection when it is given a task, and does not come back.
    Dies,
    /// Its application fails.
    Fails,
    /// Says that the application fails, each time in words of its own.
    Complains,
    /// Uploads other bytes than those it revealed the digest of.
    UploadsWrong,
    /// Reveals, and does not upload however often it is asked.
    Withholds,
    /// Accepts and never does anything.
    Sleeps,
    /// Does not even answer.
    Mute,
    /// Contributes and never reveals.
    Silent,
    /// Honest, with a result for the requester's contract.
    CallsBack,
    /// Honest, by one transaction where the pool offers it: the bytes first.
    OneStep,
    /// The same, but it is gone once its bytes are taken.
    DiesDelivered,
    /// Ends the task by one transaction with a link to nowhere: no bytes for the pool.
    KeepsBytes,
}

/// A running scripted worker; dropping it ends it.
pub(crate) struct Worker {
    pub(crate) wallet: Wallet,
    /// Tasks it was given, in order.
    pub(crate) given: Arc<Mutex<Vec<TaskId>>>,
    /// Tasks it was told are on chain now.
    pub(crate) announced: Arc<Mutex<Vec<TaskId>>>,
    /// Tasks whose bytes it was asked for, in order.
    pub(crate) asked: Arc<Mutex<Vec<TaskId>>>,
    /// Tasks it was told are over.
    pub(crate) settled: watch::Receiver<HashSet<TaskId>>,
    life: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.life.abort();
    }
}

impl Worker {
    pub(crate) fn start(
        pool: Url,
        chain: Chain,
        wallet: Wallet,
        conduct: Conduct,
        slots: u32,
    ) -> Self {
        let given = Arc::new(Mutex::new(Vec::new()));
        let announced = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (settle, settled) = watch::channel(HashSet::new());
        let script = Script {
            sender: chain.sender(&wallet),
            wallet: wallet.clone(),
            pool,
            conduct,
            slots,
            given: given.clone(),
            settle: Arc::new(settle),
            gone: CancellationToken::new(),
            announced: announced.clone(),
            asked: asked.clone(),
            held: Arc::default(),
        };
        Self {
            wallet,
            given,
            announced,
            asked,
            settled,
            life: tokio::spawn(script.live()),
        }
    }
}

#[derive(Clone)]
struct Script {
    wallet: Wallet,
    sender: Sender,
    pool: Url,
    conduct: Conduct,
    slots: u32,
    given: Arc<Mutex<Vec<TaskId>>>,
    settle: Arc<watch::Sender<HashSet<TaskId>>>,
    /// Ends it for good.
    gone: CancellationToken,
    /// Tasks it was told are on chain now.
    announced: Arc<Mutex<Vec<TaskId>>>,
    /// Tasks whose bytes it was asked for.
    asked: Arc<Mutex<Vec<TaskId>>>,
    /// What a journal would hold: the tasks at hand and their results.
    held: Arc<Mutex<HashMap<TaskId, Held>>>,
}

#[derive(Clone)]
struct Held {
    zip: Vec<u8>,
    digest: Digest,
}

pub(crate) type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(crate) async fn open(pool: &Url) -> Option<Socket> {
    let mut url = pool.join("worker").expect("a path");
    url.set_scheme("ws").expect("ws has a host too");
    tokio_tungstenite::connect_async(url.as_str())
        .await
        .ok()
        .map(|(socket, _)| socket)
}

pub(crate) async fn read(socket: &mut Socket) -> Option<ToWorker> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => {
                return Some(serde_json::from_str(&text).expect("the pool speaks its protocol"));
            }
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

pub(crate) async fn write(socket: &mut Socket, message: &ToPool) {
    let text = serde_json::to_string(message).expect("JSON");
    // A connection that is gone is noticed by the next read.
    let _ = socket.send(Message::text(text)).await;
}

/// A result of one file and an output, and its digest.
pub(crate) fn result(text: &str) -> (Vec<u8>, Digest) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut manifest = Manifest::new();
    for (name, text) in [
        ("part.txt", text),
        ("stdout.txt", "said\n"),
        ("stderr.txt", "whispered\n"),
    ] {
        zip.start_file(name, stored).expect("a file");
        zip.write_all(text.as_bytes()).expect("its bytes");
        if name != "stderr.txt" {
            let file = ManifestFile {
                length: text.len() as u64,
                sha256: sha256(text.as_bytes()),
            };
            manifest.add(name, file).expect("a path");
        }
    }
    (zip.finish().expect("a zip").into_inner(), manifest.digest())
}

/// What a contract is to be called with.
pub(crate) const CALLBACK: &[u8] = &[0xca, 0x11];

fn callback() -> (Vec<u8>, Digest) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("computed.json", stored).expect("a file");
    zip.write_all(br#"{"callback-data":"0xca11"}"#)
        .expect("its bytes");
    (
        zip.finish().expect("a zip").into_inner(),
        Digest::of_callback(CALLBACK),
    )
}

impl Script {
    async fn live(self) {
        loop {
            let ended = self.connect().await;
            if ended == Ended::ForGood {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn connect(&self) -> Ended {
        let http = reqwest::Client::new();
        let Ok(answer) = http
            .get(self.pool.join("pool").expect("a path"))
            .send()
            .await
        else {
            return Ended::TryAgain;
        };
        let Ok(info) = answer.json::<PoolInfo>().await else {
            return Ended::TryAgain;
        };
        let Some(mut socket) = open(&self.pool).await else {
            return Ended::TryAgain;
        };
        let Some(ToWorker::Challenge { nonce }) = read(&mut socket).await else {
            return Ended::TryAgain;
        };
        let digest = hello_digest(info.deployment.chain_id, info.workerpool, nonce);
        let hello = ToPool::Hello {
            worker: self.wallet.address(),
            signature: self.wallet.sign_message(digest.as_slice()),
            runtime_profile: info.runtime_profile,
            slots: self.slots,
            holding: self.held.lock().unwrap().keys().copied().collect(),
        };
        write(&mut socket, &hello).await;
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        loop {
            tokio::select! {
                () = self.gone.cancelled() => return Ended::ForGood,
                message = said.recv() => match message {
                    Some(message) => write(&mut socket, &message).await,
                    None => return Ended::TryAgain,
                },
                message = read(&mut socket) => match message {
                    Some(ToWorker::Assign(_)) if self.conduct == Conduct::Dies => return Ended::ForGood,
                    Some(message) => self.hear(message, &say),
                    None => return Ended::TryAgain,
                },
            }
        }
    }

    fn hear(&self, message: ToWorker, say: &tokio::sync::mpsc::UnboundedSender<ToPool>) {
        let (this, say) = (self.clone(), say.clone());
        match message {
            ToWorker::Assign(assignment) => {
                self.given.lock().unwrap().push(assignment.task);
                tokio::spawn(async move { this.work(*assignment, say).await });
            }
            ToWorker::Reveal { task } => {
                let held = self.held.lock().unwrap().get(&task).cloned();
                if let Some(held) = held.filter(|_| self.conduct != Conduct::Silent) {
                    tokio::spawn(async move {
                        if sdk::contribution::reveal(&this.sender, task, held.digest)
                            .await
                            .is_ok()
                        {
                            let _ = say.send(ToPool::Revealed { task });
                        }
                    });
                }
            }
            ToWorker::Upload { task } => {
                self.asked.lock().unwrap().push(task);
                let held = self.held.lock().unwrap().get(&task).cloned();
                if let Some(held) = held.filter(|_| self.conduct != Conduct::Withholds) {
                    tokio::spawn(async move {
                        let zip = if this.conduct == Conduct::UploadsWrong {
                            result("other").0
                        } else {
                            held.zip
                        };
                        if put(&this.pool, &this.wallet, task, zip)
                            .await
                            .is_ok_and(|answer| answer.status().is_success())
                        {
                            let _ = say.send(ToPool::Uploaded { task });
                        }
                    });
                }
            }
            ToWorker::Settled { task } => {
                self.held.lock().unwrap().remove(&task);
                self.settle.send_modify(|settled| {
                    settled.insert(task);
                });
            }
            ToWorker::Abandon { task, .. } => {
                self.held.lock().unwrap().remove(&task);
            }
            ToWorker::Welcome { keep } => self
                .held
                .lock()
                .unwrap()
                .retain(|task, _| keep.contains(task)),
            ToWorker::Challenge { .. } | ToWorker::Refused { .. } => {}
            ToWorker::Initialized { task } => self.announced.lock().unwrap().push(task),
        }
    }

    async fn work(&self, assignment: Assignment, say: tokio::sync::mpsc::UnboundedSender<ToPool>) {
        let task = assignment.task;
        if self.conduct == Conduct::Mute {
            return;
        }
        let _ = say.send(ToPool::Accepted { task });
        let text = match self.conduct {
            Conduct::Sleeps | Conduct::Mute => return,
            Conduct::Fails => {
                let failure = TaskFailure {
                    cause: FailureCause::Application,
                    message: "the application ended with exit code 3".to_owned(),
                    log: "no such option".to_owned(),
                };
                let _ = say.send(ToPool::Failed { task, failure });
                return;
            }
            Conduct::Complains => {
                let failure = TaskFailure {
                    cause: FailureCause::Application,
                    message: format!("{} does not like it", self.wallet.address()),
                    log: String::new(),
                };
                let _ = say.send(ToPool::Failed { task, failure });
                return;
            }
            Conduct::Lies => format!("a lie about {}", assignment.index),
            Conduct::Honest
            | Conduct::Dies
            | Conduct::UploadsWrong
            | Conduct::Withholds
            | Conduct::Silent
            | Conduct::OneStep
            | Conduct::DiesDelivered
            | Conduct::KeepsBytes
            | Conduct::CallsBack => {
                format!("the truth about {}", assignment.index)
            }
        };
        let (zip, digest) = match self.conduct {
            Conduct::CallsBack => callback(),
            _ => result(&text),
        };
        self.held.lock().unwrap().insert(task, Held { zip, digest });
        if matches!(
            self.conduct,
            Conduct::OneStep | Conduct::DiesDelivered | Conduct::KeepsBytes
        ) {
            return self.one_step(assignment, digest).await;
        }
        self.until_on_chain(task).await;
        let authorization = assignment.authorization;
        match sdk::contribution::contribute(
            &self.sender,
            task,
            digest,
            authorization,
            Enclave::default(),
        )
        .await
        {
            Ok(_) => {
                let _ = say.send(ToPool::Contributed { task });
            }
            Err(error) => eprintln!("{} cannot contribute: {error:?}", self.wallet.address()),
        }
    }
}

impl Script {
    /// It may have been given while its initialization is on its way.
    async fn until_on_chain(&self, task: TaskId) {
        while sdk::task::view(self.sender.chain(), task)
            .await
            .is_ok_and(|view| view.status == TaskStatus::Unset)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn one_step(&self, assignment: Assignment, digest: Digest) {
        assert!(assignment.one_step, "the pool offers it");
        let task = assignment.task;
        let zip = self.held.lock().unwrap()[&task].zip.clone();
        let mut link = ResultLink::ipfs(blobs::Hasher::new().finish().cid.to_string());
        if self.conduct != Conduct::KeepsBytes {
            let answer = put(&self.pool, &self.wallet, task, zip)
                .await
                .expect("answered");
            let stored: StoredResult = answer.json().await.expect("taken");
            link = ResultLink::ipfs(&stored.blob.cid);
        }
        if self.conduct == Conduct::DiesDelivered {
            return self.gone.cancel();
        }
        self.until_on_chain(task).await;
        let sent = sdk::contribution::contribute_and_finalize(
            &self.sender,
            task,
            digest,
            link.to_bytes(),
            Default::default(),
            assignment.authorization,
            Enclave::default(),
        );
        sent.await.expect("finished");
    }
}

#[derive(PartialEq)]
enum Ended {
    TryAgain,
    ForGood,
}

/// Uploads a zip as this worker.
pub(crate) async fn put(
    pool: &Url,
    wallet: &Wallet,
    task: TaskId,
    zip: Vec<u8>,
) -> reqwest::Result<reqwest::Response> {
    let hash = sha256(&zip);
    let signature = wallet.sign_message(upload_digest(task, hash).as_slice());
    reqwest::Client::new()
        .put(pool.join(&format!("results/{task}")).expect("a path"))
        .header(UPLOAD_WORKER_HEADER, wallet.address().to_string())
        .header(UPLOAD_SHA256_HEADER, hash.to_string())
        .header(UPLOAD_SIGNATURE_HEADER, signature.to_string())
        .body(zip)
        .send()
        .await
}
