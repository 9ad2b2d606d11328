//! The web app's files are served, and no others.

use std::{fs, path::PathBuf};

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::gateway::{Gateway, accounts, told};

/// A folder with a small web app, and a file next to it that must not be served.
struct Web(PathBuf);

impl Web {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("kith-web-{}", Uuid::new_v4()));
        let folder = root.join("dist");
        fs::create_dir_all(folder.join("assets")).unwrap();
        fs::write(root.join("secret.txt"), "top secret").unwrap();
        fs::write(folder.join(".hidden.txt"), "top secret").unwrap();
        fs::write(folder.join("index.html"), "<!doctype html><title>Kith</title>").unwrap();
        fs::write(folder.join("assets/index-abc.js"), "let kith").unwrap();
        Self(root)
    }

    fn folder(&self) -> String {
        self.0.join("dist").to_string_lossy().into_owned()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn every_place_in_the_app_is_its_first_page_and_assets_are_kept_for_ever() {
    let web = Web::new();
    let gateway = Gateway::start_with(&[("web", "folder", &web.folder())], accounts()).await;

    for path in ["/", "/contacts/7c0f3c1e", "/login?next=/me", "/index.html", "/apiary"] {
        let page = gateway.ask(Method::GET, path).send().await.unwrap();
        let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
        assert!(
            header("content-security-policy")
                .starts_with("default-src 'self'; style-src 'self'; img-src 'self' data:;")
        );
        assert!(header("content-security-policy").ends_with("frame-ancestors 'none'"));
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(
            (header("content-type").as_str(), header("cache-control").as_str()),
            ("text/html; charset=utf-8", "no-cache")
        );
        assert_eq!(told(page).await, (200, "<!doctype html><title>Kith</title>".into()), "{path}");
    }
    let asset = gateway.ask(Method::GET, "/assets/index-abc.js").send().await.unwrap();
    assert_eq!(asset.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(asset.headers()["content-type"], "text/javascript; charset=utf-8");
    let head = gateway.ask(Method::HEAD, "/").send().await.unwrap();
    assert_eq!(head.status(), 200);
    for path in ["/assets/gone.js", "/favicon.ico", "/assets/index-abc.js/x.y"] {
        assert_eq!(gateway.ask(Method::GET, path).send().await.unwrap().status(), 404, "{path}");
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn nothing_outside_of_the_folder_has_an_address() {
    let web = Web::new();
    let gateway = Gateway::start_with(&[("web", "folder", &web.folder())], accounts()).await;
    let absolute = web.0.join("secret.txt");

    for path in [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/....//secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/.hidden.txt",
        "/secret.txt%00.js",
        &format!("/{}", absolute.display()),
        "//etc/passwd.txt",
        "/api/../../secret.txt",
    ] {
        let answer = raw(gateway.address(), path).await;
        assert!(!answer.contains("top secret") && !answer.contains("root:"), "{path}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn where_the_app_is_not_built_it_is_said_how() {
    let gateway = Gateway::start_with(&[("web", "folder", "/nowhere")], accounts()).await;

    let page = gateway.ask(Method::GET, "/").send().await.unwrap();

    assert_eq!(page.headers()["content-type"], "text/plain; charset=utf-8");
    let (status, text) = told(page).await;
    assert_eq!(status, 503);
    assert!(text.as_str().unwrap().contains("npm run build"), "{text}");
    gateway.app.finish().await;
}

/// Requests a path exactly as given; an HTTP client would normalise it.
async fn raw(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: kith\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
