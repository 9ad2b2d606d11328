//! The requests that the gateway sends to accounts.

mod audit;
pub mod snapshots;

use accounts_events::{
    AccountView, ChangeAccount, CloseSession, EraseAccount, EraseAccountV2, ErasureBegun, ErasurePart, ErasureView,
    GetAccount, GetErasure, GetSigningKeys, OpenSession, RefreshSession, RegisterAccount, Registered,
    SessionEndedReason, SessionView, SigningKeysView,
};
use events::versions::Supersedes;
use sha2::{Digest, Sha256};
use skeleton::{
    Failure, HandlerResult, Postgres, Problem, Publish, ReadContext, RequestHandlers, saga,
    store::{Transaction, postgres::Tx},
};
use uuid::Uuid;

use crate::{
    domain::{
        Account, AccountRefusal, Changes, Device, Email, Erasure, Name, Password, Session, SessionOver, Throttle,
        Verdict, WrongPassword,
    },
    events::{profile_changed, session_ended, signed_in},
    jobs::erasing,
    resources::{Passwords, RefreshToken, Tokens},
    store,
};

/// The requests that this service handles. Replies that hold tokens are not stored; handling them twice is safe.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new()
        .write_after(hash_password, register_account)
        .write_without_stored_reply_after(check_password, open_session)
        .write_without_stored_reply(refresh_session)
        .write(close_session)
        .read(get_account)
        .write_after(prepare_change, change_account)
        .write(erase_account)
        .write(erase_account_without_receipt)
        .read(get_erasure)
        .read(get_signing_keys)
}

/// Reasons in logs and metrics.
const TOO_MANY: &str = "too-many-attempts";
const WRONG_PASSWORD: &str = "wrong-password";

/// A registration.
struct Application {
    email: Email,
    name: Name,
    discoverable: bool,
    nameable: bool,
    password_hash: String,
}

async fn hash_password(asked: RegisterAccount, store: ReadContext<Postgres>) -> HandlerResult<Application> {
    Ok(Application {
        email: Email::parse(&asked.email)?,
        name: Name::parse(&asked.name)?,
        discoverable: asked.discoverable.unwrap_or(false),
        nameable: asked.nameable.unwrap_or(false),
        password_hash: store.resource::<Passwords>().hash(Password::parse(asked.password)?.reveal()).await?,
    })
}

/// Handles `register-account`: creates an account.
async fn register_account(asked: Application, tx: &mut Tx) -> HandlerResult<AccountView> {
    let account = Account {
        id: tx.new_id(),
        email: asked.email,
        name: asked.name,
        discoverable: asked.discoverable,
        nameable: asked.nameable,
        created_at: tx.now(),
    };
    store::insert_account(tx, &account, &asked.password_hash).await?;
    tx.publish(Registered::from(&account))?;
    tx.unit_of_work_mut().reply_is_about(account.id);
    Ok(account.into())
}

/// What is known about a sign-in attempt.
struct Attempt {
    /// The digest of the address, by which failures are counted.
    address: Vec<u8>,
    /// The account with this address, if any.
    account: Option<Uuid>,
    /// The account and its password hash, if the password is right.
    proven: Option<(Uuid, String)>,
    device: Device,
}

/// An unknown address takes the same steps as a known address with a wrong password, so that neither the reply nor its
/// time reveals whether an account exists.
async fn check_password(asked: OpenSession, store: ReadContext<Postgres>) -> HandlerResult<Attempt> {
    let address = address_digest(&asked.email);
    let throttle = store.resource::<Throttle>();
    if let Some(failures) = store::find_failures(&store, &address).await? {
        throttle.check(failures, store.now()).inspect_err(|_| audit::sign_in_refused(TOO_MANY, None))?;
    }
    let known = match Email::parse(&asked.email) {
        Ok(email) => store::find_password(&store, &email).await?,
        Err(_) => None,
    };
    let kept = known.as_ref().map(|(_, hash)| hash.as_str());
    let is_right = store.resource::<Passwords>().verify(asked.password, kept).await?;
    let account = known.as_ref().map(|(account, _)| *account);
    Ok(Attempt { address, account, proven: known.filter(|_| is_right), device: Device::new(&asked.device) })
}

/// Handles `open-session`: signs in. A repeat of the request returns the session that it opened.
async fn open_session(attempt: Attempt, tx: &mut Tx) -> HandlerResult<SessionView> {
    let (tokens, throttle, now) = (tx.resource::<Tokens>(), tx.resource::<Throttle>(), tx.now());
    // Count before checking, so that concurrent attempts are counted one after the other.
    let failures = store::count_failure(tx, &attempt.address, now - throttle.window(), now).await?;
    throttle.check(failures, now).inspect_err(|_| audit::sign_in_refused(TOO_MANY, attempt.account))?;
    let Some(account_id) = proven_account(tx, &attempt).await? else {
        let reason = if attempt.account.is_some() { WRONG_PASSWORD } else { "unknown-address" };
        audit::sign_in_refused(reason, attempt.account);
        return Err(WrongPassword.into());
    };
    store::forget_failures(tx, &attempt.address).await?;
    let id = tokens.session_of(account_id, tx.message_id().unwrap_or_else(|| tx.new_id()));
    if store::has_ended(tx, id).await? {
        let detail = "the session that this request opened has ended: sign in under another Idempotency-Key";
        return Err(Problem::new(409, "session-ended", detail).into());
    }
    let session = Session { id, account_id, tokens_expire_at: tokens.expiry(now) };
    let refresh = tokens.first_refresh(id);
    if store::insert_session(tx, &session, now).await? {
        // The insert waits for a transaction that ends the session: that one has committed now.
        if store::has_ended(tx, id).await? {
            return Err(Failure::retry("the session was ended meanwhile"));
        }
        store::insert_token(tx, id, &refresh.digest(), now).await?;
        let new_device = store::remember_device(tx, account_id, &attempt.device, now).await?;
        tx.publish(signed_in(&session, &attempt.device, new_device, now))?;
    }
    tokens.view(&session, refresh, tx.new_id(), now)
}

/// The account of an attempt with the right password, if it still exists and the password has not changed.
async fn proven_account(tx: &mut Tx, attempt: &Attempt) -> HandlerResult<Option<Uuid>> {
    let Some((account, hash)) = &attempt.proven else { return Ok(None) };
    Ok(store::has_password(tx, *account, hash).await?.then_some(*account))
}

/// Handles `refresh-session`: exchanges the newest refresh token for new tokens; a stolen one ends the session.
async fn refresh_session(asked: RefreshSession, tx: &mut Tx) -> HandlerResult<SessionView> {
    let (tokens, now) = (tx.resource::<Tokens>(), tx.now());
    let presented = RefreshToken::from(asked.refresh_token);
    let successor = tokens.successor_of(&presented);
    let Some(known) = store::find_session_of_token(tx, &presented.digest()).await? else {
        audit::refresh_refused("unknown", None);
        return Err(SessionOver.into());
    };
    let token = store::token_of(tx, &presented.digest(), &successor.digest()).await?;
    match token.judge(&tokens.rules(), now) {
        Verdict::Newest => store::replace_token(tx, &presented.digest(), &successor.digest(), now).await?,
        Verdict::JustReplaced => {}
        Verdict::Expired => {
            audit::refresh_refused("expired", Some(&known));
            return Err(SessionOver.into());
        }
        Verdict::Reused => {
            audit::token_reused(&known);
            store::delete_session(tx, known.account_id, known.id).await?;
            tx.publish(session_ended(&known, SessionEndedReason::TokenReused))?;
            return Err(SessionOver.into());
        }
    }
    let session = Session { tokens_expire_at: tokens.expiry(now), ..known };
    store::update_session(tx, &session, now).await?;
    tokens.view(&session, successor, tx.new_id(), now)
}

/// Handles `close-session`: signs out.
async fn close_session(asked: CloseSession, tx: &mut Tx) -> HandlerResult<()> {
    let session = store::delete_session(tx, asked.account_id, asked.session_id).await?;
    let session = session.ok_or_else(|| Problem::not_found("session"))?;
    tx.publish(session_ended(&session, SessionEndedReason::LoggedOut))
}

/// Handles `get-account`: the account as its owner sees it.
async fn get_account(asked: GetAccount, store: ReadContext<Postgres>) -> HandlerResult<AccountView> {
    let account = store::find_account(&store, asked.account_id).await?;
    Ok(account.ok_or_else(|| Problem::not_found("account"))?.into())
}

/// A change request by the owner.
struct Change {
    account_id: Uuid,
    session_id: Option<Uuid>,
    changes: Changes,
    password: Option<PasswordReplaced>,
}

/// The hashes of a new password and of the current one that the owner has proven.
struct PasswordReplaced {
    known: String,
    new: String,
}

async fn prepare_change(asked: ChangeAccount, store: ReadContext<Postgres>) -> HandlerResult<Change> {
    let name = asked.name.as_deref().map(Name::parse).transpose()?;
    let mut password = None;
    if let Some(asked_password) = asked.password {
        let new = Password::parse(asked_password.new).map_err(|_| AccountRefusal::NewPassword)?;
        let known =
            store::find_password_of(&store, asked.account_id).await?.ok_or_else(|| Problem::not_found("account"))?;
        let passwords = store.resource::<Passwords>();
        if !passwords.verify(asked_password.current, Some(&known)).await? {
            audit::sign_in_refused(WRONG_PASSWORD, Some(asked.account_id));
            return Err(AccountRefusal::CurrentPassword.into());
        }
        password = Some(PasswordReplaced { known, new: passwords.hash(new.reveal()).await? });
    }
    let changes = Changes { name, discoverable: asked.discoverable, nameable: asked.nameable };
    Ok(Change { account_id: asked.account_id, session_id: asked.session_id, changes, password })
}

/// Handles `change-account`: changes the given values. A new password ends all other sessions.
async fn change_account(asked: Change, tx: &mut Tx) -> HandlerResult<AccountView> {
    let account = store::find_account_to_change(tx, asked.account_id).await?;
    let account = account.ok_or_else(|| Problem::not_found("account"))?;
    let changed = account.clone().with(asked.changes);
    let is_changed = changed != account;
    if is_changed {
        tx.publish(profile_changed(&changed, tx.now()))?;
    }
    if let Some(password) = asked.password {
        if !store::replace_password(tx, changed.id, &password.known, &password.new).await? {
            return Err(AccountRefusal::CurrentPassword.into());
        }
        end_sessions(tx, changed.id, asked.session_id, SessionEndedReason::PasswordChanged).await?;
    }
    if is_changed {
        // Last: it locks the account's sequence, for which others wait with their sessions locked.
        store::update_account(tx, &changed).await?;
    }
    Ok(changed.into())
}

/// Handles `erase-account`: erases the account here, and begins its erasure in the other services.
async fn erase_account(asked: EraseAccountV2, tx: &mut Tx) -> HandlerResult<ErasureBegun> {
    let receipt_id = erase(tx, asked.account_id).await?.ok_or_else(|| Problem::not_found("account"))?;
    Ok(ErasureBegun { receipt_id })
}

/// Erases an account here, and begins its erasure in the other services. Returns the receipt's id; `None` if there is no
/// such account.
pub async fn erase(tx: &mut Tx, account: Uuid) -> HandlerResult<Option<Uuid>> {
    let Some(email) = store::email_of(tx, account).await? else { return Ok(None) };
    // Locked in the order of a sign-in: first the failures, then the account.
    store::forget_failures(tx, &address_digest(&email)).await?;
    if store::find_account_to_change(tx, account).await?.is_none() {
        return Ok(None);
    }
    let sessions = end_sessions(tx, account, None, SessionEndedReason::Erased).await?;
    tx.forget_replies_to(account).await?;
    let removed = sessions + store::delete_account(tx, account).await?;
    erasing::begin(tx, account, removed).await.map(Some)
}

/// Handles version 1 of `erase-account`, for a gateway of the previous release that has no receipts.
async fn erase_account_without_receipt(asked: EraseAccount, tx: &mut Tx) -> HandlerResult<()> {
    erase_account(EraseAccountV2::upcast(asked), tx).await.map(drop)
}

/// Handles `get-erasure`: which services have confirmed that they have erased their part.
async fn get_erasure(asked: GetErasure, store: ReadContext<Postgres>) -> HandlerResult<ErasureView> {
    let receipt = || Problem::not_found("receipt");
    let account = store::find_erased_account(&store, asked.receipt_id).await?.ok_or_else(receipt)?;
    let erasure: Erasure = saga::state_of(&store.store, account).await?.ok_or_else(receipt)?;
    Ok(erasure.into())
}

/// Handles `get-signing-keys`: the public keys of access tokens.
async fn get_signing_keys(_asked: GetSigningKeys, store: ReadContext<Postgres>) -> HandlerResult<SigningKeysView> {
    Ok(store.resource::<Tokens>().signing_keys())
}

/// Ends sessions and publishes an event for each. Returns their number.
async fn end_sessions(tx: &mut Tx, account: Uuid, but: Option<Uuid>, reason: SessionEndedReason) -> HandlerResult<u64> {
    let ended = store::delete_sessions(tx, account, but).await?;
    for session in &ended {
        tx.publish(session_ended(session, reason))?;
    }
    Ok(ended.len() as u64)
}

/// The key that failures are counted by: the same for all spellings of an address.
fn address_digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.trim().to_lowercase()).to_vec()
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            account_id: account.id,
            email: account.email.as_str().to_owned(),
            name: account.name.as_str().to_owned(),
            discoverable: account.discoverable,
            nameable: account.nameable,
            created_at: account.created_at,
        }
    }
}

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> Self {
        let parts = erasure.parts().map(|(part, confirmed)| ErasurePart {
            service: part.service.to_owned(),
            erased_at: confirmed.map(|confirmed| confirmed.erased_at),
        });
        Self {
            parts: parts.collect(),
            receipt_id: erasure.receipt_id,
            begun_at: erasure.begun_at,
            finished_at: erasure.finished_at,
        }
    }
}
