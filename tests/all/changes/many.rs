//! More pipelines than instance slots.

use crate::harness::admin::{Admin, ask, times};
use crate::harness::server::Setup;
use crate::harness::state::warm;

#[test]
fn more_pipelines_than_instances_all_answer() {
    let state = warm();
    let count = 60;
    let name = |index: usize| format!("m{index}");
    let manifests = (0..count).map(|index| times(&name(index), "1", index as f64 + 1.0));
    let server = Setup::of(manifests)
        .state(state.path())
        .args("--instances 8")
        .start();
    let all_answer = |server: &crate::harness::server::Server| {
        let mut connection = server.connect();
        for index in (0..count).chain(0..count) {
            let answer = ask(
                &mut connection,
                &format!("/v2/models/{}/infer", name(index)),
            )
            .unwrap();
            assert_eq!(answer, (index as f64 + 1.0, "1".to_owned()));
        }
    };
    all_answer(&server);
    let admin = Admin::of(&server);
    let first = admin.get("/v1/models?limit=50");
    assert_eq!(
        (
            first["models"].as_array().unwrap().len(),
            first["total"].as_u64()
        ),
        (50, Some(60))
    );
    let after = first["next_after"].as_str().unwrap();
    let second = admin.get(&format!("/v1/models?limit=50&after={after}"));
    assert_eq!(
        (
            second["models"].as_array().unwrap().len(),
            second.get("next_after")
        ),
        (10, None)
    );
    server.stop();
    let server = Setup::of([])
        .state(state.path())
        .args("--instances 8")
        .start();
    all_answer(&server);
}
