//! Splits parameters into pieces that are sent without delay.
//!
//! neo4rs 0.9 writes a message that does not fit into its buffer of 8 kB in three parts, and leaves Nagle's algorithm
//! on. The second part waits until the server has acknowledged the first, which takes 40 ms. An additional statement
//! takes 1 ms.

use neo4rs::BoltType;

/// The number of bytes of parameters that fit into the buffer together with a statement.
const FIT: usize = 6 * 1024;

/// Splits the parameters of a statement, in order. A parameter that does not fit gets its own piece.
pub(super) fn pieces<T>(all: Vec<T>, bytes_of: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut pieces: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for one in all {
        let bytes = bytes_of(&one);
        match pieces.last_mut() {
            Some(piece) if bytes <= room => piece.push(one),
            _ => {
                pieces.push(vec![one]);
                room = FIT;
            }
        }
        room = room.saturating_sub(bytes);
    }
    pieces
}

/// The approximate size of a parameter in bytes.
pub(super) fn bytes_of(parameter: &BoltType) -> usize {
    match parameter {
        BoltType::String(text) => text.value.len() + 3,
        BoltType::Bytes(bytes) => bytes.value.len() + 3,
        BoltType::List(list) => list.value.iter().map(bytes_of).sum::<usize>() + 3,
        BoltType::Map(map) => map.value.iter().map(|(name, value)| name.value.len() + 3 + bytes_of(value)).sum(),
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record, FIT, bytes_of, pieces};

    #[test]
    fn what_fits_goes_together_and_in_its_order() {
        let all: Vec<usize> = vec![FIT / 2, FIT / 2, 1, FIT + 1, 1, 2];
        let split = pieces(all.clone(), |bytes| *bytes);
        assert_eq!(split, [vec![FIT / 2, FIT / 2], vec![1], vec![FIT + 1], vec![1, 2]]);
        assert_eq!(split.concat(), all);
        assert!(pieces(Vec::<usize>::new(), |bytes| *bytes).is_empty());
    }

    #[test]
    fn a_row_is_as_large_as_what_it_holds() {
        let keys = vec!["k".repeat(64); 3];
        let row = record([("name", "n".repeat(100).into()), ("keys", keys.into()), ("sequence", 7.into())]);
        assert!((292..350).contains(&bytes_of(&row)), "{}", bytes_of(&row));
    }
}
