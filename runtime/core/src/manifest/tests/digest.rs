//! What a digest depends on, and what it doesn't.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn the_canonical_text_is_this() {
    let text = resolved(TUMOR).canonical();
    assert_eq!(
        text,
        concat!(
            r#"{"apiVersion":"hotstage.dev/v1","kind":"Pipeline","metadata":{"name":"tumor","version":"2"},"spec":"#,
            r#"{"outputs":["probability"],"stages":[{"component":"#,
            r#""sha256:faecb0aa5a213f3256668418241950a6274468c7d89a66ffd40cc16989224910","files":{},"inputs":{},"#,
            r#""limits":{"handles":1024,"instances":16,"log_bytes":65536,"memory":268435456,"output_bytes":67108864,"#,
            r#""time":"5000000us"},"name":"scale","outputs":{},"role":"preprocess","#,
            r#""settings":{"mean":[1,2.5],"std":[1,1]}},{"component":"#,
            r#""sha256:4b0e6d2470e5ab7ee98f49638cae630345cac598257a0335115fddd03bdfb9e0","files":{"model":"#,
            r#""sha256:125107716ce2bb2538486a3559d8a14113734ad67ffd72f560ec0e4204045e91"},"#,
            r#""inputs":{"features":"scale.features"},"#,
            r#""limits":{"handles":1024,"instances":16,"log_bytes":65536,"memory":67108864,"output_bytes":67108864,"#,
            r#""time":"1000000us"},"name":"classify","outputs":{"scores":"probability"},"role":"model","#,
            r#""settings":{}}],"tests":[{"expect":"#,
            r#""sha256:dda8eb63e5a6090545a5544c17a1af4f489782714aaff80d75c1639c11aa79a4","#,
            r#""name":"row 20 is malignant","request":"#,
            r#""sha256:a9460a164fd5d10c0045fccc9dfed32bd02f830d145d54f17abd926824dfb915","tolerance":0.00001}]}}"#,
        )
    );
    assert_eq!(resolved(TUMOR).digest(), Digest::of(text.as_bytes()));
    // It is a manifest itself.
    assert_eq!(resolved(&text), resolved(TUMOR));
}

#[test]
fn what_means_the_same_has_the_same_digest() {
    for (from, to) in [
        ("version: \"2\"", "version: 2"),
        ("settings: {", "limits: {}\n      settings: {"),
        (
            "settings: {",
            "limits: { instances: 16, time: 5000ms, memory: 256MiB }\n      files: {}\n      settings: {",
        ),
        (
            "settings: {",
            "limits: { instances: { max: 16, idle: 5m } }\n      settings: {",
        ),
        (
            "settings: {",
            "limits: { held_bytes: 16MiB, instances: { reuse: always } }\n      settings: {",
        ),
        (
            "mean: [1, 2.5], std: [1.0, 1e0]",
            "std: [1, 1], mean: [ 1.0, 25e-1 ]",
        ),
        ("memory: 64MiB, time: 1s", "time: 1000ms, memory: 67108864"),
        (
            "{ name: tumor,",
            "{ description: Classifies tumors, name: 'tumor',",
        ),
        ("tolerance: 1e-5", "tolerance: 0.00001"),
    ] {
        assert!(TUMOR.contains(from));
        let other = TUMOR.replacen(from, to, 1);
        assert_eq!(
            resolved(&other).canonical(),
            resolved(TUMOR).canonical(),
            "{to}"
        );
    }
}

#[test]
fn what_means_something_else_has_another_digest() {
    let mut digests = vec![resolved(TUMOR).digest()];
    for (from, to) in [
        ("name: tumor", "name: tumour"),
        ("version: \"2\"", "version: \"2.0\""),
        ("name: scale", "name: scaler"),
        ("role: preprocess", "role: model"),
        ("./scale.wasm", "./scale2.wasm"),
        ("2.5", "2.5000000000000004"),
        ("mean", "Mean"),
        ("[1, 2.5]", "\"[1, 2.5]\""),
        ("./tumor.onnx", "./tumour.onnx"),
        ("{ model:", "{ weights:"),
        ("scale.features", "features"),
        ("probability }", "p }"),
        ("time: 1s", "time: 2s"),
        ("time: 1s", "instances: { min: 0 }"),
        ("time: 1s", "instances: { min: 1 }"),
        ("time: 1s", "instances: { idle: 1m }"),
        ("time: 1s", "instances: { reuse: never }"),
        ("time: 1s", "held_bytes: 1MiB"),
        ("time: 1s", "held_bytes: 0B"),
        ("[probability]", "[scores]"),
        ("  outputs: [probability]\n", ""),
        ("row 20 is", "row 21 is"),
        ("./row20.json", "./row21.json"),
        ("outputs: [{}]", "outputs: [ ~ ]"),
        ("1e-5", "1e-6"),
    ] {
        assert!(TUMOR.contains(from), "{from}");
        digests.push(resolved(&TUMOR.replacen(from, to, 1)).digest());
    }
    let all = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), all);
}

#[test]
fn only_the_canonical_text_is_read_back() {
    let text = resolved(TUMOR).canonical();
    let least = TUMOR.replacen("time: 1s", "instances: { min: 2, max: 3, idle: 90s }", 1);
    for manifest in [TUMOR, &least] {
        assert_eq!(
            Resolved::parse(&resolved(manifest).canonical()),
            Ok(resolved(manifest))
        );
    }
    for (changed, expect) in [
        (
            format!(" {text}"),
            "not a canonical manifest: the text differs from its canonical form",
        ),
        (
            text.replace("\"time\":\"1000000us\"", "\"time\":\"1s\""),
            "not a canonical manifest: the text differs from its canonical form",
        ),
        (
            text.replace("2.5", "2.50"),
            "not a canonical manifest: the text differs from its canonical form",
        ),
        (
            text.replace("\"kind\":\"Pipeline\",", ""),
            "not a canonical manifest: canonical:1:1: kind: missing",
        ),
    ] {
        assert_eq!(Resolved::parse(&changed).unwrap_err().to_string(), expect);
    }
    let path = text.replace(&Digest::of(b"./scale.wasm").to_string(), "./scale.wasm");
    assert_eq!(
        Resolved::parse(&path).unwrap_err().to_string(),
        "not a canonical manifest: canonical:1:1: spec.stages[0].component: is not a digest"
    );
    for (at, _) in text.char_indices() {
        assert!(Resolved::parse(&text[..at]).is_err());
    }
}

/// Writes a value as YAML in one of many styles, chosen by `dice`.
fn write(
    value: &Value,
    dice: &mut impl FnMut(usize) -> usize,
    indent: usize,
    flow: bool,
) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Null => ["null", "~", "Null"][dice(3)].to_owned(),
        Value::Bool(value) => {
            [value.to_string(), value.to_string().to_uppercase()][dice(2)].clone()
        }
        Value::Number(number) => match number.as_i64() {
            // Beyond 2^53 a float is another number.
            Some(whole) if whole.unsigned_abs() < 1 << 53 && dice(3) == 0 => format!("{whole}.0"),
            Some(whole) if whole >= 0 && dice(3) == 0 => format!("0x{whole:x}"),
            _ => number.to_string(),
        },
        Value::String(text) => write_text(text, dice),
        Value::Array(items) if flow || items.is_empty() || dice(2) == 0 => {
            let items: Vec<String> = items
                .iter()
                .map(|item| write(item, dice, indent, true))
                .collect();
            format!("[{}]", items.join([",", ", ", " , "][dice(3)]))
        }
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| format!("\n{pad}- {}", write(item, dice, indent + 2, false)));
            items.collect()
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            for index in (1..entries.len()).rev() {
                entries.swap(index, dice(index + 1));
            }
            let flow = flow || entries.is_empty() || dice(3) == 0;
            let entries = entries.into_iter().map(|(key, value)| {
                let (key, value) = (write_text(key, dice), write(value, dice, indent + 2, flow));
                if flow {
                    format!("{key}: {value}")
                } else {
                    format!("\n{pad}{key}:  {value}")
                }
            });
            let entries: Vec<String> = entries.collect();
            if flow {
                format!("{{ {} }}", entries.join(", "))
            } else {
                entries.concat()
            }
        }
    }
}

fn write_text(text: &str, dice: &mut impl FnMut(usize) -> usize) -> String {
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !["null", "true", "false"].contains(&text.to_lowercase().as_str());
    match dice(3) {
        0 if is_word => text.to_owned(),
        1 if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', "''")),
        _ => serde_json::to_string(text).unwrap(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|float: f64| json!(float)),
        any::<f64>().prop_map(|float| json!(float)),
        (-1000_i64..1000).prop_map(Value::from),
        "[ -~é\n\t]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ -~é]{0,6}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_manifest() -> impl Strategy<Value = Value> {
    let settings = prop::collection::btree_map("[a-z]{1,6}", any_json(), 0..4);
    let limits = prop::option::of((65_536_u64..1 << 30, 1_u32..1000));
    let stage = (settings, limits, prop::option::of("[a-z]{1,5}"));
    (prop::collection::vec(stage, 1..4), prop::option::of(any_json()), 0_u32..100).prop_map(
        |(stages, test, version)| {
            let stages: Vec<Value> = stages
                .into_iter()
                .enumerate()
                .map(|(index, (settings, limits, file))| {
                    let settings: Map<String, Value> = settings.into_iter().collect();
                    let mut stage = json!({
                        "name": format!("s{index}"), "role": "model", "component": "x", "settings": settings,
                    });
                    if let Some((memory, instances)) = limits {
                        stage["limits"] = json!({ "memory": memory, "instances": instances });
                    }
                    if let Some(file) = file {
                        stage["files"] = json!({ file.clone(): format!("./{file}") });
                    }
                    stage
                })
                .collect();
            let mut spec = json!({ "stages": stages });
            if let Some(value) = test {
                spec["tests"] = json!([{ "name": "t", "request": { "inputs": [value] }, "expect": "./e" }]);
            }
            json!({
                "apiVersion": API_VERSION, "kind": "Pipeline",
                "metadata": { "name": "m", "version": version.to_string() }, "spec": spec,
            })
        },
    )
}

proptest! {
    #[test]
    fn the_style_of_writing_changes_nothing(
        manifest in any_manifest(),
        dice in prop::collection::vec(any::<usize>(), 64),
    ) {
        let plain = resolved(&manifest.to_string());
        let mut next = 0;
        let mut dice = |sides: usize| {
            next += 1;
            dice[next % dice.len()] % sides
        };
        let styled = write(&manifest, &mut dice, 0, false);
        prop_assert_eq!(resolved(&styled).canonical(), plain.canonical(), "{}", styled);
    }

    #[test]
    fn the_canonical_text_reads_back(manifest in any_manifest()) {
        let resolved = resolved(&manifest.to_string());
        prop_assert_eq!(Resolved::parse(&resolved.canonical()), Ok(resolved));
    }

    #[test]
    fn other_settings_have_another_digest(one in any_json(), other in any_json()) {
        let of = |value: &Value| {
            let settings = json!({ "value": value });
            resolved(&TUMOR.replace("{ mean: [1, 2.5], std: [1.0, 1e0] }", &settings.to_string()))
        };
        let (one, other) = (of(&one), of(&other));
        prop_assert_eq!(one.digest() == other.digest(), one == other);
    }

    #[test]
    fn no_text_makes_reading_back_panic(
        text in ".*",
        cut in any::<prop::sample::Index>(),
        insert in "[{}\\[\\]\",:a0.]{0,3}",
    ) {
        let _ = Resolved::parse(&text);
        let canonical = resolved(TUMOR).canonical();
        let at = canonical.floor_char_boundary(cut.index(canonical.len()));
        let _ = Resolved::parse(&format!("{}{insert}{}", &canonical[..at], &canonical[at..]));
    }
}
