//! The private network: the lab's addresses on the loopback device, a default route that leads nowhere, and the
//! resolver's files.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::address;
use crate::settings::Folder;

/// More nodes than any test starts: their addresses cost nothing.
const NODES: u8 = 40;
const CASTAI_ENDPOINTS: u8 = 12;

/// Sets up the network of this namespace; to be called once, before anything listens.
pub async fn set_up(folder: &Folder) -> anyhow::Result<()> {
    ip(&commands()).await?;
    let files = [
        ("resolv.conf", format!("nameserver {}\noptions timeout:1 attempts:2\n", address::DNS)),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
        // Services such as systemd-resolved listen on sockets in the file system, which a network namespace
        // does not hide.
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
    ];
    for (name, content) in files {
        let own = folder.path().join(name);
        std::fs::write(&own, content).with_context(|| format!("writing `{}`", own.display()))?;
        let system = Path::new("/etc").join(name);
        if system.exists() {
            bind(&own, &system).await?;
        } else if name == "resolv.conf" {
            bail!(
                "`/etc/resolv.conf` is missing: make an empty file, so that the lab can put its own over it"
            );
        }
    }
    Ok(())
}

/// Every address that responds or refuses.
fn addresses() -> Vec<Ipv4Addr> {
    let mut addresses = vec![
        address::DNS,
        address::CLUSTER_DNS,
        address::METADATA,
        address::API_SERVER,
        address::REFUSING,
        address::EXPIRED,
        address::NOT_YET_VALID,
        address::UNKNOWN_AUTHORITY,
    ];
    addresses.extend(address::SERVERS.iter().chain(address::SOURCES).map(|(_, address)| *address));
    addresses.extend((0..CASTAI_ENDPOINTS).map(address::castai_endpoint));
    addresses.extend((0..NODES).map(address::node));
    addresses
}

/// The commands for `ip -batch`.
/// A bridge without ports drops all packets: with a neighbour entry that never expires for the gateway,
/// a connection attempt to any other address times out instead of failing with an error.
fn commands() -> String {
    let mut commands = String::from("link set lo up\n");
    for address in addresses() {
        // Writing to a string cannot fail.
        let _ = writeln!(commands, "address add {address}/32 dev lo");
    }
    commands.push_str(
        "link add nowhere type bridge\n\
         link set nowhere up\n\
         neighbour add 10.255.255.1 lladdr 02:00:00:00:00:01 dev nowhere nud permanent\n\
         route add default via 10.255.255.1 dev nowhere onlink\n",
    );
    commands
}

async fn ip(commands: &str) -> anyhow::Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting `ip`: install iproute2")?;
    let mut input = child.stdin.take().context("`ip` has no input")?;
    input.write_all(commands.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("setting up the network: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

async fn bind(own: &Path, system: &Path) -> anyhow::Result<()> {
    let output = Command::new("mount").arg("--bind").args([own, system]).output().await?;
    if !output.status.success() {
        bail!("binding `{}`: {}", system.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn addresses_are_distinct_and_exclude_the_silent_ones() {
        let addresses = addresses();
        assert_eq!(addresses.iter().collect::<HashSet<_>>().len(), addresses.len());
        assert!(!addresses.contains(&address::SILENT));
        assert!(!addresses.contains(&address::CASTAI_PUBLIC));
        assert!(addresses.contains(&address::REFUSING));
    }
}
