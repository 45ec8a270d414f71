//! Which names HTTP may be addressed by.
//!
//! A web page of anybody's can let its own name point to this machine (DNS rebinding) and then read what is served here, as far
//! as the browser is concerned from its own origin. Such requests carry the page's name in `Host`, so a name that nobody
//! configured is refused; an address is no name. Likewise a page of another origin may not send statements.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The names that are allowed, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Names(Arc<[String]>);

impl Names {
    /// `localhost`, the name that the server listens on, and those that the user allows.
    pub(crate) fn new<'a>(host: &'a str, allowed: impl IntoIterator<Item = &'a String>) -> Self {
        let own = ["localhost", host].into_iter().map(str::to_lowercase);
        Names(own.chain(allowed.into_iter().map(|name| name.trim().to_lowercase())).collect())
    }

    /// Whether `authority`, a name or address with or without a port, is one of this server.
    fn know(&self, authority: &str) -> bool {
        let name = without_port(authority);
        name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Why a request with these headers is refused, if it is.
    fn refusal(&self, headers: &HeaderMap) -> Option<String> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text(header::HOST);
        if let Some(host) = host.filter(|host| !self.know(host)) {
            let name = without_port(host);
            return Some(format!("this server is not called \"{name}\": start it with --http-name {name} if it is"));
        }
        let origin = text(header::ORIGIN)?;
        let own = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        (!own).then(|| format!("pages of {origin} may not ask this server: send requests without the header Origin"))
    }
}

/// `name:port` without the port; an IPv6 address keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// Lets through what is meant for this server; anything else gets status 403 and the reason.
pub(crate) async fn check(State(names): State<Names>, request: Request, next: Next) -> Response {
    match names.refusal(request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_server_are_taken() {
        let allowed = ["views.example.org".to_owned()];
        let names = Names::new("db7", &allowed);
        let refused = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a header"));
            }
            names.refusal(&headers)
        };
        for host in ["127.0.0.1:6876", "[::1]:6876", "10.1.2.3", "LocalHost:6876", "db7:6876", "Views.Example.org"] {
            assert_eq!(refused(host, None), None, "{host}");
        }
        for host in ["evil.example:6876", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(refused(host, None).is_some(), "{host}");
        }
        assert_eq!(refused("localhost:6876", Some("http://localhost:6876")), None, "its own page");
        for origin in ["http://evil.example", "http://localhost:9999", "null"] {
            assert!(refused("localhost:6876", Some(origin)).is_some(), "{origin}");
        }
        assert_eq!(names.refusal(&HeaderMap::new()), None, "no browser");
    }
}
