//! `serve --watch`: what lies in a folder is what is served.

use std::time::Duration;

use crate::harness::admin::{ask, times};
use crate::harness::server::Setup;
use crate::harness::state::Folder;
use crate::harness::{eventually, pause};

const PATH: &str = "/v2/models/m/infer";

#[test]
fn a_good_edit_goes_live_a_bad_one_does_not_and_what_is_gone_ends() {
    let folder = Folder::new();
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    let server = Setup::files([folder.path().to_owned()]).args("--watch").start();
    let asked = |server: &crate::harness::server::Server, path: &str| {
        pause(Duration::from_millis(20));
        ask(&mut server.connect(), path).map_err(|response| response.status)
    };
    assert_eq!(asked(&server, PATH), Ok((2.0, "1".to_owned())));
    folder.write("m.yaml", times("m", "1", 4.0).to_string());
    eventually("the edit is live", || asked(&server, PATH) == Ok((4.0, "1".to_owned())));
    assert!(server.starting.stderr.find(|line| line.contains("revision 2: replaced m/1")).is_some());
    folder.write("m.yaml", "kind: Pipelin");
    assert!(server.starting.stderr.find(|line| line.contains("was not applied")).is_some());
    assert_eq!(asked(&server, PATH), Ok((4.0, "1".to_owned())));
    folder.write("m.yaml", times("m", "1", 4.0).to_string());
    folder.write("n.yaml", times("n", "1", 8.0).to_string());
    eventually("another is there", || asked(&server, "/v2/models/n/infer") == Ok((8.0, "1".to_owned())));
    std::fs::remove_file(folder.path().join("m.yaml")).unwrap();
    eventually("the one that is gone has ended", || asked(&server, PATH) == Err(404));
    assert_eq!(asked(&server, "/v2/models/n/infer"), Ok((8.0, "1".to_owned())));
}
