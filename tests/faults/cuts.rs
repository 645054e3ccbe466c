//! Uploads that break off anywhere, resume at their offset, arrive twice at once, or do not match
//! their digest: stored blobs are complete, and traffic continues.

use std::io::Write as _;

use super::effort::{self, Chance, tell};
use super::load::Load;
use super::pipelines::{another_scale, doubles, doubles_by};
use crate::harness::admin::Admin;
use crate::harness::http::{Connection, Request};
use crate::harness::server::Setup;
use crate::harness::sha256;
use crate::harness::state::Folder;

/// Sends the rest of the bytes from an offset, as the last request of the upload.
fn rest(admin: &Admin, bytes: &[u8], offset: usize) -> Request {
    let bearer = format!("Bearer {}", admin.token);
    let request =
        Request::new("PATCH", &format!("/v1/uploads/{}", sha256(bytes))).body(&bytes[offset..]);
    request
        .header("authorization", bearer.as_str())
        .header("upload-offset", offset)
        .header("upload-complete", "?1")
}

#[test]
fn uploads_that_break_off_go_on_and_are_whole() {
    let server = Setup::of([doubles("m", 1)]).start();
    let admin = Admin::of(&server);
    let folder = Folder::new();
    let load = Load::begin(server.address, "/v2/models/m/infer", Some(500.0));
    let (mut chance, mut cuts) = (Chance::new(4), 0);
    let uploads = effort::of(3, 100);
    for round in 0..uploads {
        let bytes = another_scale(1000 + round, 300_000);
        let path = format!("/v1/uploads/{}", sha256(&bytes));
        let offset = || usize::try_from(admin.get(&path)["offset"].as_u64().unwrap()).unwrap();
        for _ in 0..chance.below(8) {
            let from = offset();
            let whole = rest(&admin, &bytes, from).bytes();
            // The client disconnects after a part of it.
            let sent = usize::try_from(chance.below(whole.len() as u64)).unwrap();
            let mut stream = std::net::TcpStream::connect(admin.address).unwrap();
            stream.write_all(&whole[..sent]).unwrap();
            drop(stream);
            cuts += 1;
            assert!(offset() <= bytes.len(), "more is there than was sent");
        }
        // Two at once: one of them may get a conflict.
        let from = offset();
        std::thread::scope(|scope| {
            let ask = || {
                Connection::open(admin.address)
                    .ask(&rest(&admin, &bytes, from))
                    .status
            };
            let other = scope.spawn(ask);
            let statuses = [ask(), other.join().unwrap()];
            assert!(
                statuses.iter().all(|status| matches!(status, 200 | 409)),
                "{statuses:?}"
            );
        });
        // Both may have found the rest of an earlier upload.
        while admin.get(&path)["complete"] != true {
            Connection::open(admin.address).ask(&rest(&admin, &bytes, offset()));
        }
        let component = folder.write("component.wasm", &bytes);
        admin
            .apply(&[doubles_by("m", round + 2, component.to_str())])
            .ok();
    }
    load.end().faultless();
    assert_eq!(admin.get("/v1/verify")["ok"], true);
    tell(format_args!(
        "cuts: {uploads} uploads broke off {cuts} times and are whole"
    ));
}
