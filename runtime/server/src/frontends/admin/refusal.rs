//! Error answers: a status, and one or more sentences as `{"error": …}`.
//!
//! Failures known from the inference API keep their status; errors of changes have their own table.

use hotstage_core::failure::{Failure, Kind};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{answer, upload};
use crate::control::{ControlError, ErrorKind};
use crate::frontends::http_status::status;
use crate::state::store::{StoreError, UploadError};
use crate::transport::body::ResponseBody as Body;
use hotstage_client::ErrorBody;

/// The reason for an error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The answer to an unauthenticated request. It reveals nothing.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "this needs a token: authorization: Bearer TOKEN",
        )
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(super) fn defect(what: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{what}; this is a defect of the server"),
        )
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = answer::json(&ErrorBody {
            error: self.message,
        });
        *response.status_mut() = self.status;
        if matches!(
            self.status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE
        ) {
            // The rest of the body stays unread, so the connection can't be reused.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.headers_mut().extend(
            self.headers
                .into_iter()
                .map(|(name, value)| (Some(name), value)),
        );
        response
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let status = match error.kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Full => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.message)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let refusal = Self::new(status(failure.kind), failure.message);
        match failure.kind {
            Kind::Overloaded => refusal.with(header::RETRY_AFTER, HeaderValue::from_static("1")),
            Kind::UnsupportedMediaType => refusal.with(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            ),
            _ => refusal,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        ControlError::from(error).into()
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        let status = match error {
            UploadError::Offset { .. } | UploadError::Busy { .. } | UploadError::TooMany => {
                StatusCode::CONFLICT
            }
            UploadError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            UploadError::Mismatch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            UploadError::Store(error) => return error.into(),
        };
        let refusal = Self::new(status, error.to_string());
        match error {
            UploadError::Offset { right, .. } => refusal
                .with(upload::OFFSET, right.into())
                .with(upload::COMPLETE, HeaderValue::from_static("?0")),
            _ => refusal,
        }
    }
}
