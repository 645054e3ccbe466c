//! The macro that turns a stage into a component.
//!
//! It only exports the ABI's functions; the module `wall` implements them. Natively it only checks
//! the types.

/// Turns a stage into a component: `export!(model: Times);`, once in a crate.
///
/// The role is `preprocessor`, `model` or `postprocessor`. The component's version is the crate's
/// version. Its name is the crate's name without the prefix `hotstage-plugin-`, unless a name
/// follows: `export!(model: Times, name: "times")`.
#[macro_export]
macro_rules! export {
    ($role:ident: $stage:ty) => {
        $crate::export!($role: $stage, name: ::std::env!("CARGO_PKG_NAME"));
    };
    (preprocessor: $stage:ty, name: $name:expr) => {
        const _: fn() = || {
            const fn is_preprocessor<S: $crate::Preprocessor>() {}
            is_preprocessor::<$stage>();
        };
        $crate::__export! {
            Preprocessor, $stage, $name, preprocessor, export_preprocessor, preprocess,
            open_preprocessor -> Opened,
            fn preprocess(request: Request)
        }
    };
    (model: $stage:ty, name: $name:expr) => {
        const _: fn() = || {
            const fn is_model<S: $crate::Model>() {}
            is_model::<$stage>();
        };
        $crate::__export! {
            Model, $stage, $name, model, export_model, infer, open_model -> WallSignature,
            fn infer(inputs: ::std::vec::Vec<__guest::WallTensor>)
        }
    };
    (postprocessor: $stage:ty, name: $name:expr) => {
        const _: fn() = || {
            const fn is_postprocessor<S: $crate::Postprocessor>() {}
            is_postprocessor::<$stage>();
        };
        $crate::__export! {
            Postprocessor, $stage, $name, postprocessor, export_postprocessor, postprocess,
            open_postprocessor -> WallSignature,
            fn postprocess(inputs: ::std::vec::Vec<__guest::WallTensor>)
        }
    };
}

/// The part of `export!` that all roles share.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (
        $trait:ident, $stage:ty, $name:expr, $world:ident, $export:ident, $interface:ident,
        $open:ident -> $opened:ident,
        fn $call:ident($argument:ident: $taken:ty)
    ) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use __guest::Request;
            use $crate::wall::{bindings::$world as __world, guest as __guest};

            ::std::thread_local! {
                static __SLOT: __guest::Slot<$stage> = const { __guest::Slot::new() };
            }

            struct __Component;

            impl __world::exports::hotstage::serving::$interface::Guest for __Component {
                fn describe() -> __guest::Description {
                    __guest::describe::<<$stage as $crate::$trait>::Settings>(
                        $name,
                        ::std::env!("CARGO_PKG_VERSION"),
                        <$stage as $crate::$trait>::SUMMARY,
                    )
                }

                fn open(
                    settings: ::std::string::String,
                ) -> ::std::result::Result<__guest::$opened, __guest::WallOpenError> {
                    __SLOT.with(|slot| __guest::$open(slot, &settings))
                }

                fn $call(
                    $argument: $taken,
                ) -> ::std::result::Result<
                    ::std::vec::Vec<__guest::WallTensor>,
                    __guest::WallFailure,
                > {
                    __SLOT.with(|slot| __guest::$call(slot, $argument))
                }
            }

    __world::$export!(__Component with_types_in __world);
        };
    };
}
