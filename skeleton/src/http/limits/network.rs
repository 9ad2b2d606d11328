//! The networks that addresses belong to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is counted as one address: an IPv6 user can choose any address of a whole /64.
pub(super) fn network_of(address: IpAddr, crowded: bool) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) if crowded => Ipv4Addr::from_bits(address.to_bits() & !0xffff).into(),
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << if crowded { 96 } else { 64 })).into()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails on anything unexpected")]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4() {
        let network = |address: &str, crowded| network_of(address.parse().unwrap(), crowded).to_string();

        assert_eq!(network("2001:db8:1:2:3:4:5:6", false), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", true), "2001:db8::");
        assert_eq!(network("::ffff:192.0.2.7", false), "192.0.2.7");
        assert_eq!(network("192.0.2.7", true), "192.0.0.0");
    }
}
