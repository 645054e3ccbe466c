//! A model for another version of the ABI: it exports `hotstage:serving/infer@0.2.0`.

#[expect(
    unsafe_code,
    reason = "generated: the canonical ABI is pointers and lengths"
)]
mod guest {
    wit_bindgen::generate!({
        inline: "
            package hotstage:serving@0.2.0;

            interface infer {
                infer: func(inputs: list<u8>) -> list<u8>;
            }

            world model {
                export infer;
            }
        ",
    });

    struct Guest;

    impl exports::hotstage::serving::infer::Guest for Guest {
        fn infer(inputs: Vec<u8>) -> Vec<u8> {
            inputs
        }
    }

    export!(Guest);
}
