//! The frames of a guarded body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{Fault, GuardedBody};

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if let Some(fault) = this.progress.fault() {
            return this.fail(fault);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.wait(context));
            return this.fail(Fault::TooSlow);
        };
        this.went_on();
        let frame = frame.transpose().map_err(io::Error::other)?;
        this.received += frame.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        if this.received > this.limit {
            return this.fail(Fault::TooLarge);
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
