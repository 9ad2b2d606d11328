//! Reading and writing contact files, over real files of other programs and over hostile ones.

mod accounting;
mod expected;
mod hostile;
mod lines;
mod samples;
