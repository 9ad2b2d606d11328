//! The output of commands. It may be cut: `cargo xtask events check | head -1`.

use std::{
    fmt::Arguments,
    io::{self, ErrorKind, Write},
    process,
};

/// Prints a line, as the standard library's macro does. If the output is closed, the process ends without a message
/// instead of with a panic.
macro_rules! println {
    () => { crate::output::print_text(format_args!("\n")) };
    ($($text:tt)*) => { crate::output::print_text(format_args!("{}\n", format_args!($($text)*))) };
}

/// The same without a line end.
macro_rules! print {
    ($($text:tt)*) => { crate::output::print_text(format_args!($($text)*)) };
}

pub fn print_text(text: Arguments<'_>) {
    match io::stdout().lock().write_fmt(text) {
        Ok(()) => {}
        // What a shell reports for a program that a closed pipe has ended: 128 + SIGPIPE.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(141),
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            process::exit(1)
        }
    }
}
