//! The messages of gateway, generated from the schema files in this folder.

include!(concat!(env!("OUT_DIR"), "/messages.rs"));
