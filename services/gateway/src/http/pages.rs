//! The web app: its built files, and its first page for every address outside the API.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use skeleton::{
    Failure, Problem,
    http::{Response, Routes, group, reply},
};
use warp::{
    Filter, Reply,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY},
    },
    path::FullPath,
};

const POLICY: &str = "default-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const NOT_BUILT: &str = "The web app is not built. Run `npm ci && npm run build` in services/gateway/web, \
    or set web.folder to the folder with its files.\n";
const DEEPEST: usize = 4;

/// Where the web app is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSettings {
    /// The folder with its built files.
    pub folder: PathBuf,
}

/// `GET /` and below - the web app.
pub fn routes(settings: &WebSettings) -> Routes {
    let folder: Arc<Path> = settings.folder.clone().into();
    let asked = warp::get().or(warp::head()).unify().and(warp::path::full());
    // Left to other filters: a page must not replace the error of a route that refused the request.
    let pages = asked.and_then(|path: FullPath| async move {
        let is_page =
            !["/api", "/api/", "/openapi.json"].contains(&path.as_str()) && !path.as_str().starts_with("/api/");
        if is_page { Ok(path) } else { Err(warp::reject::not_found()) }
    });
    group(pages.then(move |path: FullPath| {
        let folder = folder.clone();
        async move { reply(page(&folder, path.as_str()).await) }
    }))
}

async fn page(folder: &Path, path: &str) -> Result<Response, Failure> {
    let Some(file) = file_of(path) else { return Err(Problem::not_found("page").into()) };
    match tokio::fs::read(folder.join(&file)).await {
        Ok(content) => Ok(shown(&file, content)),
        Err(error) if is_missing(&error) && file != Path::new("index.html") => Err(Problem::not_found("page").into()),
        Err(error) if is_missing(&error) => Ok(not_built()),
        Err(error) => Err(Failure::bug(format!("the web app's files cannot be read: {error}"))),
    }
}

/// The file at an address: plain names only, so that no address leads outside the folder. Addresses without a file
/// extension are places within the app.
fn file_of(path: &str) -> Option<PathBuf> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    if !names.last().is_some_and(|name| name.contains('.')) {
        return Some(PathBuf::from("index.html"));
    }
    let plain = |name: &&str| {
        !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    (names.len() <= DEEPEST && names.iter().all(plain)).then(|| names.iter().collect())
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    [NotFound, NotADirectory, IsADirectory].contains(&error.kind())
}

fn shown(file: &Path, content: Vec<u8>) -> Response {
    // The names of assets change with their content.
    let caching = if file.starts_with("assets") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::new(content.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(file)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn not_built() -> Response {
    warp::reply::with_status(NOT_BUILT, StatusCode::SERVICE_UNAVAILABLE).into_response()
}
