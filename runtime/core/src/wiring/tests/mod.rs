//! Wirings as tables of text.

mod followed;

use super::*;
use crate::datatype::Datatype;
use crate::name::StageName;

/// A stage, as owned values.
#[derive(Debug)]
struct Stage {
    name: StageName,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    signature: Signature,
    glances: Vec<Glance>,
}

fn port(text: &str) -> Port {
    let (name, shape) = text.split_once(' ').unwrap_or((text, "-1"));
    let (datatype, shape) = shape
        .split_once(' ')
        .map_or((Datatype::Fp32, shape), |(datatype, shape)| {
            (datatype.parse().unwrap(), shape)
        });
    let shape = shape.split(',').map(|size| size.parse().ok()).collect();
    Port {
        name: name.to_owned(),
        datatype,
        shape,
    }
}

/// `name: input, input = source -> output, output = renamed`, where an input or output is
/// `name [datatype] [shape]`.
fn stage(line: &str) -> Stage {
    let (name, rest) = line.split_once(": ").unwrap();
    let (inputs, outputs) = rest.split_once("->").unwrap();
    let side = |text: &str| {
        let mut ports = Vec::new();
        let mut renames = BTreeMap::new();
        for item in text
            .split(';')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (item, rename) = item
                .split_once(" = ")
                .map_or((item, None), |(item, to)| (item, Some(to)));
            // `!x = y` renames something that does not exist.
            if let Some(absent) = item.strip_prefix('!') {
                renames.insert(absent.to_owned(), rename.unwrap().to_owned());
                continue;
            }
            let port = port(item);
            renames.extend(rename.map(|to| (port.name.clone(), to.to_owned())));
            ports.push(port);
        }
        (ports, renames)
    };
    let ((inputs, in_renames), (outputs, out_renames)) = (side(inputs), side(outputs));
    Stage {
        name: name.parse().unwrap(),
        inputs: in_renames,
        outputs: out_renames,
        signature: Signature { inputs, outputs },
        glances: Vec::new(),
    }
}

fn wires(stages: &[Stage]) -> Vec<StageWires<'_>> {
    stages
        .iter()
        .map(
            |Stage {
                 name,
                 inputs,
                 outputs,
                 signature,
                 glances,
             }| StageWires {
                name: name.as_str(),
                inputs,
                outputs,
                signature,
                glances,
            },
        )
        .collect()
}

/// The plan in a few lines: `!` is a last use, `?` a check.
fn render(stages: &str, accepts: Accepts, outputs: Option<&str>) -> String {
    let stages: Vec<Stage> = stages
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(stage)
        .collect();
    let outputs: Option<Vec<String>> =
        outputs.map(|outputs| outputs.split(' ').map(str::to_owned).collect());
    match plan(Parts::Stages, &wires(&stages), accepts, outputs.as_deref()) {
        Err(wrong) => wrong
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
        Ok(plan) => {
            let ports = |ports: &[Port]| {
                ports
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ")
            };
            let mut lines = vec![format!("in {}", ports(&plan.signature.inputs))];
            for stage in &plan.stages {
                let take = |take: &Take| {
                    format!(
                        "{}{}{}",
                        take.slot,
                        if take.last_use { "!" } else { "" },
                        if take.check { "?" } else { "" }
                    )
                };
                let takes: Vec<String> = stage.takes.iter().map(take).collect();
                lines.push(format!("takes {} fills {:?}", takes.join(" "), stage.fills));
            }
            lines.push(format!(
                "out {} from {:?} of {}",
                ports(&plan.signature.outputs),
                plan.answers,
                plan.slots
            ));
            lines.join("\n")
        }
    }
}

#[track_caller]
fn check(stages: &str, outputs: Option<&str>, expect: &str) {
    assert_eq!(render(stages, Accepts::Tensors, outputs), expect);
}

#[test]
fn stages_are_chained_by_name() {
    check(
        "scale: features -1,30 -> features -1,30
         classify: features -1,30 -> score -1,1
         label: score -1,1 -> label BYTES -1; score -1",
        None,
        "in features FP32 [-1, 30]\n\
         takes 0! fills 1..2\n\
         takes 1! fills 2..3\n\
         takes 2! fills 3..5\n\
         out label BYTES [-1]; score FP32 [-1] from [3, 4] of 5",
    );
}

#[test]
fn a_later_stage_takes_what_lies_further_back() {
    // `size` is the client's, and the first stage takes it, so the last one finds it by its name.
    // `a` takes one tensor twice.
    check(
        "first: x; size -> y
         a: y; again = y -> z
         last: size; first = first.y; z = z -> out = answer",
        Some("answer y"),
        "in x FP32 [-1]; size FP32 [-1]\n\
         takes 0! 1 fills 2..3\n\
         takes 2 2 fills 3..4\n\
         takes 1! 2 3! fills 4..5\n\
         out answer FP32 [-1]; y FP32 [-1] from [4, 2] of 5",
    );
}

#[test]
fn a_stage_can_require_more_of_the_client() {
    check(
        "a: x -1,3 -> y
         b: y; t 2,-1 = request.threshold -> z
         c: z; t -1,4 = request.threshold -> out
         d: out; threshold 2,4 -> out",
        None,
        "in x FP32 [-1, 3]; threshold FP32 [2, 4]\n\
         takes 0! fills 2..3\n\
         takes 2! 1 fills 3..4\n\
         takes 3! 1 fills 4..5\n\
         takes 4! 1! fills 5..6\n\
         out out FP32 [-1] from [5] of 6",
    );
    check(
        "a: x = image; y = image; z = request.image -> y",
        None,
        "in image FP32 [-1]\ntakes 0 0 0! fills 1..2\nout y FP32 [-1] from [1] of 2",
    );
    check(
        "a: x -> y",
        Some("request.x"),
        "in x FP32 [-1]\ntakes 0 fills 1..2\nout x FP32 [-1] from [0] of 2",
    );
}

#[test]
fn what_its_maker_does_not_guarantee_is_checked() {
    check(
        "a: x -1,30 -> y -1,-1
         b: y -1,30 -> z 4
         c: z -> out",
        None,
        "in x FP32 [-1, 30]\n\
         takes 0! fills 1..2\n\
         takes 1!? fills 2..3\n\
         takes 2! fills 3..4\n\
         out out FP32 [-1] from [3] of 4",
    );
}

#[test]
fn unambiguous_dots_are_accepted() {
    check(
        "a.b: x -> c
         d: y = a.b.c -> z",
        None,
        "in x FP32 [-1]\ntakes 0! fills 1..2\ntakes 1! fills 2..3\nout z FP32 [-1] from [2] of 3",
    );
    check(
        "a: x -> b.c
         a.b: b.c -> c
         d: y = a.b.c -> z",
        None,
        "spec.stages[2].inputs.y: `a.b.c` could be `b.c` of stage `a` or `c` of stage `a.b`; rename one of them under \
         its stage's `outputs`",
    );
}

#[test]
fn all_errors_are_reported_at_once() {
    check(
        "scale: features -1,30 -> features -1,30; mean = features
         classify: features -1,29; !feature = x; mask BOOL -1 -> score; !scores = s
         label: scores; who = label.x; next = later.x; old = scale.mean -> label BYTES -1
         later: label -> label",
        Some("labl request.y label classify.score"),
        "spec.stages[0].outputs.mean: outputs `features` and `mean` of stage `scale` would both be called `features`\n\
         spec.stages[1].inputs.feature: stage `classify` has no such input; did you mean `features`?\n\
         spec.stages[1].outputs.scores: stage `classify` has no such output; did you mean `score`?\n\
         spec.stages[1].inputs.features: stage `classify` input `features` FP32 [-1, 29] can't take `scale.features` \
         FP32 [-1]\n\
         spec.stages[1].inputs.mask: nothing before stage `classify` makes its input `mask` BOOL [-1]; reachable: \
         `scale.features` FP32 [-1], `scale.features` FP32 [-1, 30], `request.features` FP32 [-1, 30]; \
         `request.mask` asks the client for it\n\
         spec.stages[2].inputs.scores: nothing before stage `label` makes its input `scores` FP32 [-1]; did you mean \
         `classify.score`? reachable: `classify.score` FP32 [-1], `scale.features` FP32 [-1], `scale.features` FP32 \
         [-1, 30], `request.features` FP32 [-1, 30]; `request.scores` asks the client for it\n\
         spec.stages[2].inputs.who: there is no tensor `label.x` here; a stage can't take what it makes itself; \
         reachable: `classify.score` FP32 [-1], `scale.features` FP32 [-1], `scale.features` FP32 [-1, 30], \
         `request.features` FP32 [-1, 30]\n\
         spec.stages[2].inputs.next: there is no tensor `later.x` here; stage `later` runs later; reachable: \
         `classify.score` FP32 [-1], `scale.features` FP32 [-1], `scale.features` FP32 [-1, 30], `request.features` \
         FP32 [-1, 30]\n\
         spec.stages[2].inputs.old: there is no tensor `scale.mean` here; `outputs` renames that to `features`; \
         reachable: `classify.score` FP32 [-1], `scale.features` FP32 [-1], `scale.features` FP32 [-1, 30], \
         `request.features` FP32 [-1, 30]\n\
         spec.stages[3].inputs.label: stage `later` input `label` FP32 [-1] can't take `label.label` BYTES [-1]\n\
         spec.outputs[0]: there is no tensor `labl` here; did you mean `later.label`? reachable: `later.label` FP32 \
         [-1], `label.label` BYTES [-1], `classify.score` FP32 [-1], `scale.features` FP32 [-1], `scale.features` \
         FP32 [-1, 30], `request.features` FP32 [-1, 30]\n\
         spec.outputs[1]: no stage takes `request.y`, so its type is unknown; reachable: `later.label` FP32 [-1], \
         `label.label` BYTES [-1], `classify.score` FP32 [-1], `scale.features` FP32 [-1], `scale.features` FP32 \
         [-1, 30], `request.features` FP32 [-1, 30]",
    );
}

#[test]
fn takers_of_one_tensor_agree_and_answers_have_names_of_their_own() {
    check(
        "a: x 3 -> y
         b: y; z 4 = request.x -> y",
        Some("a.y b.y"),
        "spec.stages[1].inputs.z: stage `b` input `z` FP32 [4] can't take `request.x` FP32 [3], which stage `a` input \
         `x` FP32 [3] takes too\n\
         spec.outputs[1]: another answer is called `y` as well: `a.y`; give one of them another name under its \
         stage's `outputs`",
    );
    check(
        "a: x -> y = z",
        Some("y"),
        "spec.outputs[0]: there is no tensor `y` here; reachable: `a.z` FP32 [-1], `request.x` FP32 [-1]",
    );
}

#[test]
fn a_raw_body_leaves_nothing_to_others() {
    assert_eq!(
        render(
            "a: image UINT8 -1 -> y\nb: image UINT8 -1; s = request.size -> z",
            Accepts::Raw,
            None
        ),
        "spec.stages[1].inputs.image: nothing before stage `b` makes its input `image` UINT8 [-1]; reachable: `a.y` \
         FP32 [-1]\n\
         spec.stages[1].inputs.s: `request.size` isn't always present: stage `a` takes raw bodies, which have no tensors"
    );
    assert_eq!(
        render("a: image UINT8 -1 -> y\nb: y -> z", Accepts::Raw, None),
        "in image UINT8 [-1]\ntakes 0! fills 1..2\ntakes 1! fills 2..3\nout z FP32 [-1] from [2] of 3"
    );
}

#[test]
fn a_pipeline_is_bounded_as_a_stage_is() {
    let long = "n".repeat(300);
    let wrong = render(&format!("a: x -> y = {long}"), Accepts::Tensors, None);
    assert_eq!(
        wrong,
        "spec: the pipeline as a whole: output 0 has a name of 300 bytes"
    );
    assert!(plan(Parts::Stages, &[], Accepts::Tensors, None).is_ok());
}
