//! Returns the number of calls of this instance, this one included, which shows which calls share
//! an instance. Panics when `x[0]` is 13, so that a new instance must start.

#![expect(clippy::panic, reason = "this guest ends its instance on purpose")]

use hotstage_sdk::{Failure, Files, Inputs, Model, NoSettings, OpenError, Outputs, Signature};

struct Guest {
    calls: u16,
}

impl Model for Guest {
    type Settings = NoSettings;
    const SUMMARY: &'static str = "A guest for tests.";

    fn open(_settings: NoSettings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        Ok((Self { calls: 0 }, hotstage_guests::signature()))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        if hotstage_guests::is_told(inputs)? {
            panic!("on purpose");
        }
        self.calls = self.calls.saturating_add(1);
        outputs.put_slice("y", &[1], &[f32::from(self.calls)])
    }
}

hotstage_sdk::export!(model: Guest, name: env!("CARGO_CRATE_NAME"));
