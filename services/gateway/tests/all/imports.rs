//! Files are uploaded in parts, in order, and never larger than allowed.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use contacts_events::{AddImportPart, ImportView, StartImport, SubmitImport};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use skeleton::{Postgres, Problem, RequestHandlers};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::gateway::{Gateway, Member, told};

/// What the stub received of one import.
#[derive(Default)]
struct Received {
    started: Vec<StartImport>,
    file: Vec<u8>,
    largest_part: usize,
    submitted: Vec<u32>,
}

fn taking(received: Arc<Mutex<Received>>, import_id: Uuid) -> RequestHandlers<Postgres> {
    let (starting, adding, submitting) = (received.clone(), received.clone(), received);
    let view = move || ImportView { import_id, ..contacts_events::samples::import_view() };
    RequestHandlers::new()
        .read(move |asked: StartImport, _| {
            starting.lock().unwrap().started.push(asked);
            async move { Ok(view()) }
        })
        .read(move |asked: AddImportPart, _| {
            let mut received = adding.lock().unwrap();
            let part = STANDARD.decode(&asked.data).unwrap();
            let in_order = asked.import_id == import_id && asked.index as usize * 128 * 1024 == received.file.len();
            received.largest_part = received.largest_part.max(part.len());
            received.file.extend(part);
            async move { if in_order { Ok(()) } else { Err(Problem::new(409, "out-of-order", "a part is missing").into()) } }
        })
        .read(move |asked: SubmitImport, _| {
            submitting.lock().unwrap().submitted.push(asked.parts);
            async move { Ok(view()) }
        })
}

struct Uploading {
    gateway: Gateway,
    member: Member,
    received: Arc<Mutex<Received>>,
    import_id: Uuid,
}

impl Uploading {
    async fn start() -> Self {
        let gateway = Gateway::start().await;
        let (received, import_id) = (Arc::default(), Uuid::new_v4());
        gateway.app.answered_by("contacts", taking(Arc::clone(&received), import_id)).await;
        Self { gateway, member: Member::new(), received, import_id }
    }

    fn send(&self, path: &str, content_type: &str, body: Vec<u8>) -> RequestBuilder {
        self.gateway.call_with(&self.member, Method::POST, path).header("content-type", content_type).body(body)
    }
}

/// A file of a little over a megabyte, in which no two parts are alike.
fn large_file() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn form(field: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--line\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"C:\\\\me\\\\Connections.csv\"\r\ncontent-type: text/csv\r\n\r\n"
    );
    [head.as_bytes(), file, b"\r\n--line--\r\n"].concat()
}

#[tokio::test]
async fn a_file_as_the_body_is_handed_on_in_parts() {
    let uploading = Uploading::start().await;
    let file = large_file();

    let response =
        uploading.send("/api/v1/imports?name=Connections.csv", "text/csv", file.clone()).send().await.unwrap();

    let location = format!("/api/v1/imports/{}", uploading.import_id);
    assert_eq!(response.headers()["location"], location.as_str());
    let (status, import) = told(response).await;
    assert_eq!((status, &import["id"]), (202, &json!(uploading.import_id)));
    {
        let received = uploading.received.lock().unwrap();
        assert!(received.file == file, "the received file differs");
        assert_eq!((received.largest_part, received.submitted.as_slice()), (128 * 1024, &[10][..]));
        let started = &received.started[0];
        assert_eq!((started.file_name.as_deref(), started.size), (Some("Connections.csv"), Some(1_200_000)));
        assert_eq!(started.account_id, uploading.member.account_id);
    }
    uploading.gateway.app.finish().await;
}

#[tokio::test]
async fn a_file_in_a_form_is_handed_on_in_parts() {
    let uploading = Uploading::start().await;
    let file = large_file();
    let content_type = "multipart/form-data; boundary=line";

    let response = uploading.send("/api/v1/imports", content_type, form("file", &file)).send().await.unwrap();

    assert_eq!(response.status(), 202);
    {
        let received = uploading.received.lock().unwrap();
        assert!(received.file == file, "the received file differs");
        assert_eq!(received.submitted, [10]);
        assert_eq!(received.started[0].file_name.as_deref(), Some("Connections.csv"));
    }
    uploading.gateway.app.finish().await;
}

#[tokio::test]
async fn what_is_no_contacts_file_or_none_at_all_is_refused_and_nothing_begins() {
    let uploading = Uploading::start().await;
    let form_type = "multipart/form-data; boundary=line";
    let refusals = [
        (415, "image/jpeg", b"x".to_vec()),
        (415, "", b"x".to_vec()),
        (415, "multipart/form-data", form("file", b"x")),
        (422, "text/vcard", Vec::new()),
        (422, form_type, form("file", b"")),
        (422, form_type, form("other", b"x")),
        (422, form_type, b"--line--\r\n".to_vec()),
        (400, form_type, form("file", b"x")[..120].to_vec()),
        (400, form_type, b"what is this".to_vec()),
    ];

    for (status, content_type, body) in refusals {
        let answer = told(uploading.send("/api/v1/imports", content_type, body).send().await.unwrap()).await;
        assert_eq!(answer.0, status, "{content_type}: {answer:?}");
    }

    assert!(uploading.received.lock().unwrap().started.is_empty());
    uploading.gateway.app.finish().await;
}

#[tokio::test]
async fn more_than_32_mib_is_too_large_said_or_unsaid() {
    let uploading = Uploading::start().await;
    let path = "/api/v1/imports";

    let said = uploading.send(path, "text/vcard", vec![b'x'; 33 * 1024 * 1024]).send().await.unwrap();
    let unsaid = send_chunks(&uploading, path, 34).await;
    assert!(uploading.received.lock().unwrap().submitted.is_empty());
    *uploading.received.lock().unwrap() = Received::default();
    let just_right = send_chunks(&uploading, path, 32).await;

    assert_eq!(said.status(), 413);
    assert!(unsaid.starts_with("HTTP/1.1 413"), "{unsaid}");
    assert!(just_right.starts_with("HTTP/1.1 202"), "{just_right}");
    assert_eq!(uploading.received.lock().unwrap().submitted, [256]);
    uploading.gateway.app.finish().await;
}

#[tokio::test]
async fn under_a_key_the_same_file_is_taken_in_once() {
    let uploading = Uploading::start().await;
    let send = async |name: &str| {
        let path = format!("/api/v1/imports?name={name}");
        let request = uploading.send(&path, "text/vcard", b"BEGIN:VCARD".to_vec()).header("idempotency-key", "k1");
        let response = request.send().await.unwrap();
        (response.headers().get("location").cloned(), told(response).await)
    };

    let first = send("me.vcf").await;
    let again = send("me.vcf").await;
    let (_, other) = send("other.vcf").await;

    assert_eq!(first.1.0, 202);
    assert_eq!(again, first);
    assert_eq!(other.0, 422);
    assert_eq!(uploading.received.lock().unwrap().submitted.len(), 1);
    uploading.gateway.app.finish().await;
}

/// Sends chunks of one MiB without a content length. Returns the raw response.
async fn send_chunks(uploading: &Uploading, path: &str, chunks: usize) -> String {
    let mut stream = TcpStream::connect(uploading.gateway.address()).await.unwrap();
    let token = uploading.member.token();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: kith\r\nauthorization: Bearer {token}\r\ncontent-type: text/vcard\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n", vec![b'x'; 1024 * 1024].as_slice(), b"\r\n"].concat();
    for _ in 0..chunks {
        // The server has refused the request and reads no more.
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
