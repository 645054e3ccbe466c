//! Sleeps for an hour when `x[0]` is 13.

#![expect(clippy::disallowed_methods, reason = "this guest sleeps on purpose")]

use std::time::Duration;

hotstage_guests::on_13!(|| {
    std::thread::sleep(Duration::from_secs(3600));
    Ok(())
});
