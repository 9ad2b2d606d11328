//! Reading and writing contact files, over real files of other programs and over hostile ones.

#[path = "files/accounting.rs"]
mod accounting;
#[path = "files/expected.rs"]
mod expected;
#[path = "files/hostile.rs"]
mod hostile;
#[path = "files/lines.rs"]
mod lines;
#[path = "files/samples.rs"]
mod samples;
