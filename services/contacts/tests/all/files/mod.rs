//! Reading and writing contact files: other programs' real files, and hostile ones.

mod accounting;
mod expected;
mod hostile;
mod lines;
mod samples;
