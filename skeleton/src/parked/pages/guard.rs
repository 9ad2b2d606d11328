//! Access rules: requests must name the admin port by one of its hosts, and changes must come from its own pages.
//!
//! A website can make a browser submit a form to an address that only the browser can reach (`Sec-Fetch-Site` and
//! `Origin` reveal this), or point its own name at that address (`Host` reveals this).

use std::{net::IpAddr, sync::Arc};

use warp::{
    Filter, Rejection,
    host::Authority,
    http::{HeaderMap, Method, header::ORIGIN},
};

use crate::failure::Problem;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Admits a request that one of our pages may have sent.
pub(super) fn from_our_pages(hosts: &str) -> impl Filter<Extract = (), Error = Rejection> + Clone + use<> {
    let hosts: Arc<[String]> = hosts.split(',').map(|host| host.trim().to_ascii_lowercase()).collect();
    let asked = warp::method().and(warp::host::optional()).and(warp::header::headers_cloned());
    let checked = asked.and_then(move |method: Method, host: Option<Authority>, headers: HeaderMap| {
        let checked = check(&method, host.as_ref(), &headers, &hosts);
        async move { checked.map_err(warp::reject::custom) }
    });
    checked.untuple_one()
}

fn check(method: &Method, host: Option<&Authority>, headers: &HeaderMap, hosts: &[String]) -> Result<(), Problem> {
    let ours = host.filter(|host| is_ours(host.host(), hosts)).ok_or_else(|| {
        let detail = "the admin port does not accept this host name: use its address, or add the name to admin.hosts";
        Problem::new(421, "misdirected-request", detail)
    })?;
    if matches!(*method, Method::GET | Method::HEAD) || is_from(ours, headers) {
        return Ok(());
    }
    Err(Problem::new(403, "cross-site-request", "changes are accepted only from the admin port's own pages"))
}

fn is_ours(host: &str, hosts: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || host == "localhost" || hosts.contains(&host)
}

/// Whether a form was sent from a page of this host. Every browser sends one of the two headers with a form. A client
/// that sends neither is a program, which cannot be tricked this way.
fn is_from(host: &Authority, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let place = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    place.is_some_and(|(_, place)| place.eq_ignore_ascii_case(host.as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn status(method: Method, host: &str, headers: &[(&'static str, &'static str)]) -> u16 {
        let host: Authority = host.parse().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(&method, Some(&host), &headers, &["admin.example.org".to_owned()])
            .map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn only_names_of_our_own_are_answered_to() {
        for host in
            ["127.0.0.1:9100", "[::1]:9100", "localhost:9100", "10.1.2.3", "admin.example.org:9100", "LOCALHOST"]
        {
            assert_eq!(status(Method::GET, host, &[]), 200, "{host}");
        }
        for host in ["evil.example:9100", "127.0.0.1.evil.example", "localhost.evil.example"] {
            assert_eq!(status(Method::GET, host, &[]), 421, "{host}");
        }
        assert_eq!(check(&Method::GET, None, &HeaderMap::new(), &[]).map_err(|problem| problem.status), Err(421));
    }

    #[test]
    fn a_form_is_taken_from_our_own_pages_and_from_programs() {
        let here = "127.0.0.1:9100";
        for headers in [
            &[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:9100")][..],
            &[("origin", "http://127.0.0.1:9100")],
            &[],
        ] {
            assert_eq!(status(Method::POST, here, headers), 200, "{headers:?}");
        }
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9100")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://127.0.0.1:9101")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
        ] {
            assert_eq!(status(Method::POST, here, headers), 403, "{headers:?}");
        }
    }
}
