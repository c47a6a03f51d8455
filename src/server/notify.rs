//! Telling the service manager that the server takes requests, as `sd_notify(3)` describes it.

use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// Says so where somebody wants to hear it. Nobody listening is no fault.
pub(super) fn ready() {
    let Some(place) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&place.to_string_lossy(), b"READY=1") {
        tracing::warn!(%error, "the service manager could not be told that the server is ready");
    }
}

fn send(place: &str, text: &[u8]) -> std::io::Result<()> {
    // A name that begins with `@` is no file.
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_it_at_either_kind_of_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("berth-test-{}", std::process::id());
        for (place, socket) in [
            (path.display().to_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}"), UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap()),
        ] {
            send(&place, b"READY=1").unwrap();
            let mut heard = [0; 16];
            let size = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..size], b"READY=1");
        }
        assert!(send("/nowhere/at/all", b"x").is_err());
    }
}
