//! Panics of handlers: caught with their text and stack, without the personal data that the text may hold.
//!
//! A panic hook sees the text and the stack before the stack unwinds. Inside [`caught`] it keeps both and prints
//! nothing, because the standard hook would write the text, unmasked, to the log. Panics elsewhere go to the hook that
//! was installed before. A panic in a task that a handler spawned belongs to that task and is not seen here.

mod mask;

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    pin::pin,
    sync::Once,
    task::Poll,
};

use crate::failure::Bug;

/// The most bytes kept of a stack.
const MAX_STACK: usize = 8 * 1024;

/// The most bytes kept of a text.
const MAX_TEXT: usize = 1024;

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Bug>> = const { RefCell::new(None) };
}

/// Runs a future and converts its panic into a bug.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Bug> {
    install_hook();
    let mut work = pin!(work);
    poll_fn(|context| guarded(|| work.as_mut().poll(context))).await
}

/// One poll. A panic unwinds on the polling thread, where the hook has stored its text and stack.
fn guarded<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Result<T, Bug>> {
    let was_inside = IS_INSIDE.replace(true);
    let polled = catch_unwind(AssertUnwindSafe(poll));
    IS_INSIDE.set(was_inside);
    match polled {
        Ok(polled) => polled.map(Ok),
        Err(payload) => {
            let seen = LAST.take();
            Poll::Ready(Err(seen.unwrap_or_else(|| Bug { text: summary(text_of(&*payload), None), stack: None })))
        }
    }
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| if IS_INSIDE.get() { keep(panic) } else { others(panic) }));
    });
}

fn keep(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
    let text = summary(text_of(panic.payload()), place.as_deref());
    let stack = Some(own_frames(&Backtrace::force_capture().to_string()));
    LAST.set(Some(Bug { text, stack }));
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

fn summary(text: &str, place: Option<&str>) -> String {
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    format!("the handler panicked{place}: {}", cut(&mask::masked(text), MAX_TEXT))
}

/// The frames between the panic and the poll that caught it; the others are the same for every panic.
fn own_frames(stack: &str) -> String {
    let lines: Vec<&str> = stack.lines().collect();
    let is_machinery = |line: &&str| line.contains("core::panicking::") || line.contains("begin_unwind");
    let begin = lines.iter().rposition(is_machinery).map_or(0, |last| last + 1);
    // A frame is a line with its function and, if known, one with its location.
    let begin = begin + usize::from(lines.get(begin).is_some_and(|line| line.trim_start().starts_with("at ")));
    let end = lines.iter().position(|line| line.contains("panics::guarded")).unwrap_or(lines.len());
    cut(&lines.get(begin..end).unwrap_or(&lines).join("\n"), MAX_STACK).to_owned()
}

/// The first bytes of a text, up to a character boundary.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_keeps_its_masked_text_its_place_and_its_stack() {
        async fn handler_that_panics() {
            tokio::task::yield_now().await;
            panic!("no contact zoe@example.org");
        }

        let bug = caught(handler_that_panics()).await.unwrap_err();

        assert!(bug.text.starts_with("the handler panicked at "), "{}", bug.text);
        assert!(bug.text.contains("panics/mod.rs:") && bug.text.ends_with(": no contact •••"), "{}", bug.text);
        let stack = bug.stack.unwrap();
        assert!(stack.contains("handler_that_panics"), "{stack}");
        assert!(!stack.contains("panics::guarded") && stack.len() <= MAX_STACK, "{stack}");
    }

    #[tokio::test]
    async fn what_does_not_panic_goes_through() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
    }
}
