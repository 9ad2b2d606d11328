//! Imports: a contacts file is forwarded in parts while it is received, and never held in memory as a whole.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes, BytesMut};
use contacts_events::{AddImportPart, CancelImport, GetImportV2, StartImport, SubmitImport};
use futures::{Stream, StreamExt, stream::BoxStream};
use multer::{Constraints, Multipart};
use skeleton::{
    Problem,
    failure::FieldError,
    http::{
        Accepted, Json, Response, Routes, group,
        idempotency::{IdempotentRequest, RequestHead},
        problem_response, reply,
    },
};
use uuid::Uuid;
use warp::{
    Filter,
    http::{
        HeaderMap, Method,
        header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE},
    },
};

use super::{
    Api,
    query::{Query, query},
};
use crate::{caller::Caller, views::ImportView};

/// The path that files are uploaded to.
pub const PATH: &str = "/api/v1/imports";
/// The size of the largest file.
const LARGEST_FILE: usize = 32 * 1024 * 1024;
/// The size of the largest body: a file and the form around it.
pub const LARGEST_BODY: u64 = LARGEST_FILE as u64 + 64 * 1024;
/// The size of the parts that a file is forwarded in.
const PART: usize = 128 * 1024;
const LONGEST_NAME: usize = 255;
const FORM: &str = "multipart/form-data";
const FILES: [&str; 6] = [
    "text/vcard",
    "text/x-vcard",
    "text/directory",
    "text/csv",
    "application/vnd.ms-excel",
    "application/octet-stream",
];

pub fn routes(api: &Api) -> Routes {
    let store = api.app.store.clone();
    let send = warp::path!("api" / "v1" / "imports").and(warp::post()).and(api.caller());
    let send = send.and(warp::header::headers_cloned()).and(query()).and(warp::body::stream());
    let send = send.then(move |caller: Caller, headers: HeaderMap, query: Query, body| {
        let request = Upload::new(&headers, &query, body).and_then(|upload| {
            let head = RequestHead { method: Method::POST, path: PATH.to_owned(), query: String::new(), headers };
            IdempotentRequest::try_new(&store, &head, upload.head().as_bytes(), caller, upload)
        });
        async move {
            match request {
                Ok(request) => send_import(request).await,
                Err(problem) => problem_response(&problem),
            }
        }
    });
    let show = warp::path!("api" / "v1" / "imports" / Uuid);
    let show = show.and(warp::get()).and(api.caller()).then(show_import).map(reply);
    let cancel = warp::path!("api" / "v1" / "imports" / Uuid / "cancel");
    let cancel = cancel.and(warp::post()).and(api.write_without_body()).then(cancel_import);
    group(send.or(show).unify().or(cancel).unify())
}

/// `POST /api/v1/imports` - uploads a contacts file, which is imported afterwards.
async fn send_import(request: IdempotentRequest<Caller, Upload>) -> Response {
    let send = |caller: Caller, upload: Upload| async move {
        let import = match upload.boundary.clone() {
            Some(boundary) => take_form(&caller, boundary, upload).await?,
            None => {
                let pieces = upload.body.map(|piece| piece.map_err(|_| broke_off()));
                take_file(&caller, upload.name, upload.size, pieces).await?
            }
        };
        Ok(Accepted { location: format!("{PATH}/{}", import.id), body: import })
    };
    request.run(send).await
}

/// `GET /api/v1/imports/{id}` - the progress of an import.
async fn show_import(import_id: Uuid, caller: Caller) -> Result<Json<ImportView>, Problem> {
    let import = caller.call(&GetImportV2 { import_id, account_id: caller.account_id }).await?;
    Ok(Json(import.into()))
}

/// `POST /api/v1/imports/{id}/cancel` - cancels an import; contacts already imported are kept.
async fn cancel_import(import_id: Uuid, request: IdempotentRequest<Caller, ()>) -> Response {
    let cancel = |caller: Caller, ()| async move {
        let import = caller.call(&CancelImport { import_id, account_id: caller.account_id }).await?;
        Ok(Json(ImportView::from(import)))
    };
    request.run(cancel).await
}

/// A file that is being uploaded.
struct Upload {
    kind: String,
    /// The form's boundary, if the file is in a form.
    boundary: Option<String>,
    name: Option<String>,
    size: Option<u32>,
    body: Pieces,
}

type Pieces = BoxStream<'static, io::Result<Bytes>>;

impl Upload {
    fn new<S, B, E>(headers: &HeaderMap, query: &Query, body: S) -> Result<Self, Problem>
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Buf,
    {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(CONTENT_TYPE).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let boundary = (kind == FORM).then(|| multer::parse_boundary(content_type).ok()).flatten();
        if !FILES.contains(&kind.as_str()) && boundary.is_none() {
            let detail =
                "send the file as text/vcard, text/csv or application/octet-stream, or in the field `file` of a form";
            return Err(Problem::new(415, "unsupported-media-type", detail));
        }
        let named = query.text("name").map(str::to_owned);
        let name = named.or_else(|| text(CONTENT_DISPOSITION).and_then(name_in)).map(|name| file_name(&name));
        let size = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let body = body.map(|piece| {
            let whole = piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()));
            whole.map_err(|_| io::Error::other("the body ended early"))
        });
        Ok(Self { kind, boundary, name, size, body: body.boxed() })
    }

    /// What an idempotency key covers: the file's bytes are not compared, because the file is not held as a whole.
    fn head(&self) -> String {
        format!("{} {:?} {:?}", self.kind, self.name, self.size)
    }
}

/// Receives the file in a form's field `file`.
async fn take_form(caller: &Caller, boundary: String, upload: Upload) -> Result<ImportView, Problem> {
    let only_file = Constraints::new().allowed_fields(vec!["file"]);
    let mut form = Multipart::with_constraints(upload.body, boundary, only_file);
    let Some(field) = form.next_field().await.map_err(form_problem)? else {
        return Err(file_problem("missing-file", "is missing: send the contacts file in this field"));
    };
    let name = field.file_name().map(file_name).or(upload.name);
    let import = take_file(caller, name, None, field.map(|piece| piece.map_err(form_problem))).await?;
    // Read to the end, so that the connection can be reused.
    let _ = form.next_field().await;
    Ok(import)
}

/// Forwards a file, part after part. The import starts with the first part, so an empty body creates none.
async fn take_file(
    caller: &Caller,
    file_name: Option<String>,
    size: Option<u32>,
    pieces: impl Stream<Item = Result<Bytes, Problem>> + Send + Unpin,
) -> Result<ImportView, Problem> {
    let account_id = caller.account_id;
    let mut parts = Parts { pieces, gathered: BytesMut::new(), received: 0 };
    let mut next = parts.next().await?;
    if next.is_none() {
        return Err(file_problem("empty-file", "is empty: choose a file with contacts"));
    }
    let import_id = caller.call(&StartImport { account_id, file_name, size }).await?.import_id;
    let mut index = 0;
    while let Some(part) = next {
        caller.call(&AddImportPart { import_id, account_id, index, data: STANDARD.encode(part) }).await?;
        index += 1;
        next = parts.next().await?;
    }
    Ok(caller.call(&SubmitImport { import_id, account_id, parts: index }).await?.into())
}

/// Cuts a file, received in chunks of any size, into parts of one size.
struct Parts<S> {
    pieces: S,
    gathered: BytesMut,
    received: usize,
}

impl<S: Stream<Item = Result<Bytes, Problem>> + Unpin> Parts<S> {
    /// The next part; all but the last have the full size.
    async fn next(&mut self) -> Result<Option<BytesMut>, Problem> {
        while self.gathered.len() < PART {
            let Some(piece) = self.pieces.next().await else { break };
            let piece = piece?;
            self.received += piece.len();
            if self.received > LARGEST_FILE {
                return Err(Problem::new(413, "file-too-large", "the file is larger than 32 MiB: split it"));
            }
            self.gathered.extend_from_slice(&piece);
        }
        let part = self.gathered.split_to(self.gathered.len().min(PART));
        Ok((!part.is_empty()).then_some(part))
    }
}

fn broke_off() -> Problem {
    Problem::new(400, "body-incomplete", "the body ended early")
}

fn form_problem(error: multer::Error) -> Problem {
    match error {
        multer::Error::UnknownField { .. } => file_problem("unknown-field", "is the only field allowed here"),
        multer::Error::StreamReadFailed(_) => broke_off(),
        _ => Problem::new(400, "malformed-form", "the body is not well-formed multipart/form-data"),
    }
}

fn file_problem(code: &str, detail: &str) -> Problem {
    let errors = vec![FieldError { field: "file".to_owned(), detail: detail.to_owned() }];
    Problem { errors, ..Problem::new(422, code, format!("file {detail}")) }
}

/// A file's name without its folder, truncated to the limit for names.
fn file_name(given: &str) -> String {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect()
}

/// The file name in a `Content-Disposition` header.
fn name_in(disposition: &str) -> Option<String> {
    let (_, name) = disposition.split_once("filename=")?;
    let name = match name.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => name.split(';').next(),
    };
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_has_no_folder_no_control_characters_and_an_end() {
        assert_eq!(file_name("C:\\me\\Connections.csv"), "Connections.csv");
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("a\r\nb\u{0}.vcf"), "ab.vcf");
        assert_eq!(file_name(&"ä".repeat(300)).chars().count(), 255);
    }

    #[test]
    fn a_file_name_stands_in_the_disposition_with_and_without_quotes() {
        assert_eq!(name_in("attachment; filename=\"my contacts.vcf\"; size=3").as_deref(), Some("my contacts.vcf"));
        assert_eq!(name_in("attachment; filename=contacts.vcf;size=3").as_deref(), Some("contacts.vcf"));
        assert_eq!(name_in("attachment; filename=\"\""), None);
        assert_eq!(name_in("inline"), None);
    }
}
