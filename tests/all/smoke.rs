//! smoke
use crate::harness::server::Setup;

#[test]
fn it_answers() {
    let server = Setup::tumor().start();
    assert_eq!(server.get("/v2/health/live").ok().json(), serde_json::json!({"live": true}));
    assert_eq!(server.stop().code, Some(0));
}
