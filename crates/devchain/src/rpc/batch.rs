//! Batches: in order, but transactions sent one behind the other are not waited for one by one.
//!
//! Each would otherwise get a block, a write and a wait of its own. Whatever else is in a batch is answered after all
//! that stands before it, so that asking for a balance behind a transfer shows the transfer.

use futures::future::join_all;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::server::{BatchResponseBuilder, MethodResponse};
use jsonrpsee::types::Request;

/// The method whose calls are waited for together.
const SEND: &str = "eth_sendRawTransaction";

/// The service behind the door, with batches of our own.
#[derive(Debug, Clone)]
pub(super) struct Together<S> {
    inner: S,
    response_limit_bytes: usize,
}

impl<S> Together<S> {
    pub(super) fn new(inner: S, response_limit_bytes: usize) -> Together<S> {
        Together {
            inner,
            response_limit_bytes,
        }
    }
}

impl<S> RpcServiceT for Together<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            NotificationResponse = MethodResponse,
            BatchResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.call(request)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.inner.clone();
        let mut answers = BatchResponseBuilder::new_with_limit(self.response_limit_bytes);
        async move {
            let mut notified = false;
            let mut entries = batch.into_iter().peekable();
            while let Some(entry) = entries.next() {
                let mut together = Vec::new();
                match entry {
                    Ok(BatchEntry::Call(request)) if request.method_name() == SEND => {
                        together.push(inner.call(request));
                        while let Some(Ok(BatchEntry::Call(request))) =
                            entries.next_if(|next| is_send(next.as_ref().ok()))
                        {
                            together.push(inner.call(request));
                        }
                    }
                    Ok(BatchEntry::Call(request)) => together.push(inner.call(request)),
                    Ok(BatchEntry::Notification(notification)) => {
                        notified = true;
                        inner.notification(notification).await;
                    }
                    Err(refused) => {
                        let (error, id) = refused.into_parts();
                        if let Err(too_long) = answers.append(MethodResponse::error(id, error)) {
                            return too_long;
                        }
                    }
                }
                for answer in join_all(together).await {
                    if let Err(too_long) = answers.append(answer) {
                        return too_long;
                    }
                }
            }
            if answers.is_empty() && notified {
                MethodResponse::notification()
            } else {
                MethodResponse::from_batch(answers.finish())
            }
        }
    }
}

fn is_send(entry: Option<&BatchEntry<'_>>) -> bool {
    matches!(entry, Some(BatchEntry::Call(request)) if request.method_name() == SEND)
}
