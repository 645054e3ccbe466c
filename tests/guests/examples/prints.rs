//! Prints 10,000 lines to each of stdout and stderr when `x[0]` is 13.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this guest prints on purpose"
)]

hotstage_guests::on_13!(|| {
    for number in 0..10_000 {
        println!("line {number} to stdout");
        eprintln!("line {number} to stderr");
    }
    Ok(())
});
