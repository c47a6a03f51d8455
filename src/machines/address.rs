//! Which addresses machines may have.
//!
//! Judged is what a name resolves to, at each contact anew, and the contact is made to the very address that was
//! judged: `ssh` is given it and resolves nothing. Behind a jump host it is the jump host's address that is dialled from
//! here; the machine's name is then resolved by the jump host, so only what is written as an address can be judged.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use ipnet::IpNet;
use tokio::net::{TcpStream, lookup_host};

use super::target::dialled;
use crate::{
    config::{Config, Remote},
    ctx::Ctx,
    remote::{Error, quote, ssh_config},
};

const ALLOW: &str = "machines.allow_addresses";
const DENY: &str = "machines.deny_addresses";

/// Networks where no machine is, and what they are. An entry of the allow list that lies inside opens them.
const NEVER: [(&str, &str); 9] = [
    ("0.0.0.0/8", "is no host's"),
    ("::/128", "is no host's"),
    ("169.254.0.0/16", "is link-local, where clouds answer with credentials"),
    ("fe80::/10", "is link-local"),
    ("fd00:ec2::254/128", "is a cloud's metadata service"),
    ("100.100.100.200/32", "is a cloud's metadata service"),
    ("224.0.0.0/4", "is a multicast address"),
    ("ff00::/8", "is a multicast address"),
    ("240.0.0.0/4", "is reserved or a broadcast address"),
];

/// In production, also these.
const NEVER_IN_PRODUCTION: [(&str, &str); 2] =
    [("127.0.0.0/8", "is this server itself"), ("::1/128", "is this server itself")];

/// How the connection is to be made, as options for `ssh`.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Whether the options stand for the jump host, too.
    pub replaces_jump: bool,
    /// `Key=Value`.
    pub options: Vec<String>,
}

/// Why this address may not be dialled, if so.
pub(super) fn refusal(config: &Config, address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    let all = [Some(address), embedded(address)];
    all.into_iter().flatten().find_map(|seen| judge(config, seen))
}

fn judge(config: &Config, address: IpAddr) -> Option<String> {
    let rules = &config.machines;
    if let Some(network) = rules.deny.iter().find(|network| network.contains(&address)) {
        return Some(format!("`{address}` is refused: it is in `{network}` of the setting `{DENY}`"));
    }
    let production = NEVER_IN_PRODUCTION.iter().filter(|_| config.is_production());
    for (text, what) in NEVER.iter().chain(production) {
        let network: IpNet = text.parse().expect("the table holds networks");
        let opened = |allowed: &IpNet| network.contains(allowed) && allowed.contains(&address);
        if network.contains(&address) && !rules.allow.iter().any(opened) {
            return Some(format!(
                "`{address}` is refused: it {what}; if a machine of yours is there, name it in the setting `{ALLOW}`"
            ));
        }
    }
    let is_allowed = rules.allow.is_empty() || rules.allow.iter().any(|network| network.contains(&address));
    (!is_allowed).then(|| format!("`{address}` is refused: it is in no network of the setting `{ALLOW}`"))
}

/// The IPv4 address that a translator would reach by this IPv6 one: NAT64, 6to4, and the old compatible form.
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let (high, low) = match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        _ => return None,
    };
    Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))))
}

/// What is wrong with a host and a jump host as they are written, and in which field; nothing is resolved.
pub(super) fn written(config: &Config, host: &str, jump: Option<&str>) -> Option<(&'static str, String)> {
    let of = |text: &str| bare(text).and_then(|address| refusal(config, address));
    if let Some(why) = of(&dialled(host, config)) {
        return Some(("host", format!("the address {why}")));
    }
    let jump = jump?;
    if let Some(why) = hops(jump).iter().find_map(|hop| of(hop.host)) {
        return Some(("jump", format!("the address {why}")));
    }
    unjudged(config, host).map(|why| ("host", why))
}

/// Behind a jump host a name cannot be judged.
fn unjudged(config: &Config, host: &str) -> Option<String> {
    (bare(host).is_none() && !config.machines.allow.is_empty()).then(|| {
        format!(
            "`{host}` is resolved by the jump host, so the setting `{ALLOW}` cannot be held; write the machine's address"
        )
    })
}

/// The same with names resolved, for whoever enters them. A name that resolves to nothing is no fault here: the
/// contact will say so.
pub(super) async fn fault(ctx: &Ctx, host: &str, jump: Option<&str>) -> Option<(&'static str, String)> {
    if let Some(fault) = written(&ctx.config, host, jump) {
        return Some(fault);
    }
    if ctx.config.remote == Remote::Fake {
        return None;
    }
    let (field, seen) = match jump {
        Some(jump) => ("jump", gate(ctx, &hops(jump)).await.map(drop)),
        None => ("host", judged(ctx, &dialled(host, &ctx.config), 22).await.map(drop)),
    };
    match seen {
        Err(Error::BadValue(why)) => Some((field, why)),
        _ => None,
    }
}

/// Resolves, judges, and says how to connect to just what was judged.
pub(super) async fn way(ctx: &Ctx, host: &str, port: u16, jump: Option<&str>) -> Result<Way, Error> {
    if let Some((_, why)) = written(&ctx.config, host, jump) {
        return Err(refused(why));
    }
    let Some(jump) = jump else { return direct(ctx, &dialled(host, &ctx.config), port).await };
    let hops = hops(jump);
    let Some((addresses, alias)) = gate(ctx, &hops).await? else { return Ok(Way::default()) };
    let address = choose(ctx, addresses).await;
    let pin = format!("-o {} -o {}", quote(&hostname(address)), quote(&format!("HostKeyAlias={alias}")));
    let command = proxy(&hops, &pin.replace('%', "%%"));
    Ok(Way { replaces_jump: true, options: vec![format!("ProxyCommand={command}")] })
}

async fn direct(ctx: &Ctx, host: &str, port: u16) -> Result<Way, Error> {
    let unknown = match judged(ctx, host, port).await {
        Ok(addresses) => return Ok(pinned(choose(ctx, addresses).await)),
        Err(error @ Error::Unreachable(_)) => error,
        Err(error) => return Err(error),
    };
    // A name of ssh_config's own.
    let known = ssh_config(host, None, Some(port)).await?;
    if known.is_proxied {
        return unjudged(&ctx.config, host).map_or(Ok(Way::default()), |why| Err(refused(why)));
    }
    if known.hostname == host {
        return Err(unknown);
    }
    let addresses = judged(ctx, &known.hostname, port).await?;
    Ok(pinned(choose(ctx, addresses).await))
}

fn pinned(address: SocketAddr) -> Way {
    Way { replaces_jump: false, options: vec![hostname(address)] }
}

/// Where the first jump host is, and under which name its key is known. None: `ssh_config` knows a way of its own to
/// it, which is the operator's, who sees to where it leads.
async fn gate(ctx: &Ctx, hops: &[Hop<'_>]) -> Result<Option<(Vec<SocketAddr>, String)>, Error> {
    let first = hops.first().expect("splitting a text gives one part or more");
    let known = ssh_config(first.host, first.user, first.port).await?;
    if known.is_proxied {
        return Ok(None);
    }
    let addresses = judged(ctx, &known.hostname, known.port).await?;
    let alias = known.alias.unwrap_or_else(|| match known.port {
        22 => known.hostname,
        port => format!("[{}]:{port}", known.hostname),
    });
    Ok(Some((addresses, alias)))
}

/// Resolves a name and answers its addresses that may be dialled, one at least.
async fn judged(ctx: &Ctx, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let patience = ctx.config.timeouts.connect;
    let looked_up = tokio::time::timeout(patience, lookup_host((host, port))).await;
    let found = looked_up.map_err(|_| Error::TimedOut { doing: format!("resolving `{host}`"), after: patience })?;
    let found = found.map_err(|error| Error::Unreachable(format!("`{host}` cannot be resolved: {error}")))?;
    let mut good = Vec::new();
    let mut why = None;
    for address in found {
        match refusal(&ctx.config, address.ip()) {
            None => good.push(address),
            Some(refusal) => why = why.or(Some(refusal)),
        }
    }
    match why {
        _ if !good.is_empty() => Ok(good),
        None => Err(Error::Unreachable(format!("`{host}` has no address"))),
        Some(why) if bare(host).is_some() => Err(refused(format!("the address {why}"))),
        Some(why) => Err(refused(format!("`{host}` resolves to an address that may not be dialled: {why}"))),
    }
}

/// Of several addresses the first where somebody listens, as `ssh` itself would find.
async fn choose(ctx: &Ctx, addresses: Vec<SocketAddr>) -> SocketAddr {
    let first = addresses[0];
    if addresses.len() == 1 {
        return first;
    }
    let each = ctx.config.timeouts.connect / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        if let Ok(Ok(_)) = tokio::time::timeout(each, TcpStream::connect(address)).await {
            return address;
        }
    }
    first
}

fn refused(why: String) -> Error {
    metrics::counter!("berth_machine_addresses_refused_total").increment(1);
    Error::BadValue(why)
}

/// `HostName=…` as `ssh` reads it, with the interface of a link-local address.
fn hostname(address: SocketAddr) -> String {
    let text = match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_canonical().to_string(),
    };
    format!("HostName={text}")
}

/// A host that is written as an address, its interface left out.
fn bare(host: &str) -> Option<IpAddr> {
    host.split('%').next().unwrap_or_default().parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hop<'a> {
    user: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
}

/// The parts of a `ProxyJump` value.
fn hops(jump: &str) -> Vec<Hop<'_>> {
    jump.split(',').map(hop).collect()
}

fn hop(text: &str) -> Hop<'_> {
    let (user, address) = text.split_once('@').map_or((None, text), |(user, address)| (Some(user), address));
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    Hop { user, host, port: port.and_then(|port| port.parse().ok()) }
}

/// What makes the connection to the machine by way of these hops; the first is dialled as `pin` says.
fn proxy(hops: &[Hop], pin: &str) -> String {
    let (last, before) = hops.split_last().expect("there is a hop");
    let mut command = "ssh".to_owned();
    if let Some(user) = last.user {
        let _ = write!(command, " -l {}", quote(user));
    }
    if let Some(port) = last.port {
        let _ = write!(command, " -p {port}");
    }
    command += " ";
    if before.is_empty() {
        command += pin;
    } else {
        // It is read once more, by the `ssh` that it is given to.
        let inner = quote(&format!("ProxyCommand={}", proxy(before, pin)));
        let _ = write!(command, "-o {}", inner.replace('%', "%%"));
    }
    format!("{command} -W '[%h]:%p' -- {}", quote(last.host))
}

/// For who tries random texts: what is a jump host by the rules is taken apart and put together for a shell.
pub(super) fn try_text(text: &str) {
    let _ = written(&Config::default(), text, Some(text));
    if super::rules::jump(text).is_ok() {
        let hops = hops(text);
        assert!(hops.iter().all(|hop| !hop.host.is_empty()), "{text:?}");
        let command = proxy(&hops, "-o HostName=192.0.2.1");
        assert!(!command.contains(['`', '$', ';', '&', '|', '\n']), "{command:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config(allow: &[&str], deny: &[&str]) -> Config {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let machines = crate::config::Machines { allow: networks(allow), deny: networks(deny) };
        Config { machines, ..Config::default() }
    }

    fn refused(config: &Config, address: &str) -> Option<String> {
        refusal(config, address.parse().unwrap())
    }

    #[test]
    fn what_is_never_a_machine_is_refused_in_every_disguise() {
        let config = config(&[], &[]);
        for bad in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "::",
            "255.255.255.255",
        ] {
            assert!(refused(&config, bad).unwrap().contains(ALLOW), "{bad}");
        }
        for good in ["10.0.0.1", "192.0.2.1", "127.0.0.1", "::1", "fd00::1", "2001:db8::1", "64:ff9b::a00:1"] {
            assert_eq!(refused(&config, good), None, "{good}");
        }
    }

    #[test]
    fn production_does_not_lend_the_server_itself() {
        let config = Config { env: Environment::Production, ..config(&[], &[]) };
        for bad in ["127.0.0.1", "::1", "127.9.9.9", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert!(refused(&config, bad).is_some(), "{bad}");
        }
        let opened = Config { env: Environment::Production, ..self::config(&["127.0.0.1/32", "0.0.0.0/0"], &[]) };
        assert_eq!(refused(&opened, "127.0.0.1"), None);
        assert_eq!(refused(&opened, "10.0.0.1"), None);
        assert!(refused(&opened, "127.0.0.2").is_some(), "a wide network opens nothing that is guarded");
        assert!(refused(&opened, "169.254.169.254").is_some());
    }

    #[test]
    fn the_lists_hold_and_the_deny_list_wins() {
        let rules = config(&["10.0.0.0/8", "fe80::/64"], &["10.9.0.0/16"]);
        assert_eq!(refused(&rules, "10.1.2.3"), None);
        assert_eq!(refused(&rules, "::ffff:10.1.2.3"), None);
        assert_eq!(refused(&rules, "fe80::7"), None);
        assert!(refused(&rules, "10.9.2.3").unwrap().contains(DENY));
        assert!(refused(&rules, "192.0.2.1").unwrap().contains(ALLOW));
        assert_eq!(written(&rules, "192.0.2.1", None).unwrap().0, "host");
        assert_eq!(written(&rules, "fe80::7%eth0", None), None);
        assert_eq!(written(&rules, "10.1.2.3", Some("me@192.0.2.1:22")).unwrap().0, "jump");
        assert_eq!(written(&rules, "quay.example", None), None);
        let (field, why) = written(&rules, "quay.example", Some("10.1.1.1")).unwrap();
        assert!(field == "host" && why.contains("resolved by the jump host"), "{why}");
        assert_eq!(written(&config(&[], &["10.9.0.0/16"]), "quay.example", Some("10.1.1.1")), None);
    }

    #[test]
    fn ssh_is_given_the_address_and_the_whole_way() {
        assert_eq!(hostname("192.0.2.1:22".parse().unwrap()), "HostName=192.0.2.1");
        assert_eq!(hostname("[::ffff:192.0.2.1]:22".parse().unwrap()), "HostName=192.0.2.1");
        assert_eq!(hostname("[fe80::1%3]:22".parse().unwrap()), "HostName=fe80::1%%3");
        let hop = |user, host, port| Hop { user, host, port };
        assert_eq!(hops("a"), [hop(None, "a", None)]);
        assert_eq!(hops("u@[fe80::1]:22,b:7"), [hop(Some("u"), "fe80::1", Some(22)), hop(None, "b", Some(7))]);
        let one = proxy(&hops("me@gate:2022"), "-o HostName=192.0.2.1");
        assert_eq!(one, "ssh -l 'me' -p 2022 -o HostName=192.0.2.1 -W '[%h]:%p' -- 'gate'");
        let two = proxy(&hops("a,b"), "-o X=y");
        assert_eq!(two, r"ssh -o 'ProxyCommand=ssh -o X=y -W '\''[%%h]:%%p'\'' -- '\''a'\''' -W '[%h]:%p' -- 'b'");
    }
}
