//! Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

/// Calls a macro with the crate of every service.
macro_rules! every_service {
    ($call:ident) => {
        $call!(gateway);
        $call!(accounts);
        $call!(contacts);
        $call!(network);
        $call!(search);
        $call!(notifications);
    };
}
