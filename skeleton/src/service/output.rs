//! The output of commands. It may be cut: `contacts jobs list | head -1`.

use std::{
    fmt::Arguments,
    io::{self, ErrorKind, Write},
};

/// What a shell reports for a program that a closed pipe has ended: 128 + SIGPIPE.
pub(super) const CUT: u8 = 141;

/// Prints a line, as the standard library's macro does. If the output is closed, the process ends without a message
/// instead of with a panic.
macro_rules! println {
    ($($text:tt)*) => { crate::service::output::print_line(format_args!($($text)*)) };
}

pub(super) fn print_line(line: Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(CUT.into()),
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            std::process::exit(1)
        }
    }
}
