//! The messages of depot, generated from the schema files in this folder.

include!(concat!(env!("OUT_DIR"), "/messages.rs"));
