//! A property of all plans: a request that follows one never finds a slot empty.

use proptest::prelude::*;

use super::*;

fn any_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["x", "y", "z", "s0", "s1.x"]).prop_map(str::to_owned)
}

fn any_source() -> impl Strategy<Value = String> {
    let stage = prop::sample::select(vec!["", "request.", "s0.", "s1.", "s2."]);
    (stage, any_name()).prop_map(|(stage, name)| format!("{stage}{name}"))
}

fn any_ports() -> impl Strategy<Value = Vec<Port>> {
    let size = prop::option::weighted(0.3, 1_u64..3);
    prop::collection::btree_map(any_name(), size, 0..3).prop_map(|ports| {
        ports
            .into_iter()
            .map(|(name, size)| Port {
                name,
                datatype: Datatype::Fp32,
                shape: vec![size],
            })
            .collect()
    })
}

fn any_stage() -> impl Strategy<Value = Stage> {
    let renames = || prop::collection::btree_map(any_name(), any_source(), 0..2);
    let names = || prop::collection::btree_map(any_name(), any_name(), 0..2);
    let glances = prop::collection::vec(any_source(), 0..2);
    (any_ports(), any_ports(), renames(), names(), glances).prop_map(|parts| {
        let (inputs, outputs, in_renames, out_renames, glances) = parts;
        let glance = |source| Glance {
            source,
            path: KeyPath::default(),
        };
        let known = |ports: &[Port], key: &str| ports.iter().any(|port| port.name == key);
        Stage {
            name: "unnamed".parse().unwrap(),
            inputs: in_renames
                .into_iter()
                .filter(|(key, _)| known(&inputs, key))
                .collect(),
            outputs: out_renames
                .into_iter()
                .filter(|(key, _)| known(&outputs, key))
                .collect(),
            signature: Signature { inputs, outputs },
            glances: glances.into_iter().map(glance).collect(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Follows the plan with sizes in the slots, as a request would with tensors.
    #[test]
    fn no_slot_is_ever_found_empty(
        mut stages in prop::collection::vec(any_stage(), 1..5),
        outputs in prop::option::of(prop::collection::vec(any_source(), 1..3)),
        raw: bool,
    ) {
        for (index, stage) in stages.iter_mut().enumerate() {
            stage.name = format!("s{index}").parse().unwrap();
        }
        let accepts = if raw { Accepts::Raw } else { Accepts::Tensors };
        let wires = wires(&stages);
        let Ok(plan) = plan(Parts::Stages, &wires, accepts, outputs.as_deref()) else {
            return Ok(());
        };
        let mut slots: Vec<Option<Port>> = vec![None; plan.slots];
        for (slot, port) in slots.iter_mut().zip(&plan.signature.inputs) {
            *slot = Some(port.clone());
        }
        for (stage, wired) in plan.stages.iter().zip(&stages) {
            prop_assert_eq!(stage.looks.len(), wired.glances.len());
            for look in &stage.looks {
                let held = slots[look.slot].as_ref().expect("a slot that was filled and not moved");
                prop_assert_eq!(&held.shape, &look.port.shape);
            }
            prop_assert_eq!(stage.takes.len(), wired.signature.inputs.len());
            for (take, port) in stage.takes.iter().zip(&wired.signature.inputs) {
                let slot = &mut slots[take.slot];
                let held = if take.last_use { slot.take() } else { slot.clone() };
                let held = held.expect("a slot that was filled and not moved");
                prop_assert!(held.may_feed(port).is_ok());
                prop_assert_eq!(take.check, !held.always_feeds(port));
            }
            prop_assert_eq!(stage.fills.len(), wired.signature.outputs.len());
            for (slot, port) in stage.fills.clone().zip(&wired.signature.outputs) {
                prop_assert!(slots[slot].replace(port.clone()).is_none());
            }
        }
        prop_assert_eq!(plan.answers.len(), plan.signature.outputs.len());
        for (answer, port) in plan.answers.iter().zip(&plan.signature.outputs) {
            let held = slots[*answer].take().expect("an answer");
            prop_assert_eq!(&held.shape, &port.shape);
        }
    }
}
