//! Asking a pool: what it is, and what it knows of a task beyond the chain.

use std::time::Duration;

use protocol::TaskId;
use serde::de::DeserializeOwned;
use url::Url;

use crate::wire::pool::{ErrorBody, PoolInfo, TaskReport};

/// How long a pool may take to answer: one that takes a connection and then says nothing is as good as away.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why a pool gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Nobody answers there.
    #[error("no pool answers at {pool}, asked for {asked}")]
    Away {
        /// Its URL.
        pool: Url,
        /// The path asked for.
        asked: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It answered that it will not, or cannot.
    #[error("the pool at {pool} says of {asked}: {says} ({status})")]
    Refused {
        /// Its URL.
        pool: Url,
        /// The path asked for.
        asked: String,
        /// Its sentence.
        says: String,
        /// The HTTP status.
        status: u16,
    },
}

/// What a worker or a requester must know to deal with this pool.
pub async fn info(pool: &Url) -> Result<PoolInfo, PoolError> {
    ask(pool, "/pool".to_owned()).await
}

/// What the pool knows of a task: its replicas, and why they failed. Its word, not the chain's.
pub async fn report(pool: &Url, task: TaskId) -> Result<TaskReport, PoolError> {
    ask(pool, format!("/tasks/{task}")).await
}

async fn ask<T: DeserializeOwned>(pool: &Url, asked: String) -> Result<T, PoolError> {
    crate::tls::install();
    let away = |source| PoolError::Away {
        pool: pool.clone(),
        asked: asked.clone(),
        source,
    };
    let mut url = pool.clone();
    url.set_path(&asked);
    let http = reqwest::Client::builder()
        .connect_timeout(ANSWER_WITHIN / 3)
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(away)?;
    let answer = http.get(url).send().await.map_err(away)?;
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(away);
    }
    let text = answer.text().await.map_err(away)?;
    let says = serde_json::from_str::<ErrorBody>(&text)
        .map_or_else(|_| text.chars().take(200).collect(), |body| body.error);
    Err(PoolError::Refused {
        pool: pool.clone(),
        asked,
        says,
        status: status.as_u16(),
    })
}
