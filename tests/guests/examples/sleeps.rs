//! Sleeps for an hour when `x[0]` is 13.

#![expect(
    clippy::disallowed_methods,
    reason = "to sleep is what this guest is for"
)]

use std::time::Duration;

hotstage_guests::on_13!(|| {
    std::thread::sleep(Duration::from_secs(3600));
    Ok(())
});
