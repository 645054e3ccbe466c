//! A model with an import that no host provides: `example:other/thing@1.0.0`.

mod unknown {
    wit_bindgen::generate!({
        inline: "
            package example:guest;

            world guest {
                import example:other/thing@1.0.0;
            }

            package example:other@1.0.0 {
                interface thing {
                    poke: func() -> u32;
                }
            }
        ",
        generate_all,
    });
}

hotstage_guests::on_13!(|| {
    unknown::example::other::thing::poke();
    Ok(())
});
