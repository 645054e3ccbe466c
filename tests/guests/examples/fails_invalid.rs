//! Refuses the client's input when `x[0]` is 13.

use hotstage_sdk::Failure;

hotstage_guests::on_13!(|| Err(Failure::invalid_input(
    "input `x`: element 0 is 13; anything else is fine"
)));
