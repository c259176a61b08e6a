//! What a proxy does to headers: hop-by-hop ones end here (RFC 9110, section 7.6.1), and the upstream is told who asked.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes what concerns one connection only: the standard names and those that `Connection` lists.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let standard = [
        CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in listed.iter().chain(&standard) {
        headers.remove(name);
    }
}

/// Tells the upstream whom the request came from: `peer` is appended to `X-Forwarded-For`; the host and the scheme
/// (what this gateway speaks is plain HTTP) stay as a proxy in front of it has said, if one has.
pub(crate) fn add_forwarded(headers: &mut HeaderMap, peer: Option<IpAddr>) {
    if let Some(peer) = peer {
        let mut chain: Vec<&str> =
            headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
        let peer = peer.to_canonical().to_string();
        chain.push(&peer);
        if let Ok(value) = HeaderValue::try_from(chain.join(", ")) {
            headers.insert(FORWARDED_FOR, value);
        }
    }
    // The upstream's own name takes the place of `Host`: the client sets it from the URI.
    if let Some(host) = headers.remove(HOST) {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn hop_by_hop_headers_end_here_and_the_others_pass() {
        let mut headers = map(&[
            ("connection", "close, X-One"),
            ("connection", "x-two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("content-type", "application/json"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-three", "3"), ("content-type", "application/json")]));
    }

    #[test]
    fn the_peer_is_appended_and_an_outer_proxys_word_stays() {
        let mut headers = map(&[("host", "food.example"), ("x-forwarded-for", "10.0.0.1, 10.0.0.2")]);
        add_forwarded(&mut headers, Some("::ffff:10.0.0.3".parse().unwrap()));
        let expected = [
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2, 10.0.0.3"),
            ("x-forwarded-host", "food.example"),
            ("x-forwarded-proto", "http"),
        ];
        assert_eq!(headers, map(&expected));

        let mut headers = map(&[("x-forwarded-host", "outer"), ("x-forwarded-proto", "https"), ("host", "inner")]);
        add_forwarded(&mut headers, None);
        assert_eq!(headers, map(&[("x-forwarded-host", "outer"), ("x-forwarded-proto", "https")]));
    }
}
