use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, last])
}

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[test]
fn store_keeps_reserved_file_descriptors() {
    assert_eq!(ConnectionRegistry::new(1024, 64 << 30, None).limit(), 768);
    assert_eq!(ConnectionRegistry::new(256, 64 << 30, None).limit(), 128);
    assert_eq!(ConnectionRegistry::new(1 << 20, 512 << 20, None).limit(), 2048);
    assert_eq!(ConnectionRegistry::new(1 << 20, 64 << 30, None).limit(), 16_384);
}

#[test]
fn new_connection_evicts_an_idle_one() {
    let connections = ConnectionRegistry::new(256, 1 << 30, None);
    let places: Vec<ConnectionSlot> = (0..connections.limit()).filter_map(|_| connections.acquire_slot(LOOPBACK)).collect();
    assert_eq!(places.len(), connections.limit(), "loopback has no limit of its own");
    let newcomer = connections.acquire_slot(LOOPBACK).unwrap();
    assert!(places[0].close_now.is_cancelled() && !newcomer.close_now.is_cancelled());
    assert_eq!(places.iter().filter(|place| place.close_now.is_cancelled()).count(), 1);
    assert_eq!(connections.count(), connections.limit());
    drop(places);
    assert_eq!(connections.count(), 1);
}

#[test]
fn one_address_gets_half_of_the_connections() {
    let connections = ConnectionRegistry::new(256, 1 << 30, None);
    let places: Vec<ConnectionSlot> = (0..connections.limit()).filter_map(|_| connections.acquire_slot(address(1))).collect();
    assert_eq!(connections.count(), connections.limit() / 2);
    assert_eq!(places.iter().filter(|place| !place.close_now.is_cancelled()).count(), connections.limit() / 2);
    let others: Vec<ConnectionSlot> = (0..connections.limit() / 2).filter_map(|_| connections.acquire_slot(address(2))).collect();
    assert!(others.iter().all(|place| !place.close_now.is_cancelled()));
    let network = |text: &str| counted_address(text.parse().unwrap());
    assert_eq!(network("2001:db8::1"), network("2001:db8::2"));
    assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    assert_eq!(network("::ffff:127.0.0.1"), None);
}
