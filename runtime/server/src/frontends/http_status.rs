//! Maps failure kinds to HTTP statuses: one table for all HTTP front ends.

use hotstage_core::failure::Kind;
use http::StatusCode;

/// The HTTP status of a failure kind.
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::InvalidInput => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Kind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Kind::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
        Kind::Overloaded | Kind::NotReady | Kind::StageUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Kind::StageTimeout | Kind::DeadlineExceeded | Kind::ClientTimeout => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Kind::StageFailed
        | Kind::StageTrapped
        | Kind::StageMemory
        | Kind::StageOutput
        | Kind::StageHandles
        | Kind::StageSignature
        | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use hotstage_core::failure::Class;

    use super::*;

    #[test]
    fn only_client_errors_have_4xx_statuses() {
        for kind in Kind::ALL {
            assert_eq!(
                status(kind).is_client_error(),
                kind.class() == Class::Client,
                "{kind:?}"
            );
            assert!(status(kind).is_client_error() || status(kind).is_server_error());
        }
    }
}
