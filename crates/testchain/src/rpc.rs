//! One question to a node at a time, by hand: what controls a chain and what spoils it must not share the client that is
//! under test.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Rpc {
    url: String,
    client: reqwest::Client,
}

impl Rpc {
    pub(crate) fn new(url: &str) -> Self {
        sdk::tls::install();
        let client = reqwest::Client::builder()
            .tcp_nodelay(true)
            .build()
            .expect("a client for plain HTTP needs nothing that could be missing");
        Self {
            url: url.to_owned(),
            client,
        }
    }

    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, String> {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(&question).await?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            return Err(error.to_string());
        }
        serde_json::from_value(answer["result"].take()).map_err(|error| error.to_string())
    }

    /// Any JSON, a batch too.
    pub(crate) async fn post(&self, body: &Value) -> Result<Value, String> {
        let answer = self.client.post(&self.url).json(body).send().await;
        let answer = answer.map_err(|error| crate::words(&error))?;
        answer.json().await.map_err(|error| crate::words(&error))
    }
}
