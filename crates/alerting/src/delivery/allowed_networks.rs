//! Addresses that notifications may be sent to. A user who can create a channel must not reach services that only this machine or its
//! network can reach. Names are therefore resolved, addresses are checked, and connections go to checked addresses only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks without public addresses (IANA special-purpose registries).
const PRIVATE_NETWORKS: [&str; 26] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Private networks that the server's configuration allows.
#[derive(Debug, Clone, Default)]
pub struct AllowedNetworks(Vec<IpNet>);

impl AllowedNetworks {
    /// Parses a list such as `10.0.0.0/8, 127.0.0.1`; `all` allows every network, and an empty text allows no network.
    ///
    /// # Errors
    ///
    /// Returns the part that is not a network.
    pub fn parse(text: &str) -> Result<AllowedNetworks, String> {
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "all" {
                networks.extend([IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]);
                continue;
            }
            let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            networks.push(network.map_err(|_| format!("`{part}` is not a valid network; use one such as 10.0.0.0/8, or `all`"))?);
        }
        Ok(AllowedNetworks(networks))
    }

    /// Returns whether a channel may have this address.
    pub fn is_permitted(&self, address: IpAddr) -> bool {
        let address = embedded_ipv4(address);
        let private = PRIVATE_NETWORKS.iter().any(|network| network.parse::<IpNet>().is_ok_and(|network| network.contains(&address)));
        !private || self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the addresses that connections are allowed to.
    pub(super) fn filter_permitted(&self, addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        addresses.into_iter().filter(|address| self.is_permitted(address.ip())).collect()
    }
}

/// Returns the IPv4 address that an IPv6 address embeds: mapped, translated (NAT64) or 6to4.
pub(super) fn embedded_ipv4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return four.into();
    }
    let of = |high: u16, low: u16| IpAddr::from(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match Ipv6Addr::segments(&six) {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => of(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_address_permitted(allowed: &str, address: &str) -> bool {
        AllowedNetworks::parse(allowed).unwrap().is_permitted(address.parse().unwrap())
    }

    #[test]
    fn every_network_of_the_table_parses() {
        assert!(PRIVATE_NETWORKS.iter().all(|network| network.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn private_addresses_in_any_form_are_rejected() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "192.168.1.1",
            "172.31.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fe80::1",
            "fd00::1",
            "::7f00:1",
        ] {
            assert!(!is_address_permitted("", address), "{address}");
            assert!(is_address_permitted("all", address), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_address_permitted("", address), "{address}");
        }
    }

    #[test]
    fn configured_networks_are_allowed() {
        assert!(is_address_permitted("10.0.0.0/8, 127.0.0.1", "127.0.0.1"));
        assert!(is_address_permitted("10.0.0.0/8, 127.0.0.1", "::ffff:10.9.9.9"));
        assert!(!is_address_permitted("10.0.0.0/8, 127.0.0.1", "127.0.0.2"));
        assert!(AllowedNetworks::parse("10.0.0.0/8, mine").unwrap_err().contains("`mine`"));
    }
}
