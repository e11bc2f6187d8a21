//! The proxies of the environment: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in capitals or small letters.
//!
//! What holds here: they mean what they mean to Go's programs, kubectl among them
//! (golang.org/x/net/http/httpproxy): capitals win; a name stands for itself and for what is below it,
//! `.name` and `*.name` for what is below it alone; addresses, networks and ports are known; `localhost` and
//! loopback addresses are never reached through a proxy. Nor are link-local addresses, at which clouds serve
//! metadata. What a URL holds of a user is shown to nobody.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Which proxy a request takes.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    none: NoProxy,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyUrl {
    /// The connection to the proxy itself is TLS.
    pub(super) tls: bool,
    /// Its name or address; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// `Basic ...`
    authorization: Option<String>,
    /// As it was given.
    url: String,
}

/// It may hold a password.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyUrl").finish_non_exhaustive()
    }
}

/// Why a text is no proxy. It does not repeat the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0} names no proxy that can be used: give http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the \
     host if the proxy asks for it"
)]
pub struct ProxyUrlError(String);

impl ProxyUrl {
    /// Reads what `from` says, for example a variable of the environment.
    ///
    /// # Errors
    /// If it is no URL of a proxy that speaks HTTP.
    pub fn parse(text: &str, from: &str) -> Result<Self, ProxyUrlError> {
        let wrong = || ProxyUrlError(from.to_owned());
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let host = authority.host();
        if host.is_empty() {
            return Err(wrong());
        }
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let authorization = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let plain =
                [user, ":", password].map(|part| percent_decode_str(part).collect::<Vec<_>>());
            format!("Basic {}", STANDARD.encode(plain.concat()))
        });
        Ok(Self {
            tls,
            host: bare(host).to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authorization,
            url,
        })
    }

    /// What it learns of its user.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.authorization.as_deref()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The URL, with the password that it may hold.
    pub(crate) fn expose(&self) -> &str {
        &self.url
    }
}

impl Proxies {
    /// The proxies of the operator's environment.
    ///
    /// # Errors
    /// If a variable names no proxy.
    pub fn from_env() -> Result<Self, ProxyUrlError> {
        Self::from(&|name: &str| std::env::var(name).ok())
    }

    fn from(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ProxyUrlError> {
        let given = |name: &'static str| {
            let names = [name.to_owned(), name.to_lowercase()];
            names.into_iter().find_map(|name| {
                let value = variable(&name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let proxy = |name| {
            given(name)
                .map(|(name, value)| ProxyUrl::parse(&value, &name))
                .transpose()
        };
        Ok(Self {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            none: given("NO_PROXY")
                .map_or_else(NoProxy::default, |(_, value)| NoProxy::parse(&value)),
        })
    }

    /// The proxy through which this host is reached; `host` may have brackets.
    pub(crate) fn of(&self, tls: bool, host: &str, port: u16) -> Option<&ProxyUrl> {
        let proxy = if tls { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.none.has(bare(host), port))
    }
}

/// What is reached without a proxy.
#[derive(Clone, Debug, Default)]
struct NoProxy(Vec<Direct>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    All,
    Address(IpAddr, Option<u16>),
    Network(IpAddr, u8),
    Name {
        /// With the dot before it.
        below: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    fn parse(text: &str) -> Self {
        let entries = text.split(',').map(|entry| entry.trim().to_lowercase());
        Self(entries.filter_map(|entry| Direct::parse(&entry)).collect())
    }

    fn has(&self, host: &str, port: u16) -> bool {
        let host = host.to_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            return address.is_loopback()
                || is_link_local(address)
                || self.0.iter().any(|one| one.has_address(address, port));
        }
        host == "localhost" || self.0.iter().any(|one| one.has_name(&host, port))
    }
}

impl Direct {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let address = address.parse::<IpAddr>().ok()?;
            let bits = bits.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Self::Network(address, bits));
        }
        if let Ok(address) = bare(entry).parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = bare(host).parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let name = host.strip_prefix('*').filter(|name| name.starts_with('.'));
        let name = name.unwrap_or(host);
        let (below, itself) = match name.strip_prefix('.') {
            Some(_) => (name.to_owned(), false),
            None => (format!(".{name}"), true),
        };
        (below.len() > 1).then_some(Self::Name {
            below,
            itself,
            port,
        })
    }

    fn has_address(&self, address: IpAddr, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Address(own, of) => *own == address && of.is_none_or(|of| of == port),
            Self::Network(own, bits) => prefix(*own, *bits) == prefix(address, *bits),
            Self::Name { .. } => false,
        }
    }

    fn has_name(&self, host: &str, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Name {
                below,
                itself,
                port: of,
            } => {
                (host.ends_with(below.as_str()) || *itself && host == &below[1..])
                    && of.is_none_or(|of| of == port)
            }
            Self::Address(..) | Self::Network(..) => false,
        }
    }
}

/// The first bits of an address, and of which kind it is.
fn prefix(address: IpAddr, bits: u8) -> (bool, u128) {
    let (is_v4, all, size) = match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (false, address.to_bits(), 128),
    };
    let dropped = u32::from(size - bits.min(size));
    (is_v4, all.checked_shr(dropped).unwrap_or(0))
}

/// Where clouds serve metadata: 169.254.0.0/16, `fe80::/10`, and AWS's `fd00:ec2::/32`.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0xec2]
        }
    }
}

/// Without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    //! The variables, read as Go reads them.

    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, ProxyUrlError> {
        Proxies::from(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn direct(no_proxy: &str, host: &str, port: u16) -> bool {
        let variables = [("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", no_proxy)];
        proxies(&variables).unwrap().of(true, host, port).is_none()
    }

    #[test]
    fn each_scheme_has_its_proxy_and_capitals_win() {
        let both = proxies(&[
            ("https_proxy", "http://small:1"),
            ("HTTPS_PROXY", "http://capital:2"),
            ("http_proxy", "plain"),
        ])
        .unwrap();
        let of = |tls| both.of(tls, "s3.example.com", 443).unwrap();
        assert_eq!((of(true).host.as_str(), of(true).port), ("capital", 2));
        assert_eq!((of(false).host.as_str(), of(false).port), ("plain", 80));
        let empty = proxies(&[("HTTPS_PROXY", " "), ("https_proxy", "small:1")]).unwrap();
        assert!(empty.of(true, "s3.example.com", 443).is_some());
        assert!(empty.of(false, "s3.example.com", 80).is_none());
    }

    #[test]
    fn a_user_is_sent_as_basic_credentials_and_shown_to_nobody() {
        let proxy = ProxyUrl::parse("http://us%40er:pa%3Ass@[::1]:3128", "x").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 3128));
        let header = proxy.authorization().unwrap();
        assert_eq!(
            header.to_str().unwrap(),
            format!("Basic {}", STANDARD.encode("us@er:pa:ss"))
        );
        assert!(header.is_sensitive());
        assert!(!format!("{proxy:?}").contains("er"));
    }

    #[test]
    fn what_is_no_proxy_is_refused_by_the_variables_name_alone() {
        for value in [
            "socks5://user:secret@proxy:1080",
            "http://",
            "http://a b",
            "://x",
        ] {
            let error = proxies(&[("https_proxy", value)]).unwrap_err().to_string();
            assert!(error.starts_with("https_proxy names no proxy"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    /// The cases of golang.org/x/net/http/httpproxy's own test.
    #[test]
    fn no_proxy_means_what_it_means_to_go() {
        let go = "foobar.com, .barbaz.net,192.168.1.1, 192.168.1.2:81,192.168.1.3:80, 10.0.0.0/30, 2001:db8::52:0:1, \
                  [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64,,";
        for (host, is_direct) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.0.0.2", true),
            ("[::1]", true),
            ("[::2]", false),
            ("192.168.1.1", true),
            ("192.168.1.2", false),
            ("192.168.1.3", true),
            ("192.168.1.4", false),
            ("10.0.0.2", true),
            ("10.0.0.4", false),
            ("[2001:db8::52:0:1]", true),
            ("[2001:db8::52:0:2]", false),
            ("[2001:db8::52:0:3]", true),
            ("[2002:db8:a::123]", true),
            ("[fe80::424b:c8be:1643:a1b6]", true),
            ("barbaz.net", false),
            ("www.barbaz.net", true),
            ("foobar.com", true),
            ("www.foobar.com", true),
            ("foofoobar.com", false),
            ("baz.com", false),
            ("localhost.net", false),
            ("local.localhost", false),
            ("barbarbaz.net", false),
            ("FooBar.com", true),
        ] {
            assert_eq!(direct(go, host, 80), is_direct, "{host}");
        }
        assert!(direct("*", "anything.example.com", 443));
        assert!(direct("*.example.com", "a.example.com", 443));
        assert!(!direct("*.example.com", "example.com", 443));
        assert!(direct("example.com:443", "a.example.com", 443));
        assert!(!direct("example.com:443", "a.example.com", 80));
        assert!(direct("10.0.0.0/8", "::ffff:10.1.2.3", 443));
        assert!(direct("0.0.0.0/0", "8.8.8.8", 443));
        assert!(!direct("0.0.0.0/0", "[2001:db8::1]", 443));
        for nothing in ["", ",", ".", ":443", "10.0.0.0/33", "a:b"] {
            assert!(!direct(nothing, "a.example.com", 443), "{nothing}");
        }
    }

    #[test]
    fn metadata_services_are_never_reached_through_a_proxy() {
        for host in ["169.254.169.254", "169.254.170.23", "[fd00:ec2::254]"] {
            assert!(direct("", host, 80), "{host}");
        }
    }
}
