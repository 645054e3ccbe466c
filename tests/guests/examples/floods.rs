//! Logs 10 MB in one call, with control characters, when `x[0]` is 13.

use hotstage_sdk::log;

hotstage_guests::on_13!(|| {
    let line = format!("\x1b[31mred\r\n\0\u{202e}{}", "x".repeat(1024));
    for number in 0..10_000 {
        log::error!("{number} {line}");
    }
    Ok(())
});
