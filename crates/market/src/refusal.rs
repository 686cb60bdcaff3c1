//! Why the market does not do what was asked: a status for programs, one sentence for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::order::OrderKind;
use sdk::chain::ChainError;
use sdk::wire::market::ErrorAnswer;

/// Refused, with the sentence that says why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It cannot be understood, or is no order anybody could match.
    #[error("{0}")]
    Malformed(String),
    /// It is understood, but the chain or the book is against it.
    #[error("{0}")]
    Forbidden(String),
    /// The login does not hold.
    #[error("invalid authorization: {0}")]
    Unauthorized(String),
    /// There is no such thing here.
    #[error("{0}")]
    NotFound(String),
    /// More bytes than this market takes.
    #[error("{0}")]
    TooLarge(String),
    /// Try again later.
    #[error("{0}")]
    Busy(String),
    /// The chain does not answer.
    #[error("the market cannot ask the chain at this moment")]
    Chain(#[from] ChainError),
    /// The book cannot be read or written.
    #[error(
        "the market cannot use its book at this moment; its operator finds the reason in the log"
    )]
    Database(#[from] sqlx::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) | Self::Unauthorized(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Chain(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match &self {
            Self::Chain(source) => {
                tracing::warn!(error = %source, "the chain did not answer a visitor's question")
            }
            Self::Database(source) => tracing::error!(error = %source, "the book cannot be used"),
            _ => {}
        }
        (
            self.status(),
            Json(ErrorAnswer {
                ok: false,
                error: self.to_string(),
            }),
        )
            .into_response()
    }
}

/// A kind as existing clients know it: `apporder`.
pub(crate) fn kind_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => "apporder",
        OrderKind::Dataset => "datasetorder",
        OrderKind::Workerpool => "workerpoolorder",
        OrderKind::Request => "requestorder",
    }
}

/// What a kind's orders are about: `app`; a request is about its requester.
pub(crate) fn subject_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => "app",
        OrderKind::Dataset => "dataset",
        OrderKind::Workerpool => "workerpool",
        OrderKind::Request => "requester",
    }
}
