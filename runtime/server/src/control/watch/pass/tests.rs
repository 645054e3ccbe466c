//! Tests of one pass over the watched files.

use std::collections::BTreeMap;

use super::*;

fn gone(name: &str, version: &str) -> Job {
    Job {
        key: Key::Version {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
        },
        doc: None,
    }
}

fn applied(text: &str) -> Vec<Job> {
    let documents = hotstage_core::manifest::parse("f.yaml", text).unwrap();
    let split = super::super::key::split(documents).into_iter();
    let doc = |(key, documents, _): (Key, Documents, _)| {
        let doc = Doc {
            key: key.clone(),
            documents,
            pointed: BTreeMap::new(),
            identity: Err(String::new()),
        };
        Job {
            key,
            doc: Some(doc),
        }
    };
    split.map(doc).collect()
}

#[test]
fn documents_of_one_name_go_together_in_an_order_that_fits() {
    let route = "apiVersion: hotstage.dev/v1\nkind: Route\nmetadata: { name: b }\nspec: { split: [ { version: \
                 \"1\" } ] }\n";
    let mut jobs = vec![gone("b", "1"), gone("a", "2"), gone("a", "1")];
    jobs.extend(applied(route));
    let shown: Vec<Vec<String>> = groups(jobs)
        .iter()
        .map(|jobs| jobs.iter().map(|job| job.key.to_string()).collect())
        .collect();
    assert_eq!(shown, [vec!["a/1", "a/2"], vec!["the route b", "b/1"]]);
}
