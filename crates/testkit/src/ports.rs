//! Free ports for servers that must be told theirs.
//!
//! What holds here: between our look and the server's start nobody else takes a port. A port lies below those
//! that the kernel gives to connections and to listeners that name none (`ip_local_port_range`, from 32768),
//! and this process holds a claim to it for as long as it lives. The claim is an abstract Unix socket, which
//! ends with the process, and which each process of the testkit asks for first.

use std::net::TcpListener;
use std::ops::Range;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// The ports to choose from. The node ports of Services begin after them.
const PORTS: Range<u16> = 15_000..30_000;

/// What this process has claimed.
static CLAIMS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// Ports of loopback that are free, and are this process's from now on.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    // Each process begins elsewhere and goes on from there, so that few ports are looked at twice.
    let begin = usize::try_from(std::process::id()).unwrap_or_default() * 97 + claims.len();
    let mut candidates = PORTS.cycle().skip(begin % PORTS.len()).take(PORTS.len());
    let mut ports = [0; N];
    for port in &mut ports {
        let claimed = candidates.find_map(|port| Some((port, claim(port)?)));
        let (free, claim) = claimed.context("find a free port: all of 15000 to 29999 are taken")?;
        *port = free;
        claims.push(claim);
    }
    Ok(ports)
}

/// Claims a port; `None` if it is another process's or in use.
fn claim(port: u16) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("presigned-testkit-port-{port}")).ok()?;
    let claim = UnixListener::bind_addr(&name).ok()?;
    TcpListener::bind(("127.0.0.1", port)).ok()?;
    Some(claim)
}

#[cfg(test)]
mod tests {
    //! Who gets which port.

    use super::*;

    #[test]
    fn no_port_is_given_twice_and_none_is_one_of_a_connection() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            for port in free_ports::<3>().expect("ports") {
                assert!(seen.insert(port), "{port} twice");
                assert!(PORTS.contains(&port), "{port}");
                TcpListener::bind(("127.0.0.1", port)).expect("it is free");
            }
        }
    }

    #[test]
    fn what_another_claims_or_serves_is_left_alone() {
        let [port] = free_ports().expect("a port");
        assert!(claim(port).is_none(), "it is claimed");
        let (free, claimed) = PORTS
            .rev()
            .find_map(|port| Some((port, claim(port)?)))
            .expect("a port");
        drop(claimed);
        let _server = TcpListener::bind(("127.0.0.1", free)).expect("it is free");
        assert!(claim(free).is_none(), "it is served");
    }
}
