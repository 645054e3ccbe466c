//! Answers of a call, and the errors for inputs that the graph can't take.

use hotstage_sdk::{Failure, Tensor};
use serde_json::json;
use tract_onnx::pb::tensor_proto::DataType;

use super::{Builder, affine};

#[track_caller]
fn refused(outcome: Result<hotstage_sdk::testing::Answer, Failure>) -> String {
    match outcome {
        Err(Failure::InvalidInput(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn integers(shape: &[usize], data: &[i64]) -> Tensor {
    Tensor::new(shape, data).unwrap()
}

#[test]
fn any_number_of_rows_is_answered_and_plans_are_bounded() {
    let mut bench = affine().open();
    for rows in (0..20).chain([3, 3, 19]) {
        let x = Tensor::f32(&[rows, 2], vec![1.0; rows * 2]).unwrap();
        let answer = bench.call([("x", x)]).unwrap();
        let expected: Vec<f32> = [5.5, 7.0, 8.5].into_iter().cycle().take(rows * 3).collect();
        assert_eq!(answer.get("y").unwrap().slice::<f32>().unwrap(), expected);
    }
    let crate::plan::Plans::Recent { plans, .. } = &bench.stage().plans else {
        panic!("one shape only")
    };
    let rows: Vec<usize> = plans.iter().map(|(shape, _)| shape[0]).collect();
    assert_eq!(rows, [13, 14, 15, 16, 17, 18, 3, 19]);
}

#[test]
fn an_input_or_a_weight_may_be_an_output() {
    let graph = affine()
        .output("x", DataType::Float, &["rows", "2"])
        .output("b", DataType::Float, &["3"]);
    let answer = graph
        .open()
        .call([("x", Tensor::f32(&[1, 2], [1.0, 2.0]).unwrap())])
        .unwrap();
    assert_eq!(answer.get("x").unwrap().slice::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(
        answer.get("b").unwrap().slice::<f32>().unwrap(),
        [0.5, 0.0, -0.5]
    );
}

#[test]
fn an_input_that_no_requested_output_needs_is_still_an_input() {
    let graph = affine()
        .input("unused", DataType::Int64, &[])
        .node("Neg", &["unused"], "n");
    let graph = graph.output("n", DataType::Int64, &[]);
    let mut bench = graph.open_with(json!({ "outputs": ["y"] })).unwrap();
    let inputs = [
        ("x", Tensor::f32(&[1, 2], [1.0, 2.0]).unwrap()),
        ("unused", integers(&[], &[1])),
    ];
    assert_eq!(
        bench
            .call(inputs)
            .unwrap()
            .get("y")
            .unwrap()
            .slice::<f32>()
            .unwrap(),
        [9.5, 12.0, 14.5]
    );
}

#[test]
fn a_rank_or_size_that_does_not_fit_is_refused() {
    let mut bench = affine().open();
    let text = refused(bench.call([("x", Tensor::f32(&[2], [0.0; 2]).unwrap())]));
    assert_eq!(text, "input `x`: expected FP32 [-1, 2], given FP32 [2]");
    let text = refused(bench.call([("x", Tensor::f32(&[1, 3], [0.0; 3]).unwrap())]));
    assert_eq!(text, "input `x`: expected FP32 [-1, 2], given FP32 [1, 3]");
}

#[test]
fn one_name_is_one_size() {
    let graph = Builder::new()
        .input("a", DataType::Float, &["n"])
        .input("b", DataType::Float, &["1", "n"])
        .node("Add", &["a", "b"], "y")
        .output("y", DataType::Float, &["1", "n"]);
    let inputs = [
        ("a", Tensor::f32(&[2], [0.0; 2]).unwrap()),
        ("b", Tensor::f32(&[1, 3], [0.0; 3]).unwrap()),
    ];
    let text = refused(graph.open().call(inputs));
    assert_eq!(
        text,
        "input `b`: dimension 1 (`n`): expected 2, as in the input `a`, given 3"
    );
}

#[test]
fn shapes_that_can_not_go_together_are_refused() {
    let graph = Builder::new()
        .input("a", DataType::Float, &["n"])
        .input("b", DataType::Float, &["m"])
        .node("Add", &["a", "b"], "y")
        .output("y", DataType::Float, &[""]);
    let mut bench = graph.open();
    let call = |n: usize, m: usize| {
        [
            ("a", Tensor::f32(&[n], vec![1.0; n]).unwrap()),
            ("b", Tensor::f32(&[m], vec![1.0; m]).unwrap()),
        ]
    };
    let text = refused(bench.call(call(2, 3)));
    assert!(
        text.starts_with("the graph ") && text.ends_with("Can not broadcast 3 against 2"),
        "{text}"
    );
    assert_eq!(
        bench.call(call(2, 1)).unwrap().get("y").unwrap().shape(),
        [2]
    );
}

#[test]
fn strings_pass_if_they_are_text() {
    let graph = Builder::new()
        .input("s", DataType::String, &["n"])
        .node("Identity", &["s"], "t");
    let mut bench = graph.output("t", DataType::String, &["n"]).open();
    let answer = bench
        .call([("s", Tensor::bytes(&[2], ["one", "zwei"]).unwrap())])
        .unwrap();
    let strings: Vec<&[u8]> = answer.get("t").unwrap().bytes_elements().unwrap().collect();
    assert_eq!(strings, [&b"one"[..], b"zwei"]);
    let text = refused(bench.call([("s", Tensor::bytes(&[2], [&b"one"[..], &[0xff]]).unwrap())]));
    assert_eq!(text, "input `s`: element 1 is not UTF-8");
}

/// A graph of one node whose second input is integers from the client.
fn indexed(operator: &str, shape: &[&str], attributes: &[(&str, i64)]) -> Builder {
    Builder::new()
        .input("i", DataType::Int64, shape)
        .floats("data", &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
        .node_with(operator, &["data", "i"], "y", attributes)
        .output("y", DataType::Float, &["", ""])
}

#[test]
fn an_index_outside_the_data_is_refused() {
    let mut rows = indexed("Gather", &["2"], &[]).open();
    let answer = rows.call([("i", integers(&[2], &[-1, 0]))]).unwrap();
    assert_eq!(
        answer.get("y").unwrap().slice::<f32>().unwrap(),
        [4.0, 5.0, 0.0, 1.0]
    );
    let text = refused(rows.call([("i", integers(&[2], &[0, 3]))]));
    assert_eq!(
        text,
        "the graph has no answer to this input: node `the_gather` (Gather): index 3 among 3 elements"
    );
    // An index past the end of a row would otherwise be the first element of the next row.
    let mut columns = indexed("Gather", &["1"], &[("axis", 1)]).open();
    assert!(
        refused(columns.call([("i", integers(&[1], &[2]))])).ends_with("index 2 among 2 elements")
    );
    let mut elements = indexed("GatherElements", &["1", "2"], &[]).open();
    refused(elements.call([("i", integers(&[1, 2], &[0, 7]))]));
    let mut points = indexed("GatherND", &["1", "2"], &[]).change(|model| {
        model.graph.as_mut().unwrap().output[0] = super::info("y", DataType::Float, &["1"]);
    });
    points.graph().node[0].name = "points".to_owned();
    let mut points = points.open();
    assert_eq!(
        points
            .call([("i", integers(&[1, 2], &[2, 1]))])
            .unwrap()
            .get("y")
            .unwrap()
            .shape(),
        [1]
    );
    assert!(
        refused(points.call([("i", integers(&[1, 2], &[3, 0]))]))
            .ends_with("index 3 among 3 elements")
    );
    assert!(
        refused(points.call([("i", integers(&[1, 2], &[-1, 0]))]))
            .ends_with("index -1; it must not be negative")
    );
}

#[test]
fn a_position_outside_the_data_is_refused() {
    let scatter = |operator: &str, shape: &[&str], updates: &[&str], attributes: &[(&str, i64)]| {
        Builder::new()
            .input("i", DataType::Int64, shape)
            .input("u", DataType::Float, updates)
            .floats("data", &[3, 2], &[0.0; 6])
            .node_with(operator, &["data", "i", "u"], "y", attributes)
            .output("y", DataType::Float, &["3", "2"])
            .open()
    };
    let mut elements = scatter("ScatterElements", &["1", "2"], &["1", "2"], &[]);
    let update = || Tensor::f32(&[1, 2], [1.0, 2.0]).unwrap();
    elements
        .call([("i", integers(&[1, 2], &[0, -3])), ("u", update())])
        .unwrap();
    refused(elements.call([("i", integers(&[1, 2], &[0, 3])), ("u", update())]));
    let mut rows = scatter("ScatterND", &["1", "1"], &["1", "2"], &[]);
    rows.call([("i", integers(&[1, 1], &[2])), ("u", update())])
        .unwrap();
    refused(rows.call([("i", integers(&[1, 1], &[3])), ("u", update())]));
}

#[test]
fn whole_numbers_are_not_divided_by_0() {
    for operator in ["Div", "Mod"] {
        let graph = Builder::new()
            .input("a", DataType::Int32, &["n"])
            .input("b", DataType::Int32, &["n"])
            .node(operator, &["a", "b"], "y")
            .output("y", DataType::Int32, &["n"]);
        let mut bench = graph.open();
        let call = |b: [i32; 2]| {
            [
                ("a", Tensor::i32(&[2], [7, i32::MIN]).unwrap()),
                ("b", Tensor::i32(&[2], b).unwrap()),
            ]
        };
        bench.call(call([2, -1])).unwrap();
        assert!(refused(bench.call(call([2, 0]))).ends_with("division of whole numbers by 0"));
    }
}

#[test]
fn a_count_beyond_the_elements_is_refused() {
    let graph = Builder::new()
        .input("x", DataType::Float, &["3"])
        .input("k", DataType::Int64, &["1"])
        .node_with("TopK", &["x", "k"], "y", &[("axis", 0)])
        .output("y", DataType::Float, &[""]);
    let mut bench = graph
        .change(|model| {
            model.graph.as_mut().unwrap().node[0]
                .output
                .push("i".to_owned());
        })
        .open();
    let call = |k| {
        [
            ("x", Tensor::f32(&[3], [1.0, 3.0, 2.0]).unwrap()),
            ("k", integers(&[1], &[k])),
        ]
    };
    let answer = bench.call(call(2)).unwrap();
    assert_eq!(answer.get("y").unwrap().slice::<f32>().unwrap(), [3.0, 2.0]);
    assert!(refused(bench.call(call(4))).ends_with("the 4 largest of 3 elements are asked for"));
    assert!(refused(bench.call(call(-1))).ends_with("the -1 largest of 3 elements are asked for"));
}

#[test]
fn a_shape_from_the_client_that_does_not_fit_is_refused() {
    for operator in ["Reshape", "Expand", "Tile"] {
        // A graph whose output shape depends on the client may be refused when it is opened.
        let Ok(mut bench) = indexed(operator, &["2"], &[]).open_with(json!({})) else {
            continue;
        };
        for shape in [[4, 5], [-7, 2], [-1, -1], [3, 2], [1, 1], [0, 0]] {
            // An answer or an error, but no panic.
            let _ = bench.call([("i", integers(&[2], &shape))]);
        }
    }
    let bounds = Builder::new()
        .input("x", DataType::Float, &["4"])
        .input("from", DataType::Int64, &["1"])
        .input("to", DataType::Int64, &["1"])
        .node("Slice", &["x", "from", "to"], "y")
        .output("y", DataType::Float, &[""]);
    let mut bench = bounds.open();
    for (from, to) in [(0, 2), (3, 1), (-9, 9), (9, 9), (i64::MIN, i64::MAX)] {
        let x = Tensor::f32(&[4], [0.0; 4]).unwrap();
        let _ = bench.call([
            ("x", x),
            ("from", integers(&[1], &[from])),
            ("to", integers(&[1], &[to])),
        ]);
    }
}
